"""Values in binary form, as PostgreSQL reads them; instants as numbers."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from django.db import connections

from postgres.binary import ENCODERS, encode_array, int_array, integer, moment, text_array
from postgres.instants import instant, microseconds
from postgres.pipeline import Statement, ask

pytestmark = pytest.mark.django_db

VALUES = {
    "text": ([None, "", "é𝄞"], '{NULL,"",é𝄞}'),
    "uuid": ([b"\x01" * 16], "{01010101-0101-0101-0101-010101010101}"),
    "bool": ([True, False], "{t,f}"),
    "int4": ([None, -1, 2**31 - 1], "{NULL,-1,2147483647}"),
    "float8": ([None, 0.0, -1.5], "{NULL,0,-1.5}"),
    "timestamptz": (
        [-1, 0, 946_684_800_000_000],
        '{"1969-12-31 23:59:59.999999+00","1970-01-01 00:00:00+00","2000-01-01 00:00:00+00"}',
    ),
    "jsonb": ([{}, {"a": [1, None]}], '{"{}","{\\"a\\": [1, null]}"}'),
}


@pytest.fixture
def connection() -> psycopg.Connection[Any]:
    database = connections["default"]
    with database.cursor() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'UTC'")
    return database.connection


@pytest.mark.parametrize("kind", sorted(ENCODERS))
def test_arrays_hold_what_was_put_in(connection: psycopg.Connection[Any], kind: str) -> None:
    values, text = VALUES[kind]
    (result,) = ask(connection, (Statement("SELECT $1::text", f"{kind}[]"), [encode_array(kind, values)]))
    assert (result.get_value(0, 0) or b"").decode() == text


def test_an_array_of_nothing_has_no_dimension(connection: psycopg.Connection[Any]) -> None:
    statement = Statement("SELECT concat(cardinality($1), $2)", "int4[]", "text[]")
    (result,) = ask(connection, (statement, [int_array([]), text_array([])]))
    assert result.get_value(0, 0) == b"0{}"


def test_single_values_are_read_and_written(connection: psycopg.Connection[Any]) -> None:
    at = datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    statement = Statement(
        "SELECT $1 - 1, $2[2] || '!', '1999-12-31 23:59:59.999999+00'::timestamptz", "int4", "text[]"
    )
    (result,) = ask(connection, (statement, [integer(-7), text_array(["a", "é"])]))
    number, text, sent = (result.get_value(0, place) or b"" for place in range(3))
    assert (int.from_bytes(number, signed=True), text.decode(), moment(sent)) == (-8, "é!", at)


def test_instants_are_whole_microseconds_in_any_zone() -> None:
    at = datetime(1970, 1, 1, 2, 0, 0, 1, tzinfo=timezone(timedelta(hours=2)))
    assert (microseconds(at), instant(1)) == (1, at)
    assert microseconds(instant(-1)) == -1
    with pytest.raises(OverflowError):
        instant(10**18)
