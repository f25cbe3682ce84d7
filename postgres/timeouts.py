"""Statements with a time limit, for work that somebody is waiting for."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

from postgres.errors import cancelled_as


class TookTooLong(Exception):
    """A statement was cancelled because it took longer than its limit."""


@contextmanager
def time_limited_cursor(
    alias: str, limit: str, refusal: type[Exception] = TookTooLong
) -> Iterator[CursorWrapper]:
    """A cursor on this database, in a transaction. A statement that takes longer than `limit` (`5s`) is
    cancelled, and `refusal` is raised."""
    with cancelled_as(refusal), transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [limit])
        yield cursor
