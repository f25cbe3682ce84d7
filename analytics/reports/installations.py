"""Installations: which versions run where. Counts are of installations; there are no users in base telemetry.

Active on a day: at least one base event in the 7 days that end on it. Only `range`, `deployment` and the
dimensions `app_version` and `platform` apply. Versions and platforms are those that an installation
reported last.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from analytics.report_days import days_between
from analytics.reports.cells import Compared, Count, Measure, ratio
from analytics.reports.filters import ReportFilters
from analytics.reports.installation_counts import (
    InstallationKind,
    InstallationLedger,
    read_days,
    read_kinds,
    read_ledger,
)
from analytics.reports.parameters import DEPLOYMENTS

MOST_VERSIONS = 6  # in the figure; older ones are folded into one
OLDER = "Older"


class InstallationDay(NamedTuple):
    """Active installations: all, and by version; `versions` aligns with `shown_versions`."""

    day: date
    total: Count
    versions: tuple[Count, ...]
    complete: bool


class KindRow(NamedTuple):
    """Active installations of one kind; `kind` is “Other, 2 kinds” where small ones are folded together."""

    kind: str
    installations: Count
    share: Measure
    previous: Count | None  # None without `compare`


@dataclass(frozen=True, kw_only=True)
class InstallationsReport:
    filters: ReportFilters
    active: Compared  # on the last complete day
    new: Compared  # first seen in the complete days of the range
    gone_quiet: Compared  # last heard of in the range, but not in the last 7 days of it
    total: Count  # ever seen, up to the last complete day
    on_newest: Compared  # share of active ones on the newest version
    newest_version: str
    days: list[InstallationDay]
    shown_versions: list[str]  # oldest to newest, at most 6, the first may be “Older”
    versions: list[KindRow]  # newest first
    platforms: list[KindRow]
    architectures: list[KindRow]
    channels: list[KindRow]
    deployments: list[KindRow]
    long_quiet: int = field(default=0, repr=False)  # the rest of `total`, for suppression


def installations_report(filters: ReportFilters) -> InstallationsReport:
    """The exact report. Raises `ReportTimedOut`."""
    now, before = filters.complete, filters.previous_complete
    compare = filters.compare and now.length > 0
    kinds = read_kinds(filters, now.last)
    kinds_before = read_kinds(filters, before.last) if compare else None
    ledger = read_ledger(filters, now)
    ledger_before = read_ledger(filters, before) if compare else None
    counts = read_days(filters)
    names = sorted({version for version, _ in counts}, key=version_key)
    shown = names if len(names) <= MOST_VERSIONS else [OLDER, *names[1 - MOST_VERSIONS :]]
    newest = _newest(names)

    def rows(get: Callable[[InstallationKind], str]) -> list[KindRow]:
        return _kind_rows(kinds, kinds_before, get)

    def compared(get: Callable[[InstallationLedger], int]) -> Compared:
        return Compared(get(ledger), get(ledger_before) if ledger_before else None)

    return InstallationsReport(
        filters=filters,
        active=compared(lambda one: one.active),
        new=compared(lambda one: one.new),
        gone_quiet=compared(lambda one: one.gone_quiet),
        total=ledger.total,
        on_newest=Compared(
            _share_on(kinds, newest), _share_on(kinds_before, newest) if kinds_before is not None else None
        ),
        newest_version=newest,
        days=[_day(filters, counts, day, names, shown) for day in days_between(filters.first, filters.last)],
        shown_versions=shown,
        versions=sorted(rows(lambda one: one.version), key=lambda row: version_key(row.kind), reverse=True),
        platforms=rows(lambda one: one.platform),
        architectures=rows(lambda one: one.architecture),
        channels=rows(lambda one: one.channel),
        deployments=rows(lambda one: DEPLOYMENTS[one.deployment]),
        long_quiet=ledger.total - ledger.active - ledger.gone_quiet,
    )


def version_key(version: str) -> tuple[tuple[int, ...], str]:
    """Sorts versions by their numbers: 2.10 after 2.9; versions without a number come first."""
    return tuple(int(digits) for digits in re.findall(r"[0-9]{1,9}", version.partition("+")[0])), version


def _newest(names: list[str]) -> str:
    return names[-1] if names else ""


def _day(
    filters: ReportFilters, counts: dict[tuple[str, date], int], day: date, names: list[str], shown: list[str]
) -> InstallationDay:
    by_version = {name: counts.get((name, day), 0) for name in names}
    older = sum(number for name, number in by_version.items() if name not in shown)
    versions = tuple(older if name == OLDER and OLDER not in names else by_version[name] for name in shown)
    return InstallationDay(day, sum(by_version.values()), versions, day < filters.today)


def _kind_rows(
    kinds: Iterable[InstallationKind],
    before: Iterable[InstallationKind] | None,
    kind_of: Callable[[InstallationKind], str],
) -> list[KindRow]:
    """Installations by one thing that they report, the most frequent first."""
    now_counts: dict[str, int] = defaultdict(int)
    before_counts: dict[str, int] = defaultdict(int)
    for kind in kinds:
        now_counts[kind_of(kind)] += kind.number
    for kind in before or ():
        before_counts[kind_of(kind)] += kind.number
    total = sum(now_counts.values())
    rows = [
        KindRow(
            name, number, ratio(number, total), before_counts.get(name, 0) if before is not None else None
        )
        for name, number in now_counts.items()
    ]
    return sorted(
        rows, key=lambda row: (-(row.installations if isinstance(row.installations, int) else 0), row.kind)
    )


def _share_on(kinds: list[InstallationKind], version: str) -> float | None:
    return ratio(
        sum(kind.number for kind in kinds if kind.version == version), sum(kind.number for kind in kinds)
    )
