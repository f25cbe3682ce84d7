"""Where admitted events become rows: one transaction, exactly once, behind the withdrawal barrier.

The order is what matters (docs/architecture.md, "The barrier"): take the subjects' locks; then, in
a later statement, read consent; then insert; then commit. A row's id is computed from the event,
so whatever is sent again meets its own primary key and changes nothing.
"""

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

import psycopg
from django.db import Error as DjangoDatabaseError
from django.db import connections
from django.utils import timezone

from analytics import partitions
from analytics.rollups.building import marks
from consent.gate import barrier, gate
from consent.policies.event_lifetime import months_kept
from postgres import pipeline
from postgres.binary import encode_array, encode_rows
from postgres.errors import sqlstate
from postgres.pipeline import Silent, Statement

ATTEMPTS = 3
COPY_FROM = 64  # rows; fewer are inserted: COPY needs more round trips, but half the work a row
UNIQUE_VIOLATION = "23505"


class Row(NamedTuple):
    """One event on its way into a table; `metadata` and `names` are already scrubbed."""

    table: str  # 'activity', 'endpoint' or 'feature'
    id: bytes  # the 16 of a UUID
    timestamp: int  # microseconds since 1970 UTC
    user: str  # the user's pseudonym, '' when the event names none: what consent is asked for
    user_id: str  # what is stored: the pseudonym, or 'anon:…'
    organization_id: str  # pseudonym or ''
    deployment_type: str
    is_internal: bool
    metadata: dict[str, Any]
    names: tuple[Any, ...]  # the table's own columns, in the order of TABLES
    do_not_track: bool


class BaseEvent(NamedTuple):
    """One `base_telemetry.*` event. `facts` are columns of `Installation`, already checked."""

    id: bytes  # the 16 of a UUID
    name: str  # 'first_seen' or 'heartbeat'
    timestamp: datetime
    installation: str  # pseudonym
    facts: dict[str, str]
    do_not_track: bool


class Receipt(NamedTuple):
    """What became of the events: rows written, rows that were there already, refused by reason."""

    inserted: int
    duplicates: int
    refused: dict[str, int]


class StoreUnavailable(Exception):
    """A database is away or overloaded, or a commit's outcome is unknown: send the same again."""


class Table(NamedTuple):
    """An event table as the store writes it: its own columns, in the order of `Row.names`."""

    name: str
    columns: tuple[tuple[str, str], ...]  # name, PostgreSQL type


# In this order in every transaction, so that two never wait for each other in a circle.
TABLES = {
    "activity": Table("analytics_user_activity", (("event_type", "text"), ("session_id", "text"))),
    "endpoint": Table(
        "analytics_endpoint_usage",
        (
            ("endpoint", "text"),
            ("method", "text"),
            ("status_code", "int4"),
            ("duration_ms", "float8"),
        ),
    ),
    "feature": Table("analytics_feature_usage", (("feature_name", "text"), ("action", "text"))),
}
COMMON_COLUMNS = (
    ("id", "uuid"),
    ("timestamp", "timestamptz"),
    ("user_id", "text"),
    ("organization_id", "text"),
    ("deployment_type", "text"),
    ("is_internal", "bool"),
    ("event_metadata", "jsonb"),
)


def _insert_statement(table: Table) -> Statement:
    columns = COMMON_COLUMNS + table.columns
    names = ", ".join(f'"{name}"' for name, _ in columns)
    arrays = ", ".join(f"${place}::{kind}[]" for place, (_, kind) in enumerate(columns, 1))
    # Counted in SQL: the command's own row count is wrong on a distributed table.
    sql = (
        f"WITH inserted AS (INSERT INTO {table.name} ({names}) SELECT {names} "
        f"FROM unnest({arrays}) AS row ({names}) ON CONFLICT DO NOTHING RETURNING 1) "
        "SELECT count(*) FROM inserted"
    )
    return Statement(sql, *(f"{kind}[]" for _, kind in columns))


def _copy_statement(table: Table) -> str:
    names = ", ".join(f'"{name}"' for name, _ in COMMON_COLUMNS + table.columns)
    return f"COPY {table.name} ({names}) FROM STDIN WITH (FORMAT binary)"


INSERT = {key: _insert_statement(table) for key, table in TABLES.items()}
COPY = {key: _copy_statement(table) for key, table in TABLES.items()}

FACTS = (
    "app_version",
    "platform",
    "os_version",
    "architecture",
    "locale",
    "timezone",
    "release_channel",
    "deployment_type",
)
# The newest event's facts win; first and last seen only ever widen, so order and repetition do not matter.
UPSERT_INSTALLATION = f"""
WITH installation AS (
    INSERT INTO analytics_installation AS known
           (pseudonym, {", ".join(FACTS)}, first_seen_at, last_seen_at)
    VALUES (%(pseudonym)s, {", ".join(f"%({fact})s" for fact in FACTS)}, %(at)s, %(at)s)
    ON CONFLICT (pseudonym) DO UPDATE SET
           {
    ", ".join(
        f"{fact} = CASE WHEN excluded.last_seen_at >= known.last_seen_at "
        f"THEN excluded.{fact} ELSE known.{fact} END"
        for fact in FACTS
    )
},
           first_seen_at = least(known.first_seen_at, excluded.first_seen_at),
           last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at)
    RETURNING id
), inserted AS (
    INSERT INTO analytics_installationevent (id, installation_id, name, "timestamp", received_at)
    SELECT %(id)s, installation.id, %(name)s, %(at)s, now() FROM installation
    ON CONFLICT DO NOTHING RETURNING 1
)
SELECT count(*) FROM inserted
"""


