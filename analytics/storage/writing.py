"""Writing admitted rows and committing them: with COPY where there are many, with INSERT where there are few.

COPY takes half the work for each row, but more round trips, and fails when a row is stored already.
"""

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

import psycopg

from analytics.rollups.building import marks
from analytics.storage.event_tables import COMMON_COLUMNS, PLACES_IN_ROW, TABLES, EventTable
from analytics.storage.rows import Row
from postgres import pipeline
from postgres.binary import encode_array, encode_rows
from postgres.pipeline import Statement

_primary_key = itemgetter(*map(Row._fields.index, ("timestamp", "user_id", "id")))
_common = itemgetter(*PLACES_IN_ROW)
_NAMES = Row._fields.index("names")


def _insert_statement(table: EventTable) -> Statement:
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


def _copy_statement(table: EventTable) -> str:
    names = ", ".join(f'"{name}"' for name, _ in COMMON_COLUMNS + table.columns)
    return f"COPY {table.name} ({names}) FROM STDIN WITH (FORMAT binary)"


INSERT = {key: _insert_statement(table) for key, table in TABLES.items()}
COPY = {key: _copy_statement(table) for key, table in TABLES.items()}


def copy_rows(connection: psycopg.Connection[Any], rows: Iterable[Row], commit: Statement) -> int:
    """Write the rows and commit; returns how many. A row that is stored already is an error (23505)."""
    by_table = list(_by_table(rows))
    copies = [(COPY[key], encode_rows(_columns(key, table_rows))) for key, table_rows in by_table]
    marking = marks.marking_text(_quarters(by_table)) if by_table else ""
    pipeline.copy_in(connection, copies, commit, first=marking)
    return sum(len(table_rows) for _, table_rows in by_table)


def insert_rows(connection: psycopg.Connection[Any], rows: Iterable[Row], commit: Statement) -> int:
    """Write those of the rows that are not stored yet, and commit; returns how many."""
    by_table = list(_by_table(rows))
    inserts = [
        (INSERT[key], [encode_array(kind, values) for kind, values in _columns(key, table_rows)])
        for key, table_rows in by_table
    ]
    if not inserts:
        pipeline.ask(connection, (commit, ()))
        return 0
    *counts, _, _ = pipeline.ask(connection, *inserts, marks.marking(_quarters(by_table)), (commit, ()))
    return sum(int.from_bytes(result.get_value(0, 0) or b"") for result in counts)


def _by_table(rows: Iterable[Row]) -> Iterator[tuple[str, list[Row]]]:
    """The rows of each table that has some; tables and rows always in the same order.

    Without this order, overlapping requests deadlock on equal keys (194 times in 200).
    """
    by_table: dict[str, list[Row]] = {key: [] for key in TABLES}
    for row in rows:
        by_table[row.table].append(row)
    for key, table_rows in by_table.items():
        if table_rows:
            table_rows.sort(key=_primary_key)
            yield key, table_rows


def _quarters(by_table: Iterable[tuple[str, list[Row]]]) -> set[int]:
    """The quarters of an hour to mark: their days must be rebuilt once this is committed."""
    return {quarter for _, rows in by_table for quarter in marks.quarters_of([row.timestamp for row in rows])}


def _columns(key: str, rows: list[Row]) -> list[tuple[str, Sequence[Any]]]:
    """The values of each column, with its type: the common columns, then the table's own."""
    fields = list(zip(*rows, strict=True))
    values = (*_common(fields), *zip(*fields[_NAMES], strict=True))
    types = (kind for _, kind in COMMON_COLUMNS + TABLES[key].columns)
    return list(zip(types, values, strict=True))
