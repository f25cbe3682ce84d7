"""Retention: of the people first seen on a day, how many came back.

People whose seven days are not over are *immature*: they count neither as back nor as gone.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

from analytics.report_days import days_between, week_of
from analytics.reports.cells import Compared, Count, Measure, exact, ratio
from analytics.reports.filters import ReportFilters
from analytics.reports.retention_counts import (
    CURVE_DAYS,
    TRIANGLE_WEEKS,
    Cohorts,
    Ledger,
    Visits,
    cohort_weeks,
    read_cohorts,
)
from analytics.rollups.reading import reader as rollups


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
    """The exact report. `now` decides which seven days are over (the clock's when left out)."""
    filters = filters.unsealed
    now = now or timezone.now()
    with rollups.reading() as reader:
        return retention_of(filters, read_cohorts(reader, filters, now))


def retention_of(filters: ReportFilters, cohorts: Cohorts) -> RetentionReport:
    """The report, from what was counted."""
    mondays = [monday for monday in cohort_weeks(filters) if monday >= cohorts.since]
    rows = [_cohort_row(filters, cohorts, monday) for monday in mondays]
    while rows and not rows[0].users:
        rows.pop(0)
    return RetentionReport(
        filters=filters,
        headline=_headline(cohorts, filters.first, filters.last),
        previous=_headline(cohorts, filters.previous.first, filters.previous.last)
        if filters.compare
        else None,
        curve=[_curve_day(n, cohorts.curve[n]) for n in range(1, CURVE_DAYS + 1)],
        cohorts=rows,
        averages=cohort_averages(rows),
    )


def cohort_averages(rows: list[CohortRow]) -> list[Measure]:
    """The share of each week over all cohorts, from the cells that are over and shown."""
    averages: list[Measure] = []
    for week in range(TRIANGLE_WEEKS):
        users = size = 0
        for row in rows:
            if not isinstance(row.users, int) or len(row.cells) <= week:
                continue
            cell = row.cells[week]
            if isinstance(cell.users, int) and not cell.open:
                users, size = users + cell.users, size + row.users
        averages.append(ratio(users, size))
    return averages


def _headline(cohorts: Cohorts, first: date, last: date) -> Headline:
    ledgers = [cohorts.ledgers[day] for day in days_between(first, last) if day in cohorts.ledgers]
    new, mature, retained = (sum(numbers) for numbers in zip(Ledger(), *ledgers, strict=True))
    return Headline(new, new - mature, mature, retained, ratio(retained, mature))


def _curve_day(n: int, visits: Visits) -> CurveDay:
    eligible, on_day, on_or_after = visits
    return CurveDay(n, *visits, ratio(on_day, eligible), ratio(on_or_after, eligible))


def _cohort_row(filters: ReportFilters, cohorts: Cohorts, monday: date) -> CohortRow:
    headline = _headline(cohorts, monday, monday + timedelta(days=6))
    users = exact(headline.new_users)
    weeks = min((week_of(filters.today) - monday).days // 7 + 1, TRIANGLE_WEEKS)
    cells = []
    for week in range(weeks):
        came = cohorts.weeks.get((monday, week), 0)
        is_open = monday + timedelta(weeks=week + 1) > filters.today
        cells.append(CohortCell(week, came, ratio(came, users), is_open))
    return CohortRow(
        week_start=monday,
        users=users,
        cells=cells,
        mature=headline.mature,
        retained=headline.retained,
        rate=headline.rate,
        open=headline.immature != 0 or monday + timedelta(days=6) >= filters.today,
    )
