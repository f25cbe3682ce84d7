"""Weekly cohorts, counted once when the first day of their week is sealed: how many came back, and when.

Of everybody together, without internal use. Weeks that are not over by then stay unknown.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np
from django.utils import timezone

from analytics.report_days import days_between
from analytics.rollups.layout import COHORT_WEEKS, LOGIN_WINDOW, RETENTION_DAYS
from analytics.rollups.numbers import Flags, Numbers
from analytics.rollups.reading.firsts import Firsts
from analytics.rollups.reading.presence import Presence
from analytics.rollups.reading.reader import Reader, Segment
from analytics.rollups.sealing.withholding import part, parts

WEEK = timedelta(weeks=1)
US = timedelta(microseconds=1)
# What people came back to: by name, the activity that is looked for.
KINDS = {"any": "any", "login": "login", "login_window": "login"}


class Cohort(NamedTuple):
    """Exact counts of one week's new people; who came back in each week that is over, their own first."""

    users: int
    mature: int
    retained: int
    weeks: list[int]


def cohorts(reader: Reader, mondays: Iterable[date], today: date) -> dict[date, dict[str, Any]]:
    """By Monday and kind: users, mature, retained, and how many came in each week; None where withheld."""
    in_order = sorted(mondays)
    of_weeks: dict[date, dict[str, Any]] = {monday: {} for monday in in_order}
    for kind, activity in KINDS.items() if in_order else ():
        last = min(in_order[-1] + COHORT_WEEKS * WEEK, today)
        firsts = reader.firsts(Segment(), activity=activity)
        seen = reader.presence(Segment(), in_order[0], last, activity=activity)
        counted = [_cohort(firsts, seen, monday, today, kind == "login_window") for monday in in_order]
        for monday, kept in zip(in_order, _without_few(counted), strict=True):
            of_weeks[monday][kind] = kept
    return of_weeks


def _without_few(counted: Sequence[Cohort]) -> list[dict[str, Any]]:
    """What may be kept. Cohorts are parts of the new people of all these weeks, which somebody may know."""
    users = parts([cohort.users for cohort in counted])
    retained = parts([cohort.retained for cohort in counted])
    return [
        {
            "users": size,
            "mature": part(cohort.mature, size),
            "retained": None if back is None else part(back, part(cohort.mature, size)),
            "weeks": [part(came, size) for came in cohort.weeks],
        }
        for cohort, size, back in zip(counted, users, retained, strict=True)
    ]


def _cohort(firsts: Firsts, seen: Presence, monday: date, today: date, by_sign_ins: bool) -> Cohort:
    new = (firsts.day >= monday.toordinal()) & (firsts.day < (monday + WEEK).toordinal())
    over = min((today - monday) // WEEK, COHORT_WEEKS)
    weeks = [
        int(np.count_nonzero(_came(seen, firsts.person[new], first, first + WEEK - timedelta(days=1))))
        for first in (monday + week * WEEK for week in range(over))
    ]
    back = _by_sign_ins(firsts, new) if by_sign_ins else _by_days(firsts, seen, monday, today)
    return Cohort(int(np.count_nonzero(new)), *back, weeks)


def _came(seen: Presence, person: Numbers, first: date, last: date) -> Flags:
    """Who of these people was there on any of the days."""
    bits = np.unpackbits(seen.union(first, last).view(np.uint8), bitorder="little")
    came: Flags = bits[person].astype(np.bool_)
    return came


def _by_days(firsts: Firsts, seen: Presence, monday: date, today: date) -> tuple[int, int]:
    """Of the new people of a week: whose seven days are over, and who of these came on any of them."""
    mature = retained = 0
    for day in days_between(monday, monday + WEEK - timedelta(days=1)):
        last = day + timedelta(days=RETENTION_DAYS)
        if last < today:
            new = firsts.person[firsts.day == day.toordinal()]
            mature += len(new)
            retained += int(np.count_nonzero(_came(seen, new, day + timedelta(days=1), last)))
    return mature, retained


def _by_sign_ins(firsts: Firsts, new: Flags) -> tuple[int, int]:
    """The same by sign-ins: whose 168 hours are over, and who signed in again within them."""
    now_us, window_us = int(timezone.now().timestamp() * 1_000_000), LOGIN_WINDOW // US
    over = new & firsts.first_inside & (firsts.first_at + window_us <= now_us)
    again = over & (firsts.next_at > 0) & (firsts.next_at - firsts.first_at <= window_us)
    return int(np.count_nonzero(over)), int(np.count_nonzero(again))
