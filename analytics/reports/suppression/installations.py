"""Suppression of the installations report: here the threshold is of installations, not people."""

from collections.abc import Sequence
from dataclasses import replace

from analytics.reports.cells import Compared, Count, Withheld, exact, ratio
from analytics.reports.installations import InstallationDay, InstallationsReport, KindRow
from analytics.reports.suppression.rules import (
    compared,
    few,
    hidden_measure,
    part,
    parts_of,
    ruled,
    shown,
)
from analytics.small_groups import enough


def suppress_installations(report: InstallationsReport) -> InstallationsReport:
    """Kinds are folded together until none is small; days and the ledger are parts of their totals."""
    if few(report.total):
        return _nothing(report)
    active, quiet = report.active.value, report.gone_quiet.value
    assert isinstance(active, int)
    assert isinstance(quiet, int)
    ledger = [
        ruled(number, verdict)
        for number, verdict in zip(
            (active, quiet), parts_of(report.total, [active, quiet, report.long_quiet]), strict=False
        )
    ]
    newest = next((row for row in report.versions if row.kind == report.newest_version), None)
    before = report.active.before
    whole_before = before if isinstance(before, int) else None
    return replace(
        report,
        active=compared(report.active)._replace(value=ledger[0]),
        new=_part(report.new, report.total),
        gone_quiet=compared(report.gone_quiet)._replace(value=ledger[1]),
        on_newest=_on_newest(report, newest, active, whole_before),
        days=[_day(day) for day in report.days],
        versions=_folded(report.versions, whole_before),
        platforms=_folded(report.platforms, whole_before),
        architectures=_folded(report.architectures, whole_before),
        channels=_folded(report.channels, whole_before),
        deployments=_folded(report.deployments, whole_before),
        long_quiet=0,
    )


def _part(number: Compared, total: Count) -> Compared:
    value = number.value
    return compared(number)._replace(value=part(value, total) if isinstance(value, int) else value)


def _on_newest(
    report: InstallationsReport, newest: KindRow | None, active: int, before: int | None
) -> Compared:
    now = newest.installations if newest else 0
    then = newest.previous if newest and newest.previous is not None else 0
    return Compared(
        hidden_measure(report.on_newest.value, isinstance(part(now, active), Withheld)),
        hidden_measure(report.on_newest.before, isinstance(part(then, before or 0), Withheld)),
    )


def _day(day: InstallationDay) -> InstallationDay:
    verdicts = parts_of(day.total, day.versions)
    versions = tuple(ruled(number, verdict) for number, verdict in zip(day.versions, verdicts, strict=True))
    return day._replace(total=shown(day.total), versions=versions)


def _folded(rows: Sequence[KindRow], before: int | None) -> list[KindRow]:
    """Small kinds become one row, “Other, 3 kinds”, which takes in the next smallest until it is enough."""
    numbers = [exact(row.installations) for row in rows]
    total = sum(numbers)
    if few(total):
        return [
            row._replace(installations=Withheld.FEW, share=Withheld.HIDDEN, previous=None) for row in rows
        ]
    folded = {index for index, number in enumerate(numbers) if few(number)}
    for index in sorted(range(len(rows)), key=numbers.__getitem__):
        if not folded or enough(sum(numbers[one] for one in folded)):
            break
        folded.add(index)
    large = [row for index, row in enumerate(rows) if index not in folded]
    if folded:
        together = sum(numbers[index] for index in folded)
        previous = [exact(rows[index].previous or 0) for index in folded]
        large.append(
            KindRow(
                f"Other, {len(folded)} kinds",
                together,
                ratio(together, total),
                None if before is None else sum(previous),
            )
        )
    return _previous_hidden(large, before)


def _previous_hidden(rows: Sequence[KindRow], before: int | None) -> list[KindRow]:
    """Previous counts are parts of the previous total; kinds that have disappeared are one more part."""
    if before is None:
        return list(rows)
    numbers = [exact(row.previous or 0) for row in rows]
    verdicts = parts_of(before, [*numbers, max(before - sum(numbers), 0)])
    if few(before):
        return [row._replace(previous=Withheld.HIDDEN) for row in rows]
    return [
        row._replace(previous=ruled(number, verdict))
        for row, number, verdict in zip(rows, numbers, verdicts, strict=False)
    ]


def _nothing(report: InstallationsReport) -> InstallationsReport:
    """For fewer installations than the threshold: shows only that there are few."""
    hidden = Compared(Withheld.HIDDEN, None)
    return replace(
        report,
        active=Compared(Withheld.FEW, None),
        new=hidden,
        gone_quiet=hidden,
        total=Withheld.FEW,
        on_newest=hidden,
        newest_version="",
        days=[
            InstallationDay(day.day, Withheld.HIDDEN, (Withheld.HIDDEN,) * len(day.versions), day.complete)
            for day in report.days
        ],
        shown_versions=list(report.shown_versions),
        versions=[],
        platforms=[],
        architectures=[],
        channels=[],
        deployments=[],
        long_quiet=0,
    )
