"""Installations: which versions run where. Counts are of installations; there are no users in base telemetry.

Active on a day: at least one heartbeat in the 7 days that end on it. Only `range` and `deployment`
apply. Versions and platforms are those that an installation reported last.
"""

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from analytics.reports.cells import Compared, Count, Measure
from analytics.reports.filters import ReportFilters


class InstallationDay(NamedTuple):
    """Active installations, in all and by version; `versions` aligns with `shown_versions`."""

    day: date
    total: Count
    versions: tuple[Count, ...]
    complete: bool


class KindRow(NamedTuple):
    """Active installations of one kind; `kind` “Other, 2 kinds” when small ones are folded together."""

    kind: str
    installations: Count
    share: Measure
    previous: Count | None


@dataclass(frozen=True, kw_only=True)
class InstallationsReport:
    filters: ReportFilters
    active: Compared  # on the last complete day
    new: Compared  # first seen in the complete days of the range
    gone_quiet: Compared  # last heard of in the range, but not in the last 7 days of it
    total: Count  # ever seen, up to the end of the range
    on_newest: Compared  # share of active ones on the newest version
    newest_version: str
    days: list[InstallationDay]
    shown_versions: list[str]  # oldest to newest, at most 6, the first may be “Older”
    versions: list[KindRow]  # newest first
    platforms: list[KindRow]
    architectures: list[KindRow]
    channels: list[KindRow]
    deployments: list[KindRow]


def installations_report(filters: ReportFilters) -> InstallationsReport:
    """The report, exact."""
    raise NotImplementedError
