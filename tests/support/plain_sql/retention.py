"""Retention from raw rows."""

from collections import defaultdict
from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np
from django.utils import timezone

from analytics.report_days import report_today, week_of
from analytics.reports.filters import ReportFilters
from analytics.reports.retention import RetentionReport, retention_of
from analytics.reports.retention_counts import Cohorts, Ledger, Visits, earliest_first_day
from tests.support.plain_sql.columns import Numbers, counted
from tests.support.plain_sql.dimensions import in_dimensions
from tests.support.plain_sql.presence import Days, Presence, presence
from tests.support.plain_sql.source import BEGINNING, in_segment, people, segment
from tests.support.plain_sql.statements import DAY, EVENT_TABLES, plain_cursor

WINDOW_DAYS = 7
CURVE_DAYS = 28
TRIANGLE_WEEKS = 12
NEVER = 10_000  # days; later than any day that is kept

# Sign-ins within 168 hours of the first one, to the second; the first does not count again. Dimensions are
# asked of some sign-in on the day of the first one.
LOGIN_WINDOW = """
WITH login AS MATERIALIZED (
    SELECT user_id, "timestamp" AS at, {inside} AS inside, {inside} AND {asked} AS as_asked, {day} AS day
      FROM {table} WHERE event_type = 'login' AND {where}
), firsts AS (
    SELECT user_id, min(at) AS first FROM login GROUP BY 1
), person AS (
    SELECT user_id, first,
           bool_or(at = first AND inside)
               AND bool_or(as_asked AND day = (first AT TIME ZONE %(zone)s)::date) AS inside,
           bool_or(at > first AND at <= first + interval '168 hours' AND inside) AS retained
      FROM firsts JOIN login USING (user_id) GROUP BY 1, 2
)
SELECT (first AT TIME ZONE %(zone)s)::date, first + interval '168 hours' <= %(now)s, retained, count(*)
  FROM person WHERE inside GROUP BY 1, 2, 3
"""


class _Counted:
    """Ledgers by first day; people by first day and age on the last visit or any; by Monday and week."""

    def __init__(self) -> None:
        self.ledgers: dict[date, list[int]] = defaultdict(lambda: [0, 0, 0])
        self.last: dict[tuple[date, int], int] = defaultdict(int)
        self.on: dict[tuple[date, int], int] = defaultdict(int)
        self.weeks: dict[tuple[date, int], int] = defaultdict(int)


def retention_report(filters: ReportFilters, *, now: datetime | None = None) -> RetentionReport:
    now = now or timezone.now()
    by_sign_in = filters.definition == "login_window"
    asked = replace(filters, activity="login") if by_sign_in else filters
    seen = presence(asked, None, max(filters.today, report_today(now)), anywhere=True)
    found = _counted(filters, seen)
    if by_sign_in:
        found.ledgers = _login_ledgers(filters, now)
    return retention_of(
        filters,
        Cohorts(
            ledgers={day: Ledger(*numbers) for day, numbers in found.ledgers.items()},
            curve={n: _visits(filters, found, n) for n in range(1, CURVE_DAYS + 1)},
            weeks=found.weeks,
        ),
    )


def _end_of_last_week(filters: ReportFilters) -> date:
    return week_of(filters.last) + timedelta(days=6)


def _visits(filters: ReportFilters, found: _Counted, n: int) -> Visits:
    until = min(filters.last, filters.today - timedelta(days=n + 1))  # first days whose day n is over

    def counts(first: date) -> bool:
        return filters.first <= first <= until

    return Visits(
        eligible=sum(number for (first, _), number in found.last.items() if counts(first)),
        on_day=sum(number for (first, age), number in found.on.items() if age == n and counts(first)),
        on_or_after=sum(number for (first, age), number in found.last.items() if age >= n and counts(first)),
    )


def _counted(filters: ReportFilters, seen: Presence) -> _Counted:
    found = _Counted()
    earliest = earliest_first_day(filters)
    for inside, anywhere in seen.blocks(filters.deployment):
        first = anywhere.argmax(axis=1)
        new = (first >= seen.column(earliest)) & (first <= seen.column(_end_of_last_week(filters)))
        new &= inside[np.arange(len(first)), first]  # their first day was one in the segment
        _count_visits(found, seen.first, first[new], inside[new], seen.column(filters.today))
    return found


def _count_visits(found: _Counted, origin: date, first: Numbers, days: Days, today: int) -> None:
    """Count some people in, given their first days and the days on which they came (columns)."""
    person, day = np.nonzero(days)
    age = day - first[person]
    mature = first + WINDOW_DAYS < today
    next_age = np.full(len(first), NEVER)
    np.minimum.at(next_age, person[age > 0], age[age > 0])
    for (day_0,), number in counted(first):
        found.ledgers[_day(origin, day_0)][0] += number
    for (day_0,), number in counted(first[mature]):
        found.ledgers[_day(origin, day_0)][1] += number
    for (day_0,), number in counted(first[mature & (next_age <= WINDOW_DAYS)]):
        found.ledgers[_day(origin, day_0)][2] += number
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
        found.weeks[_day(origin, day_0), came] += number


def _day(origin: date, column: int) -> date:
    return origin + timedelta(days=column)


def _login_ledgers(filters: ReportFilters, now: datetime) -> dict[date, list[int]]:
    inside = in_segment(filters)
    everything = replace(filters, deployment="", organization="", dimensions=())
    last = max(filters.today, report_today(now))
    asked = in_dimensions(filters, BEGINNING, last)
    rows = people(segment(everything, None, last)).with_(**inside.parameters, **asked.parameters, now=now)
    ledgers: dict[date, list[int]] = defaultdict(lambda: [0, 0, 0])
    with plain_cursor() as cursor:
        statement = LOGIN_WINDOW.format(
            inside=inside.where, asked=asked.where, day=DAY, table=EVENT_TABLES[0], where=rows.where
        )
        cursor.execute(statement, rows.parameters)
        for first, mature, retained, number in cursor.fetchall():
            if first > _end_of_last_week(filters):
                continue
            for place, counts in enumerate((True, mature, mature and retained)):
                ledgers[first][place] += number * counts
    return ledgers