def store(
    rows: Sequence[Row],
    base_events: Sequence[BaseEvent] = (),
    *,
    finish: Callable[[list[Row]], list[Row]] | None = None,
    registry: str = "",
) -> Receipt:
    """Commit what consent admits, and say what became of everything.

    `finish` is given the admitted rows, before they are written, and returns them finished (ingest
    caps new names there: nothing of a refused event may leave a trace). Returning means committed.
    `registry` is the digest of the registry by which the rows were filtered.
    Raises `StoreUnavailable`; nothing is then known to be stored, and sending again is safe. Raises
    `gate.OtherRegistry` when another one is active by now; then nothing is stored.
    """
    if not rows and not base_events:
        return Receipt(0, 0, {})
    copies = len(rows) >= COPY_FROM
    for attempt in range(ATTEMPTS):
        try:
            return _store_once(rows, base_events, finish, registry, copies=copies)
        except (psycopg.Error, DjangoDatabaseError) as error:
            pipeline.close_broken(error, "analytics", "default")
            state = sqlstate(error)
            if isinstance(error, Silent):
                raise StoreUnavailable("a database has not answered in time") from error
            if state == UNIQUE_VIOLATION and copies:
                copies = False  # some were stored before: INSERT leaves those out
            elif state == "23514":  # no partition for a row: a month was never made, or was lost
                partitions.ensure_for(timezone.now(), months_kept())
            elif state[:2] in {"22", "23", "54"}:  # a value that this or any database cannot hold
                return _store_in_halves(rows, base_events, finish, registry, error)
            elif attempt + 1 == ATTEMPTS:
                raise StoreUnavailable(f"a database does not answer ({state or 'no connection'})") from error
    raise StoreUnavailable("a partition is missing and could not be made")


def _store_in_halves(
    rows: Sequence[Row],
    base_events: Sequence[BaseEvent],
    finish: Callable[[list[Row]], list[Row]] | None,
    registry: str,
    error: Exception,
) -> Receipt:
    """A row that PostgreSQL will not have is refused by itself; the others are stored without it."""
    if len(rows) + len(base_events) == 1:
        return Receipt(0, 0, {"unstorable": 1})
    half, base_half = (len(rows) + 1) // 2, len(base_events) // 2
    first = store(rows[:half], base_events[:base_half], finish=finish, registry=registry)
    second = store(rows[half:], base_events[base_half:], finish=finish, registry=registry)
    return Receipt(
        first.inserted + second.inserted,
        first.duplicates + second.duplicates,
        dict(Counter(first.refused) + Counter(second.refused)),
    )


def _store_once(
    rows: Sequence[Row],
    base_events: Sequence[BaseEvent],
    finish: Callable[[list[Row]], list[Row]] | None,
    registry: str,
    *,
    copies: bool,
) -> Receipt:
    """One attempt. `copies`: write with COPY, which knows no duplicates and fails when it meets one."""
    now = timezone.now()
    refused: Counter[str] = Counter()
    users = {row.user_id for row in rows}  # `anon:` forms too: a user's erasure takes their sessions along
    organizations = {row.organization_id for row in rows if row.organization_id}
    wrapper = connections["analytics"]
    wrapper.ensure_connection()
    raw: psycopg.Connection[Any] = wrapper.connection
    within = pipeline.bounds(raw)
    try:
        _locked(raw, within, chain(users, organizations))
        permissions = gate.permissions(users, organizations, now)
        permissions.require_registry(registry)
        admitted = _admitted(rows, permissions, refused)
        if finish is not None and admitted:
            admitted = finish(admitted)
        admitted_base = _admitted_base(base_events, refused)
        inserted = _upsert(raw, admitted_base)
        write = _copy if copies else _insert
        inserted += write(raw, admitted, within.commit)
    except BaseException:
        pipeline.roll_back(raw, within)
        raise
    return Receipt(inserted, len(admitted) + len(admitted_base) - inserted, dict(refused))


def _locked(raw: psycopg.Connection[Any], within: pipeline.Bounds, subjects: Iterable[str]) -> None:
    """Begin, and take the subjects' locks. Only once they are held may consent be read."""
    pipeline.ask(raw, (within.begin, ()), barrier.lock_shared(subjects))


