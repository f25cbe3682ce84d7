"""People by the day on which they were first seen, and when they came back, for the retention report.

All people are looked up at once, each N days (or weeks) after their own first day. They are sorted by that
day, so that people whose day N is over come first.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.report_days import report_today, week_of
from analytics.reports.filters import ReportFilters
from analytics.rollups.layout import COHORT_WEEKS, LOGIN_WINDOW, RETENTION_DAYS
from analytics.rollups.reading.presence import Presence
from analytics.rollups.reading.reader import Reader, Segment

WINDOW_DAYS = RETENTION_DAYS
CURVE_DAYS = 28
TRIANGLE_WEEKS = COHORT_WEEKS  # columns; also the least number of rows
MOST_COHORTS = 53
MICROSECOND = timedelta(microseconds=1)
ENTRY_BYTES = 250  # about; of one in a dictionary of cohorts

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Ledger(NamedTuple):
    """People first seen on one day; those whose seven days are over; those of them who came back."""

    new: int = 0
    mature: int = 0
    retained: int = 0


class Visits(NamedTuple):
    """Of the range's new people whose day N is over: how many came on it, and on it or later."""

    eligible: int
    on_day: int
    on_or_after: int


@dataclass
class Cohorts:
    """`weeks`: people by the Monday of their first week and the number of a later one (0: their own).

    Days before `since` are sealed: nobody knows who was there.
    """

    ledgers: dict[date, Ledger] = field(default_factory=dict)
    curve: dict[int, Visits] = field(default_factory=dict)
    weeks: dict[tuple[date, int], int] = field(default_factory=dict)
    since: date = date.min


def cohort_weeks(filters: ReportFilters) -> list[date]:
    """The Mondays of the cohorts: the weeks of the range, and earlier ones up to TRIANGLE_WEEKS."""
    last = week_of(filters.last)
    count = (last - week_of(filters.first)).days // 7 + 1
    count = min(max(count, TRIANGLE_WEEKS), MOST_COHORTS)
    return [last - timedelta(weeks=count - 1 - number) for number in range(count)]


def earliest_first_day(filters: ReportFilters) -> date:
    """The first day of the cohorts and the ledgers: people first seen earlier are not counted."""
    monday = cohort_weeks(filters)[0]
    return min(monday, filters.previous.first if filters.compare else filters.first)


def read_cohorts(reader: Reader, filters: ReportFilters, now: datetime) -> Cohorts:
    """The cohorts for one question, not to be changed. `now` decides which 168 hours are over."""
    is_login = filters.definition == "login_window"
    sealed = reader.sealed_until
    since = sealed + timedelta(days=1) if sealed else date.min
    earliest = max(earliest_first_day(filters), since)
    last = max(filters.today, report_today(now))
    asked = Segment.of(filters), filters.definition, filters.activity, filters.first, filters.last
    cohorts: Cohorts = reader.kept(
        ("cohorts", *asked, filters.today, since),
        earliest,
        last,
        lambda: _count_cohorts(reader, filters, now, since, earliest, last),
        _size_of,
        at=now if is_login else None,
    )
    return cohorts


def _size_of(cohorts: Cohorts) -> int:
    """Bytes, about."""
    return ENTRY_BYTES * (len(cohorts.ledgers) + len(cohorts.curve) + len(cohorts.weeks))


def _count_cohorts(
    reader: Reader, filters: ReportFilters, now: datetime, since: date, earliest: date, until: date
) -> Cohorts:
    segment = Segment.of(filters)
    activity = "login" if filters.definition == "login_window" else filters.activity
    firsts = reader.firsts(segment, activity=activity)
    seen = reader.presence(segment, earliest, until, activity=activity)
    column = firsts.day - seen.first.toordinal()
    last = week_of(filters.last) + timedelta(days=6)  # the last cohort is a whole week, as the others are
    new = (column >= 0) & (firsts.day <= last.toordinal())
    if segment.dimensions:
        new &= _was_there(seen, firsts.person, column)
    order = np.argsort(column[new].astype(np.int16), kind="stable")
    crowd = _Crowd(seen, firsts.person[new][order], column[new][order], seen.column(filters.today))
    cohorts = Cohorts(weeks=_weeks(crowd), since=since)
    came_again = _curve(crowd, filters, cohorts.curve)
    if filters.definition == "login_window":
        inside = new & firsts.first_inside
        is_over = firsts.first_at + LOGIN_WINDOW // MICROSECOND <= now.timestamp() * 1_000_000
        within = firsts.next_at - firsts.first_at <= LOGIN_WINDOW // MICROSECOND
        retained = is_over & within & (firsts.next_at > 0)
        cohorts.ledgers = _ledgers(seen.first, *(column[inside & who] for who in (new, is_over, retained)))
    else:
        mature = crowd.first[: crowd.over(WINDOW_DAYS)]
        cohorts.ledgers = _ledgers(seen.first, crowd.first, mature, mature[came_again[: len(mature)]])
    return cohorts


