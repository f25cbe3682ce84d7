"""Writing the demo data, and removing it: the two services that `seed_demo` calls."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import islice
from typing import TypeVar

import numpy as np
import psycopg
from django.db import connections, transaction

from analytics import partitions
from analytics.demo import events as made
from analytics.demo.installations import make_installations, remove_installations
from analytics.demo.people import Population, population
from analytics.demo.product import CUSTOMERS
from analytics.rollups.building import build, erasing, marks
from consent.models import (
    ConsentPeriod,
    Organization,
    State,
    SubjectKind,
    TelemetryUser,
)

Subject = TypeVar("Subject")

SEED = 20261117
DECLINED = 0.09  # people who opted out, on top of those whose events there are
UNDECIDED = 0.14
TRAFFIC = timedelta(days=30)  # counts of what arrived: that far back
BY_MINUTE = timedelta(days=2)  # and that far back by minute
INSTALLATION_TABLES = ("analytics_installation", "analytics_installationevent")
SUBJECTS_A_STATEMENT = 5_000
DELETE = """
WITH gone AS (DELETE FROM {table} WHERE organization_id = ANY(%s) RETURNING "timestamp")
SELECT count(*), min("timestamp"), max("timestamp") FROM gone
"""


@dataclass(frozen=True)
class Seeded:
    """What was written. The last two count events, for the traffic panel: lately by minute."""

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
    """How many people make `events` events in `days` days, at about 125 each in 90."""
    return int(min(50_000, max(40, events / 125 * math.sqrt(90 / days))))


def is_seeded() -> bool:
    """Whether demo data is there."""
    return Organization.objects.filter(is_demo=True).exists()


def seed(
    *, days: int, events: int, people: int, now: datetime, advance: Callable[[int], object] = lambda n: None
) -> Seeded:
    """Write demo data of the `days` days that end with `now`; `advance` is told of lines written.

    Expects none to be there: `remove` first. Deterministic for equal arguments.
    """
    random = np.random.default_rng(SEED)
    today = now.astimezone(UTC).date()
    crowd = population(random, people=people, days=days, today=today)
    visits = made.sessions(random, crowd, now)
    names = made.Pseudonyms(people, len(visits.starts))
    made_events = made.all_events(random, crowd, visits, events)
    # Sessions of the first day may begin, and those of the last may end, in the months beside.
    partitions.ensure(partitions.Month.of(crowd.first_day), partitions.Month.of(today + timedelta(days=1)))
    _write_consent(random, crowd, names, now)
    written = 0
    with transaction.atomic(using="analytics"):
        for table in made.TABLES:
            written += _copy(random, made_events[table], crowd, names, advance)
        begin = datetime.combine(crowd.first_day - timedelta(days=1), time.min, UTC)
        marks.mark(connections["analytics"].cursor(), begin, now + timedelta(days=1))
        installations = min(900, max(30, people // 4))
        make_installations(random, count=installations, days=min(days, 120), now=now)
    _analyze()
    build.roll_up()
    lately = now.replace(minute=0, second=0, microsecond=0) - BY_MINUTE
    by_minute = made.counts_by(made_events, timedelta(minutes=1), lately)
    by_hour = made.counts_by(made_events, timedelta(hours=1), now - TRAFFIC)
    by_hour = {hour: count for hour, count in by_hour.items() if hour < lately}
    return Seeded(written, people, len(CUSTOMERS), installations, by_hour, by_minute)


def _copy(
    random: np.random.Generator,
    events: made.Events,
    crowd: Population,
    names: made.Pseudonyms,
    advance: Callable[[int], object],
) -> int:
    table, columns = made.COLUMNS[events.table]
    raw: psycopg.Connection[tuple[object, ...]] = connections["analytics"].connection
    listed = ", ".join(f'"{column}"' for column in columns)
    with raw.cursor() as cursor, cursor.copy(f"COPY {table} ({listed}) FROM STDIN") as copy:
        for count, text in made.lines(random, events, crowd, names):
            copy.write(text)
            advance(count)
    return len(events.times)


def _analyze() -> None:
    with connections["analytics"].cursor() as cursor:
        for table in (*(table for table, _ in made.COLUMNS.values()), *INSTALLATION_TABLES):
            cursor.execute(f"ANALYZE {table}")


def _write_consent(
    random: np.random.Generator, crowd: Population, names: made.Pseudonyms, now: datetime
) -> None:
    """Organizations and people with their periods: those of the events said yes before them.

    The decision log holds none of it. Nobody has decided anything, and what is in the log stays.
    """
    start = datetime.combine(crowd.first_day, datetime.min.time(), UTC) - timedelta(days=1)
    organizations, people = SubjectKind.ORGANIZATION, SubjectKind.USER
    subjects = [
        (organizations, name, customer.state, start)
        for name, customer in zip(names.organizations, CUSTOMERS, strict=True)
    ]
    for name, day in zip(names.people, np.clip(crowd.signed_up, 0, None).tolist(), strict=True):
        subjects.append((people, name, "granted", start + timedelta(days=day)))
    others = made.Pseudonyms(len(names.people) + int(len(names.people) * (DECLINED + UNDECIDED)), 0)
    for number, name in enumerate(others.people[len(names.people) :]):
        state = "denied" if number < len(names.people) * DECLINED else "unset"
        subjects.append(
            (people, name, state, start + timedelta(days=int(random.integers(1, crowd.days + 1))))
        )
    with transaction.atomic(using="default"):
        Organization.objects.bulk_create(
            Organization(
                pseudonym=name,
                label=customer.label,
                deployment_type=customer.deployment_type,
                is_internal=customer.is_internal,
                state=customer.state,
                is_demo=True,
            )
            for name, customer in zip(names.organizations, CUSTOMERS, strict=True)
        )
        for some in _blocks(subjects):
            TelemetryUser.objects.bulk_create(
                TelemetryUser(pseudonym=name, state=state, is_demo=True)
                for kind, name, state, _ in some
                if kind == people
            )
            ConsentPeriod.objects.bulk_create(
                ConsentPeriod(subject_kind=kind, subject=name, state=state, since=since)
                for kind, name, state, since in some
                if state != State.UNSET
            )


def remove() -> Removed:
    """Delete the demo data and nothing else; what it was.

    Events are known by their organization, subjects by their mark. Should somebody have recorded a
    decision about one of them, that stays in the decision log, like any other.
    """
    organizations = _invented(Organization)
    people = _invented(TelemetryUser)
    removed = 0
    with transaction.atomic(using="analytics"), connections["analytics"].cursor() as cursor:
        for table, _ in made.COLUMNS.values():
            cursor.execute(DELETE.format(table=table), [organizations])
            count, first, last = cursor.fetchone()
            removed += count
            if count:
                marks.mark(cursor, first, last + timedelta(microseconds=1))
        erasing.forget_organizations(cursor, organizations)
        installations = remove_installations()
    build.roll_up()
    with transaction.atomic(using="default"):
        for some in _blocks(people):
            TelemetryUser.objects.filter(pseudonym__in=some).delete()
            ConsentPeriod.objects.filter(subject_kind=SubjectKind.USER, subject__in=some).delete()
        Organization.objects.filter(pseudonym__in=organizations).delete()
        ConsentPeriod.objects.filter(
            subject_kind=SubjectKind.ORGANIZATION, subject__in=organizations
        ).delete()
    return Removed(removed, len(people), len(organizations), installations)


def _invented(model: type[Organization] | type[TelemetryUser]) -> list[str]:
    return sorted(model.objects.filter(is_demo=True).values_list("pseudonym", flat=True))


def _blocks(subjects: Iterable[Subject]) -> Iterator[list[Subject]]:
    """The subjects in blocks that fit one statement."""
    rest = iter(subjects)
    while block := list(islice(rest, SUBJECTS_A_STATEMENT)):
        yield block
