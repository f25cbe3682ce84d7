"""Retention: of the people first seen on a day, how many came back. Immature ones are in neither part."""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import NamedTuple

import numpy as np
from django.utils import timezone

from analytics.periods import report_today, week_of
from analytics.reports.cells import Compared, Count, Measure, exact, ratio
from analytics.reports.columns import Numbers, counted
from analytics.reports.filters import ReportFilters
from analytics.reports.presence import Days, Presence, presence
from analytics.reports.source import EVENT_TABLES, in_segment, people, report_cursor, segment

WINDOW_DAYS = 7
CURVE_DAYS = 28
TRIANGLE_WEEKS = 12  # columns, and rows at least
MOST_COHORTS = 53
NEVER = 10_000  # days; later than any day that is kept


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


# Sign-ins within 168 hours of the first one, to the second; the first does not count again.
LOGIN_WINDOW = """
WITH login AS MATERIALIZED (
    SELECT user_id, "timestamp" AS at, {inside} AS inside FROM {table} WHERE event_type = 'login' AND {where}
), firsts AS (
    SELECT user_id, min(at) AS first FROM login GROUP BY 1
), person AS (
    SELECT user_id, first, bool_or(at = first AND inside) AS inside,
           bool_or(at > first AND at <= first + interval '168 hours' AND inside) AS retained
      FROM firsts JOIN login USING (user_id) GROUP BY 1, 2
)
SELECT (first AT TIME ZONE %(zone)s)::date, first + interval '168 hours' <= %(now)s, retained, count(*)
  FROM person WHERE inside GROUP BY 1, 2, 3
"""


@dataclass
class _Ledger:
    """People first seen on one day."""

    new: int = 0
    mature: int = 0
    retained: int = 0

    def add(self, other: "_Ledger") -> None:
        self.new += other.new
        self.mature += other.mature
        self.retained += other.retained


@dataclass
class _Cohorts:
    """What the database counted: the ledger by first day, and visits by first day (or week) and age."""

    ledgers: dict[date, _Ledger]
    last: dict[tuple[date, int], int]
    on: dict[tuple[date, int], int]
    week: dict[tuple[date, int], int]


def retention_report(
    filters: ReportFilters, *, now: datetime | None = None, seen: Presence | None = None
) -> RetentionReport:
    """The report, exact. `now` decides which seven days are over (the clock's when left out).

    `seen` (from `retention_presence`) spares asking who was there, where another report has asked.
    """
    now = now or timezone.now()
    seen = seen or retention_presence(filters, now)
    mondays = _cohort_weeks(filters)
    earliest = min(mondays[0], filters.previous.first if filters.compare else filters.first)
    found = _cohorts(filters, earliest, now, seen)
    rows = [_cohort_row(filters, found, monday) for monday in mondays]
    while rows and not rows[0].users:
        rows.pop(0)
    return RetentionReport(
        filters=filters,
        headline=_headline(found, filters),
        previous=_headline(found, filters.previous) if filters.compare else None,
        curve=[_curve_day(filters, found, n) for n in range(1, CURVE_DAYS + 1)],
        cohorts=rows,
        averages=cohort_averages(rows),
    )


def cohort_averages(rows: list[CohortRow]) -> list[Measure]:
    """Per week the share over all cohorts, of the cells that are over and shown."""
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


def _cohort_weeks(filters: ReportFilters) -> list[date]:
    """The Mondays of the cohorts: the range's weeks, and enough before them to show a course."""
    last = week_of(filters.last)
    count = (last - week_of(filters.first)).days // 7 + 1
    count = min(max(count, TRIANGLE_WEEKS), MOST_COHORTS)
    return [last - timedelta(weeks=count - 1 - number) for number in range(count)]


def retention_presence(filters: ReportFilters, now: datetime) -> Presence:
    """Everybody's days from the beginning: what a first day is found by."""
    if filters.definition == "login_window":
        filters = replace(filters, activity="login")
    return presence(filters, None, max(filters.today, report_today(now)), anywhere=True)


