"""Suppression of installations: kinds are folded, days and the ledger hide what would reveal few."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.reports.cells import Compared, Withheld
from analytics.reports.installations import InstallationDay, InstallationsReport, KindRow
from analytics.reports.suppression import suppress_installations
from tests.support.events import TODAY, filters

THRESHOLD = 5
numbers = st.one_of(st.integers(0, 9), st.integers(0, 60))


def kinds(counts, before=None):
    total = sum(counts)
    return [
        KindRow(f"k{number}", count, count / total if total else None, before and before[number])
        for number, count in enumerate(counts)
    ]


def report_of(*, active=20, quiet=0, long_quiet=0, new=0, days=(), before=None, rows=()):
    return InstallationsReport(
        filters=filters(),
        active=Compared(active, before),
        new=Compared(new),
        gone_quiet=Compared(quiet),
        total=active + quiet + long_quiet,
        on_newest=Compared(0.5, None if before is None else 0.5),
        newest_version=rows[0].kind if rows else "",
        days=[InstallationDay(TODAY - timedelta(days=1), sum(parts), parts, True) for parts in days],
        shown_versions=["1"],
        versions=list(rows),
        platforms=list(rows),
        architectures=[],
        channels=[],
        deployments=[],
        long_quiet=long_quiet,
    )


def few(number):
    return isinstance(number, int) and 0 < number < THRESHOLD


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_no_kind_of_few_is_shown_and_none_is_the_total_minus_the_others(counts):
    report = suppress_installations(report_of(active=max(sum(counts), THRESHOLD), rows=kinds(counts)))
    if few(sum(counts)):
        assert {row.installations for row in report.platforms} == {Withheld.FEW}
        assert {row.share for row in report.platforms} == {Withheld.HIDDEN}
        return
    assert not any(few(row.installations) for row in report.platforms)
    assert sum(row.installations for row in report.platforms) == sum(counts)
    assert sum(row.share for row in report.platforms) == pytest.approx(1)
    shown = [row.kind for row in report.platforms]
    folded = [kind for kind in shown if kind.startswith("Other, ")]
    assert len(folded) == any(map(few, counts))
    for kind in folded:
        assert kind == f"Other, {len(counts) - len(shown) + 1} kinds"
        assert len(counts) - len(shown) + 1 > 1, "one folded kind would be told by the total"


@given(
    st.lists(st.integers(5, 30), min_size=2, max_size=6), st.lists(numbers, min_size=6, max_size=6), numbers
)
def test_previous_counts_are_parts_of_the_previous_total(counts, before, gone):
    before = before[: len(counts)]
    whole = sum(before) + gone  # `gone`: of kinds that have disappeared
    rows = kinds(counts, before)
    shown = suppress_installations(report_of(active=sum(counts), before=whole, rows=rows)).platforms
    previous = [row.previous for row in shown]
    assert not any(map(few, previous))
    if few(whole):
        assert set(previous) == {Withheld.HIDDEN}
    elif any(isinstance(number, Withheld) for number in previous):
        assert whole - sum(number for number in previous if isinstance(number, int)) >= THRESHOLD


@given(numbers, numbers, numbers, numbers)
def test_the_ledger_tells_of_no_few(active, quiet, long_quiet, new):
    total = active + quiet + long_quiet
    report = suppress_installations(
        report_of(active=active, quiet=quiet, long_quiet=long_quiet, new=min(new, total))
    )
    assert report.long_quiet == 0
    if few(total):
        assert (report.total, report.active.value, report.new.value) == (
            Withheld.FEW,
            Withheld.FEW,
            Withheld.HIDDEN,
        )
        return
    ledger = (report.active.value, report.gone_quiet.value)
    assert not any(few(number) for number in (*ledger, report.new.value))
    assert not few(total - report.new.value if isinstance(report.new.value, int) else 0)
    assert not few(total - sum(number for number in ledger if isinstance(number, int)))


@given(st.lists(numbers, min_size=2, max_size=4))
def test_the_versions_of_a_day_are_parts_of_it(parts):
    (day,) = suppress_installations(report_of(days=[tuple(parts)])).days
    shown = [number for number in day.versions if isinstance(number, int)]
    assert not any(map(few, (day.total, *shown)))
    if isinstance(day.total, int) and len(shown) < len(parts):
        assert day.total - sum(shown) >= THRESHOLD


@pytest.mark.parametrize(
    ("counts", "share"),
    [((20, 20), 0.5), ((4, 36), Withheld.HIDDEN), ((36, 4), Withheld.HIDDEN), ((0, 40), 0.5)],
)
def test_the_share_on_the_newest_version_is_of_a_group_that_may_be_shown(counts, share):
    report = suppress_installations(report_of(active=40, rows=kinds(counts)))
    assert report.on_newest.value == share


@pytest.mark.parametrize(
    ("before", "whole", "share"),
    [((20, 20), 40, 0.5), ((4, 36), 40, Withheld.HIDDEN), ((36, 4), 40, Withheld.HIDDEN)],
)
def test_so_is_the_share_of_the_period_before(before, whole, share):
    rows = kinds((20, 20), before)
    assert suppress_installations(report_of(active=40, before=whole, rows=rows)).on_newest.before == share
