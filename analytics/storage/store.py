"""Storing events: in one transaction, exactly once, behind the withdrawal barrier.

    storing = Storing(rows, base_events, registry=digest)
    for attempt in storing.attempts():
        with attempt:
            admitted = attempt.admit()
            attempt.write(admitted)

The order is what matters (docs/architecture.md, "The barrier"): `admit` takes the subjects' locks and then,
in a later statement, reads consent; `write` inserts and commits. What the caller does between the two is done
to admitted events only, while their locks are held. There is one attempt when all goes well.

A row's id is computed from the event, so an event that is sent again meets its own primary key and changes
nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple

import psycopg
from django.db import Error as DjangoDatabaseError
from django.db import connections
from django.utils import timezone

from analytics.storage import seal_border
from analytics.storage.admission import admit_base_events, admit_rows
from analytics.storage.installations import write_base_events
from analytics.storage.rows import BaseEvent, Row
from analytics.storage.seen_with import Links, People, add_people, names_of, of_nobody, people_of, read_people
from analytics.storage.writing import copy_rows, insert_rows
from consent.gate import barrier, gate
from postgres import pipeline
from postgres.conversation import Silent
from postgres.errors import CHECK_VIOLATION, UNIQUE_VIOLATION, sqlstate

ATTEMPTS = 3
COPY_FROM = 64  # rows; fewer are inserted
UNSTORABLE = {"22", "23", "54"}  # SQLSTATE classes: a value that this or any database cannot hold


class Receipt(NamedTuple):
    """What became of the events: rows written, rows that were there already, refused by reason."""

    inserted: int
    duplicates: int
    refused: dict[str, int]


class StoreUnavailable(Exception):
    """A database is away or overloaded, or a commit's outcome is unknown: send the same again."""


@dataclass
class _Part:
    """Events that are stored together. `copies`: with COPY, which fails when a row is stored already."""

    rows: Sequence[Row]
    base_events: Sequence[BaseEvent]
    copies: bool
    attempts: int = 0

    @classmethod
    def of(cls, rows: Sequence[Row], base_events: Sequence[BaseEvent]) -> "_Part":
        return cls(rows, base_events, copies=len(rows) >= COPY_FROM)

    def divided(self) -> "list[_Part]":
        """Two smaller parts; none when this is a single event."""
        rows, base_events = self.rows, self.base_events
        if rows and base_events:
            return [_Part.of(rows, []), _Part.of([], base_events)]
        if len(rows) + len(base_events) < 2:
            return []
        half, base_half = len(rows) // 2, len(base_events) // 2
        return [
            _Part.of(rows[:half], base_events[:base_half]),
            _Part.of(rows[half:], base_events[base_half:]),
        ]


class Storing:
    """The events of one request on their way into the tables.

    `registry` is the digest of the registry by which the rows were filtered, '' for none.
    """

    def __init__(
        self, rows: Sequence[Row], base_events: Sequence[BaseEvent] = (), *, registry: str = ""
    ) -> None:
        self._registry = registry
        self._left = [_Part.of(rows, base_events)] if rows or base_events else []
        self._inserted = self._duplicates = 0
        self._refused: Counter[str] = Counter()

    @property
    def receipt(self) -> Receipt:
        """What became of the events so far."""
        return Receipt(self._inserted, self._duplicates, dict(self._refused))

    def attempts(self) -> Iterator["Attempt"]:
        """Transactions, one after another, until every event is stored or refused.

        Raises `StoreUnavailable`; some parts may then be stored, and sending everything again is safe.
        """
        while self._left:
            yield Attempt(self, self._left.pop(), self._registry)

    def note_written(self, inserted: int, duplicates: int, refused: Counter[str]) -> None:
        """A part is committed."""
        self._inserted += inserted
        self._duplicates += duplicates
        self._refused += refused

    def note_failed(self, part: _Part, error: psycopg.Error | DjangoDatabaseError) -> None:
        """A part may not have been stored: it is tried again, in two halves if a value is at fault."""
        pipeline.close_broken(error, "analytics", "default")
        if isinstance(error, Silent):
            raise StoreUnavailable("a database has not answered in time") from error
        state = sqlstate(error)
        part.attempts += 1
        if state == UNIQUE_VIOLATION and part.copies:
            part.copies = False  # some were stored before: INSERT leaves those out
        elif state == CHECK_VIOLATION:  # no partition for a row: a month was never made, or was lost
            if part.attempts == ATTEMPTS:
                raise StoreUnavailable("a partition is missing and could not be made") from error
            seal_border.make_partitions(timezone.now())
        elif state[:2] in UNSTORABLE or isinstance(error, psycopg.DataError):  # psycopg refuses NUL itself
            self._divide(part)
            return
        if part.attempts == ATTEMPTS:
            raise StoreUnavailable(f"a database does not answer ({state or 'no connection'})") from error
        self._left.append(part)

    def _divide(self, part: _Part) -> None:
        """Narrow down to the event that PostgreSQL cannot hold: it alone is refused; store the others."""
        parts = part.divided()
        if not parts:
            self._refused["unstorable"] += 1
        self._left += reversed(parts)


