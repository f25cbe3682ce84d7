"""Retention: of the people first seen on a day, how many came back. Immature ones are in neither part."""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

from analytics.periods import report_today, week_of
from analytics.reports.cells import Compared, Count, Measure, exact, ratio
from analytics.reports.filters import ReportFilters
from analytics.reports.source import (
    DAY,
    EVENT_TABLES,
    FIRST_SEEN,
    active_rows,
    in_segment,
    people,
    report_cursor,
    segment,
)

WINDOW_DAYS = 7
CURVE_DAYS = 28
TRIANGLE_WEEKS = 12  # columns, and rows at least
MOST_COHORTS = 53


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


# Everyone's first day, whatever the filters; then, of those whose first day was in the segment, the
# days they came back to it. `age` is days since the first.
COHORTS = f"""
WITH seen AS MATERIALIZED ({{seen}}), firsts AS ({FIRST_SEEN}), visit AS MATERIALIZED (
    SELECT DISTINCT user_id, first, day - first AS age,
           (day - extract(isodow FROM day)::int - first + extract(isodow FROM first)::int) / 7 AS week
      FROM firsts JOIN seen USING (user_id)
     WHERE first BETWEEN %(from)s AND %(to)s AND inside
), person AS MATERIALIZED (
    SELECT user_id, first, min(age) FILTER (WHERE age > 0) AS next,
           max(age) FILTER (WHERE first + age < %(today)s) AS last
      FROM visit GROUP BY 1, 2 HAVING min(age) = 0
)
SELECT 'next', first, least(next, {WINDOW_DAYS + 1}), count(*) FROM person GROUP BY 2, 3
UNION ALL
SELECT 'last', first, least(last, {CURVE_DAYS}), count(*) FROM person GROUP BY 2, 3
UNION ALL
SELECT 'on', first, age, count(*) FROM visit JOIN person USING (user_id, first)
 WHERE age <= {CURVE_DAYS} GROUP BY 2, 3
UNION ALL
SELECT 'week', first - extract(isodow FROM first)::int + 1, week, count(DISTINCT user_id)
  FROM visit JOIN person USING (user_id, first) WHERE week < {TRIANGLE_WEEKS} GROUP BY 2, 3
"""

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


def retention_report(filters: ReportFilters, *, now: datetime | None = None) -> RetentionReport:
    """The report, exact. `now` decides which seven days are over (the clock's when left out)."""
    now = now or timezone.now()
    mondays = _cohort_weeks(filters)
    earliest = min(mondays[0], filters.previous.first if filters.compare else filters.first)
    found = _cohorts(filters, earliest, now)
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


def _cohorts(filters: ReportFilters, earliest: date, now: datetime) -> _Cohorts:
    login_window = filters.definition == "login_window"
    if login_window:
        filters = replace(filters, activity="login")
    found = _Cohorts(defaultdict(_Ledger), defaultdict(int), defaultdict(int), defaultdict(int))
    everything = replace(filters, deployment="", organization="")
    inside = in_segment(filters)
    rows = people(segment(everything, None, max(filters.today, report_today(now)))).with_(
        **inside.parameters, today=filters.today, now=now, **{"from": earliest, "to": filters.last}
    )
    seen = active_rows(filters, f"user_id, {DAY} AS day, {inside.where} AS inside", rows.where)
    with report_cursor() as cursor:
        cursor.execute(COHORTS.format(seen=seen), rows.parameters)
        for kind, first, age, number in cursor.fetchall():
            if kind == "next" and not login_window:
                mature = first + timedelta(days=WINDOW_DAYS) < filters.today
                retained = mature and age is not None and age <= WINDOW_DAYS
                found.ledgers[first].add(_Ledger(number, number * mature, number * retained))
            elif kind != "next":
                {"last": found.last, "on": found.on, "week": found.week}[kind][first, age] += number
        if login_window:
            statement = LOGIN_WINDOW.format(inside=inside.where, table=EVENT_TABLES[0], where=rows.where)
            cursor.execute(statement, rows.parameters)
            for first, mature, retained, number in cursor.fetchall():
                ledger = _Ledger(number, number * mature, number * (mature and retained))
                found.ledgers[first].add(ledger)
    return found


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
