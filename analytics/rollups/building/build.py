"""Building days: each in one transaction, from its rows alone, so that late events and erasures are exact.

The order ensures that. First the day's row is locked, so that nobody else builds the day. Then its marks are
read, and only then, in later statements, its rows: every event whose mark was read is among them. The same
commit deletes exactly these marks. Events that arrive meanwhile leave marks of their own for the next build.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
from django.db import OperationalError, connections, transaction
from django.db.backends.utils import CursorWrapper

from analytics.jobs.failures import Failures
from analytics.models import RolledDay
from analytics.partitions import EVENT_TABLES
from analytics.report_days import bounds, days_between, report_zone_name
from analytics.rollups import dimensions_built
from analytics.rollups.building.content import contents, logins
from analytics.rollups.building.marks import marked_days, quarters_of_day
from analytics.rollups.building.members import VERSIONS, NumberedMembers, note_logins, number_members
from analytics.rollups.building.reclassifying import settle
from analytics.rollups.building.scan import DayNames, Fetched, Names, Window, fetch, scan
from analytics.rollups.building.slicing import Slices
from analytics.rollups.internal_use import Internal, internal_now
from analytics.rollups.layout import cell_of
from analytics.rollups.numbers import Numbers
from consent.policies.activation import active_registry
from postgres import locks
from postgres.errors import DEADLOCK_DETECTED, SERIALIZATION_FAILURE, sqlstate

ATTEMPTS = 3
AGAIN = {SERIALIZATION_FAILURE, DEADLOCK_DETECTED}

WINDOW = timedelta(hours=1)
AT_ONCE = 100_000  # rows of a table; a day with more is read hour by hour

# The other processors are for ingest. Rows are grouped by hashing: sorting an hour of a large day takes twice
# as long. With less memory, each hour would be read from the whole month instead of by index.
SETTINGS = """
SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL work_mem = '32MB'
"""
# Rows are grouped by hashing; whatever else is asked is planned as usual.
BY_HASHING = "SET LOCAL enable_sort = {}"
ENTER_DAY = """
INSERT INTO analytics_rolledday (day, state, zone, version, events) VALUES (%s, 'open', '', 0, 0)
    ON CONFLICT DO NOTHING
"""
IS_LARGE = 'SELECT EXISTS (SELECT FROM {table} WHERE "timestamp" >= %s AND "timestamp" < %s OFFSET %s)'
LOCK_DAY = "SELECT state FROM analytics_rolledday WHERE day = %s FOR UPDATE"
MARKS = "SELECT id FROM analytics_mark WHERE quarter BETWEEN %s AND %s"
FORGET_MARKS = "DELETE FROM analytics_mark WHERE id = ANY(%s)"
GROUPS = "SELECT id, deployment_type, is_internal FROM analytics_group WHERE id = ANY(%s)"
EMPTY_DAY = "DELETE FROM analytics_rollup WHERE day = %s"
FILL_DAY = (
    "INSERT INTO analytics_rollup (day, kind, content) SELECT %s, * FROM unnest(%s::text[], %s::bytea[])"
)
NOTE_BUILT = """
UPDATE analytics_rolledday
   SET zone = %s, version = %s, events = %s, dimensions = %s, built_at = clock_timestamp() WHERE day = %s
"""


@dataclass
class Built:
    """What a run has built, and how many days are left to build."""

    days: int = 0
    events: int = 0
    left: int = 0
    counting: str = ""  # how far counting by new dimensions is

    @property
    def sentence(self) -> str:
        """'' when there was nothing to do."""
        if not self.days and not self.left:
            return ""
        more = f" {self.left} more to do." if self.left else ""
        return f"Built {self.days} days of {self.events} events.{more} {self.counting}".rstrip()


def due_days() -> list[date]:
    """The days to build: marked ones, the latest first, then those built for another zone or dimensions.

    Before those of another zone come neighbouring days that do not exist yet: it may give them events.
    """
    marked = marked_days()
    built = RolledDay.objects.filter(state=RolledDay.Phase.OPEN).exclude(version=0)
    other_zone = set(built.exclude(zone=report_zone_name()).values_list("day", flat=True))
    existing = set(RolledDay.objects.values_list("day", flat=True)) if other_zone else set()
    beside = {day + step for day in other_zone for step in (timedelta(-1), timedelta(1))} - existing
    others = dimensions_built.days_of_other_dimensions() - other_zone
    due = marked
    for days in (beside, other_zone, others):
        due = due + sorted(days.difference(due), reverse=True)
    return due


def roll_up(
    first: date | None = None,
    last: date | None = None,
    *,
    budget: float | None = None,
    advance: Callable[[date, int], object] = lambda day, events: None,
) -> Built:
    """Build what is due, or every day from `first` to `last`, with every organization as it is now.

    After `budget` seconds no further day is begun. `advance` is called with each day and its events.
    One failing day does not stop the rest; errors are raised at the end.
    """
    built, failures = Built(), Failures()
    with failures.keep("internal use"):
        settle()
    days = days_between(first, last) if first and last else due_days()
    give_up_at = time.monotonic() + budget if budget is not None else None
    for number, day in enumerate(days):
        if give_up_at is not None and time.monotonic() > give_up_at:
            built.left = len(days) - number
            break
        events = None
        with failures.keep(str(day)):
            events = build_day(day)
        if events is not None:
            built.days, built.events = built.days + 1, built.events + events
        advance(day, events or 0)
    failures.raise_kept()
    built.counting = dimensions_built.sentence()
    return built


def build_day(day: date) -> int | None:
    """Build one report day; returns how many events it has, or None when it is sealed and stays as it is."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with transaction.atomic(using="analytics"), connections["analytics"].cursor() as cursor:
                return _build(cursor, day)
        except OperationalError as error:
            if sqlstate(error) not in AGAIN or attempt == ATTEMPTS:
                raise
    raise AssertionError


