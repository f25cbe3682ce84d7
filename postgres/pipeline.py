"""Talking to PostgreSQL in few packets: statements sent together, values in PostgreSQL's binary form.

For the statements of every ingest request. psycopg's cursors send each statement by itself and look at the
type of each value: for one event that took longer than everything else. Statements are prepared once for a
connection, unless `PREPARED_STATEMENTS` is off. Errors are psycopg's own, with their SQLSTATE.
"""

import hashlib
import select
import struct
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

import psycopg
from django.conf import settings
from django.db import connections
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

PATIENCE = 9.0  # seconds for an answer; OpenTelemetry's SDKs wait for 10
MIB = 1 << 20  # what is handed to libpq at once; for each MiB of a COPY there is one second more
BINARY: Final = 1

# PostgreSQL's numbers (OIDs) for the types that we send (its pg_type.dat).
OIDS = {
    "bool": 16,
    "int4": 23,
    "text": 25,
    "float8": 701,
    "timestamptz": 1184,
    "uuid": 2950,
    "jsonb": 3802,
    "bool[]": 1000,
    "int4[]": 1007,
    "text[]": 1009,
    "float8[]": 1022,
    "timestamptz[]": 1185,
    "uuid[]": 2951,
    "jsonb[]": 3807,
}

# What a connection or a pooler has forgotten, or never knew: prepare again.
_FORGOTTEN = frozenset({"26000", "42P05", "0A000"})
_ARRAY = struct.Struct("!iiiii")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL's
_LENGTH = struct.Struct("!i")


class Statement:
    """SQL with `$1`, `$2` and the types of these, as `OIDS` names them."""

    __slots__ = ("name", "sql", "types")

    def __init__(self, sql: str, *types: str) -> None:
        self.sql, self.types = sql.encode(), [OIDS[name] for name in types]
        self.name = b"candid_" + hashlib.sha256(self.sql).hexdigest()[:16].encode()


Question = tuple[Statement, Sequence[bytes]]


class Silent(psycopg.OperationalError):
    """The server has not answered in time. The connection was closed: what it still does is not known."""


class Bounds(NamedTuple):
    """How a piece of work begins, ends and is undone: a transaction, or within one a savepoint."""

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
    """A transaction's bounds; a savepoint's when one is under way already."""
    is_idle = connection.pgconn.transaction_status == TransactionStatus.IDLE
    return _TRANSACTION if is_idle else _SAVEPOINT


def ask(connection: psycopg.Connection[Any], *questions: Question) -> list[PGresult]:
    """Send all of them in one packet and return their results, binary.

    After one that fails none is carried out. Begins no transaction by itself, not even in Django's `atomic`,
    where psycopg would with a cursor's first statement. Raises `psycopg.Error`.
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
    known = _prepared.setdefault(connection, set()) if settings.PREPARED_STATEMENTS else None
    prepares: list[bytes] = []  # of each result to come: the statement that it prepares, or b""
    pgconn.enter_pipeline_mode()
    try:
        for statement, values in questions:
            formats = (BINARY,) * len(values)
            if known is None:
                pgconn.send_query_params(statement.sql, values, statement.types, formats, BINARY)
            else:
                if statement.name not in known and statement.name not in prepares:
                    pgconn.send_prepare(statement.name, statement.sql, statement.types)
                    prepares.append(statement.name)
                pgconn.send_query_prepared(statement.name, values, formats, BINARY)
            prepares.append(b"")
        pgconn.pipeline_sync()
        conversation = _Conversation(connection, PATIENCE)
        conversation.flush()
        results = _until_sync(conversation)
    except BaseException:
        connection.close()  # in the middle of a conversation: nobody could go on with it
        raise
    pgconn.exit_pipeline_mode()
    wrong = next((result for result in results if result.status == ExecStatus.FATAL_ERROR), None)
    if known is not None and len(prepares) > len(questions):
        named = zip(prepares, results, strict=True)
        known.update(name for name, result in named if name and result.status == ExecStatus.COMMAND_OK)
    if wrong is not None:
        error = error_from_result(wrong)
        if known and error.sqlstate in _FORGOTTEN:
            known.clear()
        raise error
    return [result for name, result in zip(prepares, results, strict=True) if not name]


def _until_sync(conversation: "_Conversation") -> list[PGresult]:
    """The results of a pipeline, those of statements that were left out after an error among them."""
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
    """`first` if given, each `COPY … FROM STDIN` with its content, then `last`, in one conversation.

    Raises `psycopg.Error`.
    """
    pgconn = connection.pgconn
    try:
        statements = [*filter(None, [first]), *(sql for sql, _ in copies)]
        pgconn.send_query(b"; ".join([*map(str.encode, statements), last.sql]))
        size = sum(len(content) for _, content in copies)
        conversation = _Conversation(connection, PATIENCE + size / MIB)
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
    """Undo what was begun, as far as the connection still can. Raises nothing."""
    try:
        if connection.pgconn.transaction_status != TransactionStatus.IDLE:
            connection.pgconn.send_query(within.roll_back)
            conversation = _Conversation(connection, PATIENCE)
            conversation.flush()
            while conversation.result() is not None:
                pass
    except psycopg.Error:
        connection.close()


def answers(connection: psycopg.Connection[Any]) -> bool:
    """Whether the server does. Unlike Django's own look, this ends: also when the server hangs."""
    try:
        ask(connection, (_PING, ()))
    except psycopg.Error:
        return False
    return True


