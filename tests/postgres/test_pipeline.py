"""The few packets in which ingest talks to PostgreSQL, which work with and without prepared statements."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connections
from pytest_django import Settings

from postgres import pipeline
from postgres.binary import int_array, integer, text_array
from postgres.conversation import Silent
from postgres.pipeline import Statement, ask

pytestmark = pytest.mark.django_db

ADD = Statement("SELECT $1 + sum(one) FROM unnest($2) AS one", "int4", "int4[]")
JOIN = Statement("SELECT array_to_string($1, $2)", "text[]", "text")
DIVIDE = Statement("SELECT 1 / $1", "int4")


@pytest.fixture
def connection() -> Iterator[psycopg.Connection[Any]]:
    parameters = connections["default"].get_connection_params()
    login = {
        name: parameters[name]
        for name in ("dbname", "user", "password", "host", "port")
        if name in parameters
    }
    with psycopg.connect(**login, autocommit=True) as one:
        one.execute("CREATE TEMPORARY TABLE kept (number int PRIMARY KEY)")
        yield one


@pytest.fixture(params=[True, False], ids=["prepared", "unprepared"])
def prepared(request: pytest.FixtureRequest, settings: Settings) -> bool:
    settings.PREPARED_STATEMENTS = request.param
    return bool(request.param)


def numbers(connection: psycopg.Connection[Any]) -> list[int]:
    return [number for (number,) in connection.execute("SELECT number FROM kept ORDER BY 1")]


INSERT = Statement("INSERT INTO kept VALUES ($1)", "int4")


@pytest.mark.usefixtures("prepared")
def test_each_question_has_its_answer(connection: psycopg.Connection[Any]) -> None:
    for _ in range(3):
        added, joined, empty = ask(
            connection,
            (ADD, (integer(1), int_array([2, 3]))),
            (JOIN, (text_array(["a", "é"]), b"-")),
            (JOIN, (text_array([]), b"-")),
        )
        assert int.from_bytes(added.get_value(0, 0) or b"") == 6
        assert (joined.get_value(0, 0), empty.get_value(0, 0)) == ("a-é".encode(), b"")


@pytest.mark.usefixtures("prepared")
def test_after_a_mistake_nothing_more_is_done_and_the_connection_goes_on(
    connection: psycopg.Connection[Any],
) -> None:
    for _ in range(2):
        with pytest.raises(psycopg.errors.DivisionByZero):
            ask(connection, (INSERT, (integer(1),)), (DIVIDE, (integer(0),)), (INSERT, (integer(2),)))
        assert numbers(connection) == []  # statements that are sent together are undone together
    ask(connection, (INSERT, (integer(3),)))
    assert numbers(connection) == [3]


@pytest.mark.parametrize("forget", ["DEALLOCATE ALL", "DISCARD ALL"])
def test_what_a_pooler_has_forgotten_is_prepared_again(
    connection: psycopg.Connection[Any], forget: str
) -> None:
    question = (ADD, (integer(1), int_array([1])))
    ask(connection, question)
    connection.execute(forget)
    assert int.from_bytes(ask(connection, question)[0].get_value(0, 0) or b"") == 2


def test_copies_and_what_ends_them_are_one_conversation(connection: psycopg.Connection[Any]) -> None:
    copy = "COPY kept FROM STDIN"
    within = pipeline.bounds(connection)
    ask(connection, (within.begin, ()))
    pipeline.copy_in(connection, [(copy, b"1\n2\n"), (copy, b"3\n" * 1)], within.commit)
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    ask(connection, (within.begin, ()))
    with pytest.raises(psycopg.errors.UniqueViolation):
        pipeline.copy_in(connection, [(copy, b"4\n"), (copy, b"1\n"), (copy, b"5\n")], within.commit)
    pipeline.roll_back(connection, within)
    assert numbers(connection) == [1, 2, 3]


def test_within_a_transaction_only_the_piece_is_undone(connection: psycopg.Connection[Any]) -> None:
    with connection.transaction():
        ask(connection, (INSERT, (integer(1),)))
        within = pipeline.bounds(connection)
        ask(connection, (within.begin, ()), (INSERT, (integer(2),)))
        pipeline.roll_back(connection, within)
    assert numbers(connection) == [1]


def test_a_large_copy_is_sent_while_the_server_reads(connection: psycopg.Connection[Any]) -> None:
    content = "".join(f"{number}\n" for number in range(700_000)).encode()
    within = pipeline.bounds(connection)
    ask(connection, (within.begin, ()))
    pipeline.copy_in(connection, [("COPY kept FROM STDIN", content)], within.commit)
    assert connection.execute("SELECT count(*), max(number) FROM kept").fetchone() == (700_000, 699_999)


def test_a_server_that_does_not_answer_is_given_up(
    connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "PATIENCE", 0.3)
    backend = connection.info.backend_pid
    os.kill(backend, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(Silent, match=r"has not answered for 0\.3 seconds"):
            ask(connection, (ADD, (integer(1), int_array([1]))))
        assert time.monotonic() - began < 5
        assert connection.closed
    finally:
        os.kill(backend, signal.SIGCONT)
        with contextlib.suppress(ProcessLookupError):  # it may already have ended, its client being gone
            os.kill(backend, signal.SIGTERM)


def test_statements_that_differ_in_their_types_alone_are_two(connection: psycopg.Connection[Any]) -> None:
    for kind, value in (("int4", integer(1)), ("text", b"1")):
        (result,) = ask(connection, (Statement("SELECT pg_typeof($1)::text", kind), (value,)))
        assert (result.get_value(0, 0) or b"").decode() == {"int4": "integer"}.get(kind, kind)


def test_of_several_questions_none_is_asked_twice(connection: psycopg.Connection[Any]) -> None:
    """The first might have been carried out, so the caller decides; asking again prepares the statements."""
    ask(connection, (INSERT, (integer(1),)))
    connection.execute("DEALLOCATE ALL")
    with pytest.raises(psycopg.errors.InvalidSqlStatementName):
        ask(connection, (INSERT, (integer(2),)), (INSERT, (integer(3),)))
    assert numbers(connection) == [1]
    ask(connection, (INSERT, (integer(2),)), (INSERT, (integer(3),)))
    assert numbers(connection) == [1, 2, 3]


def test_in_a_transaction_a_forgotten_statement_is_an_error(connection: psycopg.Connection[Any]) -> None:
    ask(connection, (INSERT, (integer(1),)))
    connection.execute("DEALLOCATE ALL")
    connection.execute("BEGIN")
    with pytest.raises(psycopg.errors.InvalidSqlStatementName):
        ask(connection, (INSERT, (integer(2),)))
    connection.execute("ROLLBACK")
    assert numbers(connection) == [1]


def test_a_lost_connection_is_an_error_and_is_closed(connection: psycopg.Connection[Any]) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])
    with pytest.raises(psycopg.OperationalError):
        ask(connection, (ADD, (integer(1), int_array([1]))))
    assert not pipeline.answers(connection)
    pipeline.roll_back(connection, pipeline.bounds(connection))  # raises nothing


@pytest.mark.django_db(transaction=True)
def test_after_an_error_only_broken_connections_are_closed() -> None:
    good, bad = connections["default"], connections["analytics"]
    for one in (good, bad):
        one.ensure_connection()
    with good.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [bad.connection.info.backend_pid])
    pipeline.close_broken(Silent(), "default", "analytics")  # after waiting in vain, no server is asked
    assert None not in (good.connection, bad.connection)
    pipeline.close_broken(psycopg.OperationalError(), "default", "analytics")
    assert (good.connection is not None, bad.connection) == (True, None)