def _cohorts(filters: ReportFilters, earliest: date, now: datetime, seen: Presence) -> _Cohorts:
    found = _Cohorts(defaultdict(_Ledger), defaultdict(int), defaultdict(int), defaultdict(int))
    for inside, anywhere in seen.blocks(filters.deployment):
        first = anywhere.argmax(axis=1)
        new = (first >= seen.column(earliest)) & (first <= seen.column(filters.last))
        new &= inside[np.arange(len(first)), first]  # their first day was one in the segment
        _count_visits(found, seen.first, first[new], inside[new], seen.column(filters.today))
    if filters.definition == "login_window":
        found.ledgers = _login_ledgers(filters, earliest, now)
    return found


def _count_visits(found: _Cohorts, origin: date, first: Numbers, days: Days, today: int) -> None:
    """Add some people to what was found: their first days, and on which days they came. Days are columns."""
    person, day = np.nonzero(days)
    age = day - first[person]
    mature = first + WINDOW_DAYS < today
    next_age = np.full(len(first), NEVER)
    np.minimum.at(next_age, person[age > 0], age[age > 0])
    for (day_0,), number in counted(first):
        found.ledgers[_day(origin, day_0)].new += number
    for (day_0,), number in counted(first[mature]):
        found.ledgers[_day(origin, day_0)].mature += number
    for (day_0,), number in counted(first[mature & (next_age <= WINDOW_DAYS)]):
        found.ledgers[_day(origin, day_0)].retained += number
    last_age = np.full(len(first), -1)  # of those who came today for the first time
    np.maximum.at(last_age, person[day < today], age[day < today])
    for (day_0, last), number in counted(first, np.minimum(last_age, CURVE_DAYS)):
        found.last[_day(origin, day_0), last] += number
    early = age <= CURVE_DAYS
    for (day_0, came), number in counted(first[person[early]], age[early]):
        found.on[_day(origin, day_0), came] += number
    weekday = origin.weekday()
    monday, came_monday = (columns - (columns + weekday) % 7 for columns in (first, day))
    week = (came_monday - monday[person]) // 7
    once = np.unique(np.stack([person, week], axis=1)[week < TRIANGLE_WEEKS], axis=0)
    for (day_0, came), number in counted(monday[once[:, 0]], once[:, 1]):
        found.week[_day(origin, day_0), came] += number


def _day(origin: date, column: int) -> date:
    return origin + timedelta(days=column)


def _login_ledgers(filters: ReportFilters, earliest: date, now: datetime) -> dict[date, _Ledger]:
    inside = in_segment(filters)
    everything = replace(filters, deployment="", organization="")
    rows = people(segment(everything, None, max(filters.today, report_today(now)))).with_(
        **inside.parameters, now=now
    )
    ledgers: dict[date, _Ledger] = defaultdict(_Ledger)
    with report_cursor() as cursor:
        statement = LOGIN_WINDOW.format(inside=inside.where, table=EVENT_TABLES[0], where=rows.where)
        cursor.execute(statement, rows.parameters)
        for first, mature, retained, number in cursor.fetchall():
            ledgers[first].add(_Ledger(number, number * mature, number * (mature and retained)))
    return ledgers


def _headline(found: _Cohorts, span: ReportFilters) -> Headline:
    return _headline_between(found, span.first, span.last)


def _headline_between(found: _Cohorts, first: date, last: date) -> Headline:
    total = _Ledger()
    for day, ledger in found.ledgers.items():
        if first <= day <= last:
            total.add(ledger)
    rate = ratio(total.retained, total.mature)
    return Headline(total.new, total.new - total.mature, total.mature, total.retained, rate)


def _curve_day(filters: ReportFilters, found: _Cohorts, n: int) -> CurveDay:
    until = min(filters.last, filters.today - timedelta(days=n + 1))  # first days whose day n is over

    def counted(first: date) -> bool:
        return filters.first <= first <= until

    eligible = sum(number for (first, _), number in found.last.items() if counted(first))
    on_day = sum(number for (first, age), number in found.on.items() if age == n and counted(first))
    later = sum(
        number
        for (first, age), number in found.last.items()
        if counted(first) and age is not None and age >= n
    )
    return CurveDay(n, eligible, on_day, later, ratio(on_day, eligible), ratio(later, eligible))


def _cohort_row(filters: ReportFilters, found: _Cohorts, monday: date) -> CohortRow:
    headline = _headline_between(found, monday, monday + timedelta(days=6))
    users = exact(headline.new_users)
    weeks = min((week_of(filters.today) - monday).days // 7 + 1, TRIANGLE_WEEKS)
    cells = []
    for week in range(weeks):
        came = found.week[monday, week]
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
