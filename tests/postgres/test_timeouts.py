"""Time limits and errors of statements, as a real server reports them."""

import pytest
from django.db import DatabaseError, OperationalError, connections, transaction

from postgres.errors import QUERY_CANCELED, cancelled_as, sqlstate
from postgres.timeouts import TookTooLong, time_limited_cursor

pytestmark = pytest.mark.django_db


class TooSlow(Exception):
    """What a caller may raise instead."""


@pytest.mark.parametrize("alias", ["default", "analytics"])
def test_a_statement_that_takes_longer_than_the_limit_is_cancelled(alias: str) -> None:
    with pytest.raises(TookTooLong), time_limited_cursor(alias, "20ms") as cursor:
        cursor.execute("SELECT pg_sleep(30)")
    with pytest.raises(TooSlow), time_limited_cursor(alias, "20ms", TooSlow) as cursor:
        cursor.execute("SELECT pg_sleep(30)")


def test_the_cursor_is_of_the_database_that_is_asked_for() -> None:
    with time_limited_cursor("analytics", "5s") as cursor:
        cursor.execute("SELECT current_database()")
        assert cursor.fetchone() == (connections["analytics"].settings_dict["NAME"],)


def test_a_wrong_statement_is_not_a_slow_one() -> None:
    with pytest.raises(DatabaseError) as raised, time_limited_cursor("default", "5s") as cursor:
        cursor.execute("SELECT 1 / 0")
    assert sqlstate(raised.value) == "22012"


def test_of_operational_errors_only_a_cancelled_statement_is_renamed() -> None:
    sql = "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$"
    with pytest.raises(OperationalError), cancelled_as(TooSlow), transaction.atomic():
        connections["default"].cursor().execute(sql)


def test_the_state_is_that_of_the_error_or_of_its_cause() -> None:
    with pytest.raises(TooSlow) as raised, time_limited_cursor("default", "20ms", TooSlow) as cursor:
        cursor.execute("SELECT pg_sleep(30)")
    assert sqlstate(raised.value) == QUERY_CANCELED
    assert sqlstate(ValueError()) == sqlstate(None) == ""


@pytest.mark.django_db(transaction=True)
def test_the_limit_ends_with_the_block() -> None:
    connections["default"].ensure_connection()
    with time_limited_cursor("default", "5s"):
        pass
    with connections["default"].cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)
