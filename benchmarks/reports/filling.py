"""Fills an instance: events by COPY, organizations, some withdrawals."""

import time
from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
from django.db import connections
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from analytics import partitions
from analytics.rollups.building import build, marks
from analytics.storage.writing import COPY
from benchmarks.reports import rows
from benchmarks.reports.crowd import DEPLOYMENTS, Crowd, Integers, Size, crowd, present
from consent.models import Organization, State, TelemetryUser
from postgres.binary import HEADER, TRAILER

SEED = 20261117
EPOCH = date(2000, 1, 1)  # PostgreSQL's
WITHDRAWN, LEFT = 200, 500  # one of so many people, and of so many organizations


def fill(size: Size, today: date) -> float:
    """Write the events of the `size.days` days that end today; returns how many seconds it took.

    Expects empty tables.
    """
    random = np.random.default_rng(SEED)
    people = crowd(random, size)
    first = today - timedelta(days=size.days - 1)
    partitions.ensure(partitions.Month.of(first), partitions.Month.of(today))
    began = time.monotonic()
    here = list(present(random, people, size, first.weekday()))
    with _progress() as progress:
        bar = progress.add_task("events", total=size.events)
        for number, some in enumerate(_shared_out(random, people, here, size.events)):
            begin_us = (first - EPOCH + timedelta(days=number)) // timedelta(microseconds=1)
            day = rows.events(random, people, some, number, begin_us)
            _copy(random, people, size, day)
            progress.advance(bar, len(some))
    _register(people)
    with connections["analytics"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return time.monotonic() - began


def _progress() -> Progress:
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


def _shared_out(
    random: np.random.Generator, people: Crowd, here: list[Integers], total: int
) -> Iterator[Integers]:
    """The person of each event of each day: everybody who came has one, busy people most of the others."""
    visits = sum(map(len, here))
    more = max(total - visits, 0)
    for some in here:
        weight = people.intensity[some]
        others = random.choice(some, round(more * len(some) / visits), p=weight / weight.sum())
        events = np.concatenate([some, others])
        random.shuffle(events)
        yield events


def _copy(random: np.random.Generator, people: Crowd, size: Size, day: rows.Day) -> None:
    wrapper = connections["analytics"]
    wrapper.ensure_connection()
    for key, blocks, _ in rows.tables(random, people, size, day):
        with wrapper.connection.cursor() as cursor, cursor.copy(COPY[key]) as copy:
            copy.write(HEADER)
            for block in blocks:
                copy.write(block)
            copy.write(TRAILER)


def _register(people: Crowd) -> None:
    """Register organizations with their deployment types; a few of them, and of the people, withdraw."""
    kinds = [kind.decode() for kind in DEPLOYMENTS]
    Organization.objects.bulk_create(
        Organization(
            pseudonym=pseudonym.decode(),
            deployment_type=kinds[kind],
            is_internal=is_internal,
            state=State.DENIED if number % LEFT == LEFT - 1 else State.GRANTED,
        )
        for number, (pseudonym, kind, is_internal) in enumerate(
            zip(people.organizations, people.deployment, people.is_internal, strict=True)
        )
    )
    TelemetryUser.objects.bulk_create(
        TelemetryUser(pseudonym=pseudonym.decode(), state=State.DENIED)
        for pseudonym in people.pseudonyms[::WITHDRAWN]
    )


def roll_up() -> float:
    """Make every day's roll-up, in this process; returns how many seconds it took."""
    began = time.monotonic()
    with connections["analytics"].cursor() as cursor:
        marks.mark_all(cursor)
    with _progress() as progress:
        bar = progress.add_task("days", total=None)
        build.roll_up(advance=lambda day, events: progress.advance(bar))
    with connections["analytics"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return time.monotonic() - began
