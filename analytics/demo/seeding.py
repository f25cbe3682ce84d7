"""Writing the demo data, and removing it: the two services that `seed_demo` calls."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import psycopg
from django.db import connections, transaction

from analytics.demo.decisions import invented, remove_consent, write_consent
from analytics.demo.events import COLUMNS, Events, Pseudonyms, all_events, counts_by, lines, sessions
from analytics.demo.installations import make_installations, remove_installations
from analytics.demo.origins import Origins, origins
from analytics.demo.people import Population, population
from analytics.demo.product import CUSTOMERS
from analytics.models import InternalUse
from analytics.partitions import Month
from analytics.rollups.building import build, erasing, marks
from analytics.storage import seal_border
from consent.models import (
    Organization,
    TelemetryUser,
)

SEED = 20261117
TRAFFIC = timedelta(days=30)  # how far back arrivals are counted
BY_MINUTE = timedelta(days=2)  # how far back they are counted by minute
INSTALLATION_TABLES = ("analytics_installation", "analytics_installationevent")
DELETE = """
WITH gone AS (DELETE FROM {table} WHERE organization_id = ANY(%s) RETURNING "timestamp")
SELECT count(*), min("timestamp"), max("timestamp") FROM gone
"""


@dataclass(frozen=True)
class Seeded:
    """What was written. The last two are for the traffic panel: latest events by minute, others by hour."""

    days: int
    events: int
    people: int
    organizations: int
    installations: int
    by_hour: dict[datetime, int]
    by_minute: dict[datetime, int]


@dataclass(frozen=True)
class Removed:
    events: int
    people: int
    organizations: int
    installations: int


def usual_people(events: int, days: int) -> int:
    """How many people cause `events` events in `days` days, at about 125 each in 90 days."""
    return int(min(50_000, max(40, events / 125 * math.sqrt(90 / days))))


def is_seeded() -> bool:
    """Whether there is demo data."""
    return Organization.objects.filter(is_demo=True).exists()


def seed(
    *, days: int, events: int, people: int, now: datetime, advance: Callable[[int], object] = lambda n: None
) -> Seeded:
    """Write demo data for the `days` days that end with `now`; `advance` is called with each count of lines.

    There must be none yet (call `remove` first). Deterministic for equal arguments. Sealed days stay as they
    are: where they begin, `days` ends.
    """
    random = np.random.default_rng(SEED)
    today = now.astimezone(UTC).date()
    days = min(days, _open_days(today))
    crowd = population(random, people=people, days=days, today=today)
    visits = sessions(random, crowd, now)
    names = Pseudonyms(people, len(visits.starts))
    sources = origins(crowd, visits.person, visits.day)
    by_table = all_events(random, crowd, visits, events)
    # Sessions of the last day may end in the next month.
    seal_border.make_months(Month.of(crowd.first_day), Month.of(today + timedelta(days=1)))
    write_consent(random, crowd, names)
    written = 0
    with transaction.atomic(using="analytics"):
        for of_table in by_table.values():
            written += _copy(random, of_table, crowd, names, sources, advance)
        begin = datetime.combine(crowd.first_day - timedelta(days=1), time.min, UTC)
        marks.mark(connections["analytics"].cursor(), begin, now + timedelta(days=1))
        installations = min(900, max(30, people // 4))
        make_installations(random, count=installations, days=min(days, 120), now=now)
    _analyze()
    build.roll_up()
    lately = now.replace(minute=0, second=0, microsecond=0) - BY_MINUTE
    by_minute = counts_by(by_table, timedelta(minutes=1), lately)
    by_hour = counts_by(by_table, timedelta(hours=1), now - TRAFFIC)
    by_hour = {hour: count for hour, count in by_hour.items() if hour < lately}
    return Seeded(days, written, people, len(CUSTOMERS), installations, by_hour, by_minute)


def _open_days(today: date) -> int:
    """How many days (UTC), today included, begin after the last sealed one."""
    sealed_until = seal_border.sealed_until()
    return max((today - sealed_until.date()).days + (sealed_until.time() == time.min), 1)


def _copy(
    random: np.random.Generator,
    events: Events,
    crowd: Population,
    names: Pseudonyms,
    sources: Origins,
    advance: Callable[[int], object],
) -> int:
    table, columns = COLUMNS[events.table]
    raw: psycopg.Connection[tuple[object, ...]] = connections["analytics"].connection
    listed = ", ".join(f'"{column}"' for column in columns)
    with raw.cursor() as cursor, cursor.copy(f"COPY {table} ({listed}) FROM STDIN") as copy:
        for count, text in lines(random, events, crowd, names, sources):
            copy.write(text)
            advance(count)
    return len(events.times)


def _analyze() -> None:
    with connections["analytics"].cursor() as cursor:
        for table in (*(table for table, _ in COLUMNS.values()), *INSTALLATION_TABLES):
            cursor.execute(f"ANALYZE {table}")


def remove() -> Removed:
    """Delete the demo data and nothing else; returns what was deleted.

    Events are recognized by their organization, subjects by their flag. A decision that somebody recorded
    about one of them stays in the decision log, like any other.
    """
    organizations = invented(Organization)
    people = invented(TelemetryUser)
    removed = 0
    with transaction.atomic(using="analytics"), connections["analytics"].cursor() as cursor:
        for table, _ in COLUMNS.values():
            cursor.execute(DELETE.format(table=table), [organizations])
            count, first, last = cursor.fetchone()
            removed += count
            if count:
                marks.mark(cursor, first, last + timedelta(microseconds=1))
        erasing.forget_organizations(cursor, organizations)
        installations = remove_installations()
    build.roll_up()
    remove_consent(people, organizations)
    InternalUse.objects.filter(organization_id__in=organizations).delete()
    return Removed(removed, len(people), len(organizations), installations)
