"""Active users: distinct people on a day, in the 7 and in the 28 days that end on it. Never sums of days."""

from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from analytics.reports.cells import Compared, Count
from analytics.reports.filters import ReportFilters


class ActiveDay(NamedTuple):
    """Distinct users of one day, or of the 7 or 28 days that end on it. `complete` is false for today.

    Somebody seen on two deployment types is in both and in the total once. With a deployment
    filter the total is that deployment's, and the other two are 0.
    """

    day: date
    total: Count
    cloud: Count
    self_hosted: Count
    unknown: Count
    complete: bool


@dataclass(frozen=True, kw_only=True)
class ActiveUsersReport:
    """`series` and `previous_series` hold the days by metric (dau, wau, mau); previous days align."""

    filters: ReportFilters
    series: dict[str, list[ActiveDay]]
    previous_series: dict[str, list[ActiveDay]]  # empty lists without `compare`
    yesterday: Compared  # the last complete day of the range; before: a week earlier
    wau: Compared  # ending on that day; before: ending on the previous period's last complete day
    mau: Compared
    average: Compared  # mean of the metric over complete days
    highest: ActiveDay | None  # of the metric, among complete days
    stickiness: Compared  # mean DAU of 28 days / MAU, both ending on the last complete day
    period_users: Compared  # distinct users in the complete days of the range
    users_so_far: Count  # distinct users in the range, today included
    summands: tuple[int, ...] = field(default=(), repr=False)  # days that means were made of, for suppression

    @property
    def metric(self) -> str:
        return self.filters.metric

    @property
    def days(self) -> list[ActiveDay]:
        return self.series[self.metric]

    @property
    def previous(self) -> list[ActiveDay]:
        return self.previous_series[self.metric]


def active_users_report(filters: ReportFilters) -> ActiveUsersReport:
    """The report, exact."""
    raise NotImplementedError
