"""Pipelined statements: several sent in one packet, with values in PostgreSQL's binary form.

Every ingest request is stored this way. psycopg's cursors send each statement by itself and inspect the type
of each value; for a single event that took longer than everything else. Each statement is prepared once per
connection, unless `PREPARED_STATEMENTS` is off. Errors are psycopg's own, with their SQLSTATE.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

import psycopg
from django.conf import settings
from django.db import connections
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from postgres.binary import OIDS
from postgres.conversation import MIB, Conversation, Silent

PATIENCE = 9.0  # seconds for an answer, and one more for each MiB of a COPY; OpenTelemetry's SDKs wait for 10
BINARY: Final = 1

# Behind a pooler, the server may not know a prepared statement, or know it already; or its result type has
# changed. In each case: prepare again.
_FORGOTTEN = frozenset({"26000", "42P05", "0A000"})


class Statement:
    """SQL with parameters `$1`, `$2` …, and their types as `OIDS` names them."""

    __slots__ = ("name", "sql", "types")

    def __init__(self, sql: str, *types: str) -> None:
        self.sql, self.types = sql.encode(), [OIDS[name] for name in types]
        meaning = b" ".join([self.sql, *map(str.encode, types)])
        self.name = b"candid_" + hashlib.sha256(meaning).hexdigest()[:16].encode()


Question = tuple[Statement, Sequence[bytes]]


class Bounds(NamedTuple):
    """How a piece of work begins, ends and is undone: as a transaction, or as a savepoint within one."""

    begin: Statement
    commit: Statement
    roll_back: bytes


_TRANSACTION = Bounds(Statement("BEGIN"), Statement("COMMIT"), b"ROLLBACK")
_SAVEPOINT = Bounds(
    Statement("SAVEPOINT candid"),
    Statement("RELEASE SAVEPOINT candid"),
    b"ROLLBACK TO SAVEPOINT candid; RELEASE SAVEPOINT candid",
)
_PING = Statement("SELECT 1")
_prepared: WeakKeyDictionary[psycopg.Connection[Any], set[bytes]] = WeakKeyDictionary()


def bounds(connection: psycopg.Connection[Any]) -> Bounds:
    """A transaction's bounds; a savepoint's if a transaction is already under way."""
    is_idle = connection.pgconn.transaction_status == TransactionStatus.IDLE
    return _TRANSACTION if is_idle else _SAVEPOINT


def ask(connection: psycopg.Connection[Any], *questions: Question) -> list[PGresult]:
    """Send all questions in one packet and return their results, in binary form.

    After one that fails, the others are skipped. Unlike a cursor's first statement in Django's `atomic`, this
    never begins a transaction by itself. Raises `psycopg.Error`.
    """
    try:
        return _ask(connection, questions)
    except psycopg.Error as error:
        idle = connection.pgconn.transaction_status == TransactionStatus.IDLE
        if error.sqlstate not in _FORGOTTEN or not idle or len(questions) > 1:
            raise
    return _ask(connection, questions)


def _ask(connection: psycopg.Connection[Any], questions: Sequence[Question]) -> list[PGresult]:
    pgconn = connection.pgconn
    prepared = _prepared.setdefault(connection, set()) if settings.PREPARED_STATEMENTS else None
    pgconn.enter_pipeline_mode()
    try:
        expected = _send(pgconn, questions, prepared)
        conversation = Conversation(connection, PATIENCE)
        conversation.flush()
        results = _until_sync(conversation)
    except BaseException:
        connection.close()  # it is in the middle of a conversation that nobody could continue
        raise
    pgconn.exit_pipeline_mode()
    if prepared is not None and len(expected) > len(questions):
        named = zip(expected, results, strict=True)
        prepared.update(name for name, result in named if name and result.status == ExecStatus.COMMAND_OK)
    failed = next((result for result in results if result.status == ExecStatus.FATAL_ERROR), None)
    if failed is not None:
        error = error_from_result(failed)
        if prepared and error.sqlstate in _FORGOTTEN:
            prepared.clear()
        raise error
    return [result for name, result in zip(expected, results, strict=True) if not name]


def _send(pgconn: PGconn, questions: Sequence[Question], prepared: set[bytes] | None) -> list[bytes]:
    """Send the questions, first preparing statements that are not yet prepared (unless `prepared` is None).

    Returns what each result to come will be: the name of a statement that was prepared, or b"" for an answer.
    """
    expected: list[bytes] = []
    for statement, values in questions:
        formats = (BINARY,) * len(values)
        if prepared is None:
            pgconn.send_query_params(statement.sql, values, statement.types, formats, BINARY)
        else:
            if statement.name not in prepared and statement.name not in expected:
                pgconn.send_prepare(statement.name, statement.sql, statement.types)
                expected.append(statement.name)
            pgconn.send_query_prepared(statement.name, values, formats, BINARY)
        expected.append(b"")
    pgconn.pipeline_sync()
    return expected


def _until_sync(conversation: Conversation) -> list[PGresult]:
    """The results of a pipeline, including those of statements that were skipped after an error."""
    results: list[PGresult] = []
    while (result := conversation.result(may_end=False)) is None or result.status != ExecStatus.PIPELINE_SYNC:
        if result is not None:
            results.append(result)
    return results


def copy_in(
    connection: psycopg.Connection[Any],
    copies: Sequence[tuple[str, bytes]],
    last: Statement,
    *,
    first: str = "",
) -> None:
    """Run `first` if given, each `COPY … FROM STDIN` with its content, then `last`, in one conversation.

    Raises `psycopg.Error`.
    """
    pgconn = connection.pgconn
    try:
        statements = [*filter(None, [first]), *(sql for sql, _ in copies)]
        pgconn.send_query(b"; ".join([*map(str.encode, statements), last.sql]))
        size = sum(len(content) for _, content in copies)
        conversation = Conversation(connection, PATIENCE + size / MIB)
        conversation.flush()
        failed: PGresult | None = None
        waiting = iter(copies)
        while (result := conversation.result()) is not None:
            if result.status == ExecStatus.COPY_IN:
                _, content = next(waiting)
                conversation.send_copy(content)
            elif result.status == ExecStatus.FATAL_ERROR:
                failed = failed or result
    except BaseException:
        connection.close()
        raise
    if failed is not None:
        raise error_from_result(failed)


def roll_back(connection: psycopg.Connection[Any], within: Bounds) -> None:
    """Undo what was begun, if the connection still works. Raises nothing."""
    try:
        if connection.pgconn.transaction_status != TransactionStatus.IDLE:
            connection.pgconn.send_query(within.roll_back)
            conversation = Conversation(connection, PATIENCE)
            conversation.flush()
            while conversation.result() is not None:
                pass
    except psycopg.Error:
        connection.close()


def answers(connection: psycopg.Connection[Any]) -> bool:
    """Whether the server answers. Unlike Django's own check, this ends even when the server hangs."""
    try:
        ask(connection, (_PING, ()))
    except psycopg.Error:
        return False
    return True


def close_broken(error: BaseException, *aliases: str) -> None:
    """After an error, close Django's connections that are broken; the next use opens new ones."""
    for alias in aliases:
        wrapper = connections[alias]
        if wrapper.connection is None or wrapper.in_atomic_block:
            continue
        # After one server has kept us waiting in vain, do not risk waiting for another one's answer.
        if wrapper.connection.closed or not (isinstance(error, Silent) or answers(wrapper.connection)):
            wrapper.close()