class Attempt:
    """One transaction: `admit`, then `write`, within a `with` block.

    A fault that may pass ends the block without an exception, and another attempt follows.
    """

    def __init__(self, storing: Storing, part: _Part, registry: str) -> None:
        self._storing, self._part, self._registry = storing, part, registry
        self._refused: Counter[str] = Counter()
        self._base_events: list[BaseEvent] = []
        self._connection: psycopg.Connection[Any] | None = None
        self._bounds: pipeline.Bounds
        self._links: Links
        self._sealed_until: datetime
        self._is_written = False

    def __enter__(self) -> "Attempt":
        return self

    def admit(self) -> list[Row]:
        """Begin, lock the subjects, read consent: the rows that may be stored, until `write`.

        Raises `OtherRegistry` when another registry is active by now; then nothing is stored.
        """
        now, rows = timezone.now(), self._part.rows
        # `anon:` forms are subjects too: erasing a user takes their sessions along.
        users = {row.user_id for row in rows}
        organizations = {row.organization_id for row in rows if row.organization_id}
        people = self._begin(users | organizations)
        users.update(*people.values())
        permissions = gate.read_permissions(users, organizations, now)
        permissions.require_registry(self._registry)
        admitted = admit_rows(rows, permissions, self._refused, people, sealed_until=self._sealed_until)
        self._links = Links(admitted, people, permissions, now)
        self._base_events = admit_base_events(self._part.base_events, self._refused)
        return admitted

    def _begin(self, subjects: set[str]) -> People:
        """Begin, take the subjects' locks, then those of the people whose sessions rows without a user name.

        Returns these people. Locks are taken in ascending order only, so that no two requests and withdrawals
        wait for each other in a circle: if a person's is a lower one, all are taken anew.
        """
        rows = self._part.rows
        nobodys = of_nobody(rows)
        names = {name for row in nobodys for name in names_of(row)}
        wanted = subjects | names
        for _ in range(ATTEMPTS):
            self._connection, self._bounds, self._sealed_until = _begin(wanted)
            if not names:
                return {}
            people = read_people(self._connection, names)
            add_people(people, rows)
            theirs = set().union(*(people_of(row, people) for row in nobodys))
            held, missing = barrier.buckets(wanted), barrier.buckets(theirs)
            missing = [bucket for bucket in missing if bucket not in held]
            if not missing:
                return people
            if missing[0] > held[-1]:
                pipeline.ask(self._connection, barrier.lock_shared(theirs))
                return people
            pipeline.roll_back(self._connection, self._bounds)
            wanted |= theirs
        raise StoreUnavailable("the people of a session change faster than its events can be stored")

    def write(self, rows: Sequence[Row]) -> None:
        """Write the admitted rows and base events and commit."""
        assert self._connection is not None, "nothing is written before it is admitted"
        self._links.write(self._connection)
        inserted = write_base_events(self._connection, self._base_events)
        write_rows = copy_rows if self._part.copies else insert_rows
        inserted += write_rows(self._connection, rows, self._bounds.commit)
        self._is_written = True
        self._links.are_committed()
        duplicates = len(rows) + len(self._base_events) - inserted
        self._storing.note_written(inserted, duplicates, self._refused)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self._is_written:
            return False
        if self._connection is not None:
            pipeline.roll_back(self._connection, self._bounds)
        if isinstance(error, psycopg.Error | DjangoDatabaseError):
            self._storing.note_failed(self._part, error)
            return True
        return False


def _begin(subjects: Iterable[str]) -> tuple[psycopg.Connection[Any], pipeline.Bounds, datetime]:
    """Begin, take the subjects' locks, and read where sealed days end. Only then may consent be read."""
    wrapper = connections["analytics"]
    wrapper.ensure_connection()
    connection: psycopg.Connection[Any] = wrapper.connection
    bounds = pipeline.bounds(connection)
    try:
        *_, seal = pipeline.ask(
            connection, (bounds.begin, ()), barrier.lock_shared(subjects), seal_border.QUESTION
        )
    except BaseException:
        pipeline.roll_back(connection, bounds)
        raise
    return connection, bounds, seal_border.border(seal)
