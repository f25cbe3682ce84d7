"""After a test that commits, puts both databases back to what `migrate` made, in milliseconds.

Django would empty every table and then run what follows a migration (permissions, groups, the first
policy, waits for ingest), which takes longer than most tests. Here only tables that hold rows are
emptied, and rows that were there at the beginning of the run are copied back.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.management.commands import flush
from django.db import OperationalError, connections, transaction
from django.db.backends.postgresql.operations import DatabaseOperations

from postgres.errors import DEADLOCK_DETECTED, sqlstate

APPEND_ONLY = ("consent_decision", "consent_decisionhead", "consent_policyversion", "consent_subjectview")
ALWAYS_THE_SAME = {"django_content_type", "auth_permission"}

sql_flush, execute_sql_flush = DatabaseOperations.sql_flush, DatabaseOperations.execute_sql_flush


@contextmanager
def restoring() -> Iterator[None]:
    """Clean up in this way inside the block, which must begin with freshly migrated databases.

    Append-only tables may be truncated here, which only their owner can do. Changing and deleting their
    rows is refused as always.
    """
    with connections["default"].cursor() as cursor:
        for table in APPEND_ONLY:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER no_truncate")
    rows = {alias: {table: copy_out(alias, table) for table in filled(alias)} for alias in connections}

    def restore(_verbosity: int, _interactive: bool, alias: str) -> None:
        with transaction.atomic(using=alias):
            for table, content in rows[alias].items():
                copy_in(alias, table, content)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "sql_flush", flush_filled)
        patch.setattr(DatabaseOperations, "execute_sql_flush", execute_again_after_a_deadlock)
        patch.setattr(flush, "emit_post_migrate_signal", restore)
        yield


def flush_filled(
    operations: DatabaseOperations, style: object, tables: list[str], **options: bool
) -> list[str]:
    """Empty only tables that hold rows: an empty one takes as long, and there are hundreds (partitions)."""
    to_empty = filled(operations.connection.alias, tables)
    return sql_flush(operations, style, to_empty, **options | {"allow_cascade": True})


def execute_again_after_a_deadlock(operations: DatabaseOperations, statements: list[str]) -> None:
    """Retry after a deadlock: a receiver's process may be writing its counts while a test is cleaned up."""
    for attempt in range(5):
        try:
            execute_sql_flush(operations, statements)
            return
        except OperationalError as error:
            if sqlstate(error) != DEADLOCK_DETECTED or attempt == 4:
                raise


def filled(alias: str, tables: list[str] | None = None) -> list[str]:
    """The tables of a database that hold rows, except those whose rows never change."""
    if tables is None:
        tables = connections[alias].introspection.django_table_names(only_existing=True, include_views=False)
    looked_at = sorted({*tables} - ALWAYS_THE_SAME)
    questions = [f"SELECT '{table}' WHERE EXISTS (SELECT FROM \"{table}\")" for table in looked_at]
    with connections[alias].cursor() as cursor:
        cursor.execute(" UNION ALL ".join(questions))
        return [table for (table,) in cursor.fetchall()]


def copy_out(alias: str, table: str) -> bytes:
    with connections[alias].cursor() as cursor, cursor.copy(f'COPY "{table}" TO STDOUT') as copy:
        return b"".join(map(bytes, copy))


def copy_in(alias: str, table: str, content: bytes) -> None:
    with connections[alias].cursor() as cursor, cursor.copy(f'COPY "{table}" FROM STDIN') as copy:
        copy.write(content)