def close_broken(error: BaseException, *aliases: str) -> None:
    """After an error: close those of Django's connections that cannot go on; the next use opens another."""
    for alias in aliases:
        wrapper = connections[alias]
        if wrapper.connection is None or wrapper.in_atomic_block:
            continue
        # Who has waited for one server in vain does not ask another whether it still answers.
        if wrapper.connection.closed or not (isinstance(error, Silent) or answers(wrapper.connection)):
            wrapper.close()


class _Conversation:
    """Sending and receiving with a deadline. libpq never waits here: it is told when the socket is ready."""

    def __init__(self, connection: psycopg.Connection[Any], patience: float) -> None:
        self._connection = connection
        self._pgconn: PGconn = connection.pgconn
        self._patience = patience
        self._poll = select.poll()

    def flush(self) -> None:
        pgconn = self._pgconn
        while pgconn.flush():
            if self._wait(select.POLLIN | select.POLLOUT) & select.POLLIN:
                pgconn.consume_input()  # else both sides may wait for the other to read

    def result(self, *, may_end: bool = True) -> PGresult | None:
        """The next one, None after the last of a statement. A connection that is lost has no next one."""
        pgconn = self._pgconn
        while pgconn.is_busy():
            self._wait(select.POLLIN)
            pgconn.consume_input()
        found = pgconn.get_result()
        if found is None and not may_end and pgconn.status != ConnStatus.OK:
            raise psycopg.OperationalError("the connection was lost")
        return found

    def send_copy(self, content: bytes) -> None:
        view = memoryview(content)
        for at in range(0, len(view), MIB):
            self._pgconn.put_copy_data(view[at : at + MIB])
            self.flush()
        self._pgconn.put_copy_end()
        self.flush()

    def _wait(self, events: int) -> int:
        self._poll.register(self._pgconn.socket, events)
        until = time.monotonic() + self._patience
        ready = self._poll.poll(self._patience * 1000)
        while not ready and time.monotonic() < until:
            ready = self._poll.poll((until - time.monotonic()) * 1000)
        if not ready:
            self._connection.close()
            raise Silent(f"the database has not answered for {self._patience:g} seconds")
        return ready[0][1]


def text_array(texts: Iterable[str]) -> bytes:
    """A text[] of ASCII or other text."""
    encoded = [text.encode() for text in texts]
    return array("text", [_LENGTH.pack(len(text)) + text for text in encoded])


def int_array(numbers: Iterable[int]) -> bytes:
    """An int4[]."""
    return array("int4", [b"\0\0\0\4" + _LENGTH.pack(number) for number in numbers])


def integer(number: int) -> bytes:
    """An int4."""
    return _LENGTH.pack(number)


def moment(content: bytes) -> datetime:
    """A timestamptz that is no infinity."""
    return _EPOCH + timedelta(microseconds=int.from_bytes(content, signed=True))


def array(kind: str, fields: Sequence[bytes]) -> bytes:
    """An array of one dimension; each field is its content behind its length, as in a COPY."""
    if not fields:
        return _ARRAY.pack(0, 0, OIDS[kind], 0, 0)[:12]
    return _ARRAY.pack(1, 0, OIDS[kind], len(fields), 1) + b"".join(fields)
