"""Retention: of the people first seen on a day, how many came back. Immature ones are in neither part."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from analytics.reports.cells import Compared, Count, Measure
from analytics.reports.filters import ReportFilters

CURVE_DAYS = 28
TRIANGLE_WEEKS = 12


class Headline(NamedTuple):
    """The ledger: `new_users` = `immature` + `mature`; `rate` = `retained` / `mature`."""

    new_users: Count
    immature: Count  # their seven days are not over
    mature: Count
    retained: Count
    rate: Measure


class CurveDay(NamedTuple):
    """Of the people whose day `n` is over: how many were active on it, and on it or later."""

    n: int
    eligible: Count
    on_day: Count
    on_or_after: Count
    on_day_rate: Measure
    on_or_after_rate: Measure


class CohortCell(NamedTuple):
    """People of a cohort active in a later week; `open` while that week is not over."""

    week: int  # 0 is the cohort's own
    users: Count
    share: Measure
    open: bool


class CohortRow(NamedTuple):
    """Everyone first seen in the week that begins on `week_start` (a Monday), and the headline for them."""

    week_start: date
    users: Count
    cells: list[CohortCell]  # up to the present week, TRIANGLE_WEEKS at most
    mature: Count
    retained: Count
    rate: Measure
    open: bool  # somebody's seven days are not over


@dataclass(frozen=True, kw_only=True)
class RetentionReport:
    """`averages[k]`: share over all cohorts whose week k is over, weighted by size."""

    filters: ReportFilters
    headline: Headline
    previous: Headline | None  # None without `compare`
    curve: list[CurveDay]  # days 1 to CURVE_DAYS
    cohorts: list[CohortRow]  # oldest first
    averages: list[Measure]

    @property
    def rate(self) -> Compared:
        return Compared(self.headline.rate, self.previous.rate if self.previous else None)


def retention_report(filters: ReportFilters, *, now: datetime | None = None) -> RetentionReport:
    """The report, exact. `now` decides which seven days are over (the clock's when left out)."""
    raise NotImplementedError