def _build(cursor: CursorWrapper, day: date) -> int | None:
    cursor.execute(SETTINGS)
    # Erasure waits for this lock: no build that has read a subject's rows commits after their erasure.
    cursor.execute(locks.TAKE_SHARED, locks.ROLL_UP_BUILD)
    cursor.execute(ENTER_DAY, [day])
    cursor.execute(LOCK_DAY, [day])
    is_sealed = cursor.fetchone() == (RolledDay.Phase.SEALED,)
    cursor.execute(MARKS, quarters_of_day(day))
    marks = [number for (number,) in cursor.fetchall()]
    events = None if is_sealed else _fill(cursor, day)
    cursor.execute(FORGET_MARKS, [marks])
    return events


def _fill(cursor: CursorWrapper, day: date) -> int:
    dimensions = active_registry().dimensions
    names = DayNames(Names(), Names(), Names(), Names(), Slices(dimensions))
    internal = internal_now(cursor)
    cursor.execute(BY_HASHING.format("off"))
    windows = list(_scanned(cursor, day, names, internal))
    cursor.execute(BY_HASHING.format("on"))
    events = sum(window.events for window in windows)
    cursor.execute(EMPTY_DAY, [day])
    if windows:
        members = number_members(cursor, windows)
        note_logins(cursor, *logins(windows, members))
        packed = contents(windows, members, _cells(cursor, members), names)
        cursor.execute(FILL_DAY, [day, list(packed), list(packed.values())])
    noted: list[str | int | date] = [
        report_zone_name(),
        secrets.randbelow(VERSIONS),
        events,
        ",".join(dimensions),
        day,
    ]
    cursor.execute(NOTE_BUILT, noted)
    return events


def _scanned(cursor: CursorWrapper, day: date, names: DayNames, internal: Internal) -> Iterator[Window]:
    """The day's windows that have events. While one is decoded, PostgreSQL is busy with the next."""

    def fetched(stretch: tuple[datetime, datetime]) -> Fetched:
        return fetch(cursor, *stretch, names.slices.dimensions, internal)

    stretches = _windows(cursor, *bounds(day, day))
    with ThreadPoolExecutor(max_workers=1) as ahead:
        coming = ahead.submit(fetched, stretches[0])
        for following in [*stretches[1:], None]:
            here = coming.result()
            if following is not None:
                coming = ahead.submit(fetched, following)
            window = scan(here, names, internal)
            if window.events:
                yield window


def _windows(cursor: CursorWrapper, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """The hours of a large day; a small day as a whole."""
    for table in EVENT_TABLES:
        cursor.execute(IS_LARGE.format(table=table), [start, end, AT_ONCE])
        if cursor.fetchone() == (True,):
            hours = range((end - start) // WINDOW + 1)
            cuts = [start + hour * WINDOW for hour in hours if start + hour * WINDOW < end]
            return list(zip(cuts, [*cuts[1:], end], strict=True))
    return [(start, end)]


def _cells(cursor: CursorWrapper, members: NumberedMembers) -> Numbers:
    """The cell of each group, by the group's number."""
    cells = np.zeros(int(members.group.max(initial=0)) + 1, dtype=np.int64)
    cursor.execute(GROUPS, [np.unique(members.group).tolist()])
    for number, deployment, is_internal in cursor.fetchall():
        cells[number] = cell_of(deployment, is_internal=is_internal)
    return cells