def _admitted(rows: Sequence[Row], permissions: gate.Permissions, refused: Counter[str]) -> list[Row]:
    """The rows that may be stored; what may not be is counted in `refused`."""
    internal = permissions.internal()
    spans: dict[tuple[str, str], Sequence[gate.Span]] = {}
    admitted = []
    for row in rows:
        if row.do_not_track:
            refused["do_not_track"] += 1
            continue
        who, at = (row.organization_id, row.user_id), row.timestamp
        allowed = spans.get(who)
        if allowed is None:
            allowed = spans[who] = permissions.spans(*who)
        for since, until in allowed:
            if since <= at < until:
                break
        else:
            refused["no_consent"] += 1
            continue
        if internal and not row.is_internal and row.organization_id in internal:
            row = row._replace(is_internal=True)
        admitted.append(row)
    return admitted


def foretell(made: Row | BaseEvent) -> tuple[Row | BaseEvent, str]:
    """What `store` would do with an event now: the event as it would be written, and why it is refused or ''.

    By the same rules as `store` and from the same reading of consent, but without locks: nothing is written.
    """
    refused: Counter[str] = Counter()
    kept: Sequence[Row | BaseEvent]
    if isinstance(made, Row):
        permissions = gate.permissions({made.user_id}, {made.organization_id} - {""}, timezone.now())
        kept = _admitted([made], permissions, refused)
    else:
        kept = _admitted_base([made], refused)
    return (kept[0] if kept else made), "".join(refused)


def _admitted_base(base_events: Sequence[BaseEvent], refused: Counter[str]) -> list[BaseEvent]:
    if not base_events:
        return []
    if not gate.base_allowed():
        refused["base_telemetry_off"] += len(base_events)
        return []
    tracked = [event for event in base_events if not event.do_not_track]
    if len(tracked) < len(base_events):
        refused["do_not_track"] += len(base_events) - len(tracked)
    return sorted(tracked, key=lambda event: (event.installation, event.timestamp, event.id))


def _by_table(rows: Iterable[Row]) -> Iterator[tuple[str, list[Row]]]:
    """The rows of each table that has some, the tables always in one order, and so are their rows.

    Else overlapping requests, which lock equal keys, would wait for each other (194 deadlocks in 200).
    """
    by_table: dict[str, list[Row]] = {key: [] for key in TABLES}
    for row in rows:
        by_table[row.table].append(row)
    for key, some in by_table.items():
        if some:
            some.sort(key=_primary_key)
            yield key, some


def _quarters(by_table: Iterable[tuple[str, list[Row]]]) -> set[int]:
    """What is to be marked: the roll-ups of these times are out of date with the commit."""
    return {quarter for _, rows in by_table for quarter in marks.quarters_of([row.timestamp for row in rows])}


_primary_key = itemgetter(*map(Row._fields.index, ("timestamp", "user_id", "id")))


def _copy(raw: psycopg.Connection[Any], rows: Iterable[Row], commit: Statement) -> int:
    """Write the rows and commit; returns how many. That some are stored already is an error (23505)."""
    by_table = list(_by_table(rows))
    copies = [(COPY[key], encode_rows(_columns(key, some))) for key, some in by_table]
    marking = marks.marking_text(_quarters(by_table)) if by_table else ""
    pipeline.copy_in(raw, copies, commit, first=marking)
    return sum(len(some) for _, some in by_table)


def _insert(raw: psycopg.Connection[Any], rows: Iterable[Row], commit: Statement) -> int:
    """Write those of the rows that are not stored yet, and commit; returns how many."""
    by_table = list(_by_table(rows))
    inserts = [
        (INSERT[key], [encode_array(kind, values) for kind, values in _columns(key, some)])
        for key, some in by_table
    ]
    if not inserts:
        pipeline.ask(raw, (commit, ()))
        return 0
    *counts, _, _ = pipeline.ask(raw, *inserts, marks.marking(_quarters(by_table)), (commit, ()))
    return sum(int.from_bytes(result.get_value(0, 0) or b"") for result in counts)


def _upsert(raw: psycopg.Connection[Any], base_events: Iterable[BaseEvent]) -> int:
    """Write the base events that are not stored yet; returns how many."""
    cursor = psycopg.Cursor(raw)
    return sum(
        cursor.execute(UPSERT_INSTALLATION, _installation_parameters(event)).fetchall()[0][0]
        for event in base_events
    )


def _columns(key: str, rows: list[Row]) -> list[tuple[str, Sequence[Any]]]:
    """The columns of these rows, with their types, as COMMON_COLUMNS and the table have them."""
    _, ids, times, _, users, organizations, deployments, internal, metadata, names, _ = zip(
        *rows, strict=True
    )
    values = (ids, times, users, organizations, deployments, internal, metadata, *zip(*names, strict=True))
    kinds = (kind for _, kind in COMMON_COLUMNS + TABLES[key].columns)
    return list(zip(kinds, values, strict=True))


def _installation_parameters(event: BaseEvent) -> dict[str, Any]:
    facts = {fact: event.facts.get(fact, "") for fact in FACTS}
    facts["deployment_type"] = facts["deployment_type"] or "unknown"
    return {
        "pseudonym": event.installation,
        "id": uuid.UUID(bytes=event.id),
        "name": event.name,
        "at": event.timestamp,
        **facts,
    }