def _was_there(seen: Presence, person: Numbers, column: Numbers) -> Flags:
    """Whether each of these people was there on their own day (column). First days know of no dimensions."""
    inside = (column >= 0) & (column < seen.length) & (person >> 6 < seen.bits.shape[1])
    was_there = np.zeros(len(person), dtype=np.bool_)
    words = seen.bits[column[inside], person[inside] >> 6]
    was_there[inside] = words >> (person[inside] & 63).astype(np.uint64) & np.uint64(1) > 0
    return was_there


@dataclass(frozen=True)
class _Crowd:
    """New people, sorted by the day (a row of `seen`) on which they were first seen."""

    seen: Presence
    person: Numbers
    first: Numbers
    today: int

    def over(self, n: int) -> int:
        """The number of people whose day N is over. They come first."""
        return int(np.searchsorted(self.first, self.today - n))

    def came(self, rows: NDArray[np.uint64], row: Numbers) -> Flags:
        """Whether each of the first `len(row)` people has a bit in the row given for them."""
        width = rows.shape[1] * rows.itemsize
        person = self.person[: len(row)]
        octets = rows.view(np.uint8).ravel().take(row * width + (person >> 3))
        came: Flags = (octets >> (person & 7).astype(np.uint8) & 1).astype(np.bool_)
        return came


def _curve(crowd: _Crowd, filters: ReportFilters, curve: dict[int, Visits]) -> Flags:
    """Fill in the curve. Returns who came back on any of days 1 to 7."""
    low, high = np.searchsorted(
        crowd.first, [crowd.seen.column(filters.first), crowd.seen.column(filters.last) + 1]
    ).tolist()
    bits = crowd.seen.bits
    later = np.bitwise_or.accumulate(bits[: crowd.today][::-1], axis=0)[::-1]  # from a day to yesterday
    came, soon = (np.zeros(len(crowd.first), dtype=np.bool_) for _ in range(2))
    beyond = crowd.over(CURVE_DAYS + 1)
    came[:beyond] = crowd.came(later, crowd.first[:beyond] + CURVE_DAYS + 1)
    for n in range(CURVE_DAYS, 0, -1):
        until = crowd.over(n)
        on_day = crowd.came(bits, crowd.first[:until] + n)
        came[:until] |= on_day
        if n <= WINDOW_DAYS:
            soon[:until] |= on_day
        counted = slice(low, max(min(until, high), low))
        curve[n] = Visits(counted.stop - low, int(on_day[counted].sum()), int(came[counted].sum()))
    return soon


def _weeks(crowd: _Crowd) -> dict[tuple[date, int], int]:
    """How many of each cohort came in each week, counted from the cohort's own."""
    first, bits = crowd.seen.first, crowd.seen.bits
    weekday = first.weekday()
    starts = [0, *range(7 - weekday, len(bits), 7)]
    by_week = np.bitwise_or.reduceat(bits, starts, axis=0)
    cohort = (crowd.first + weekday) // 7
    weeks = {}
    for week in range(min(TRIANGLE_WEEKS, len(starts))):
        until = int(np.searchsorted(cohort, len(starts) - week))
        came = crowd.came(by_week, cohort[:until] + week)
        counts = np.bincount(cohort[:until][came]).tolist()
        for number, count in enumerate(counts):
            weeks[week_of(first) + timedelta(weeks=number), week] = count
    return weeks


def _ledgers(origin: date, new: Numbers, mature: Numbers, retained: Numbers) -> dict[date, Ledger]:
    """Ledgers by day. Each argument holds the first day, counted from `origin`, of each of its people."""
    length = int(new.max(initial=-1)) + 1
    counts = (np.bincount(days, minlength=length).tolist() for days in (new, mature, retained))
    return {
        origin + timedelta(days=day): Ledger(*numbers)
        for day, numbers in enumerate(zip(*counts, strict=True))
    }
