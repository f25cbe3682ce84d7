"""Reading event tables while a page waits: no index leads to one subject's rows, so it may take too long."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, transaction

from postgres.errors import cancelled_as


class TookTooLong(Exception):
    """A statement that nobody should wait for any longer."""


@contextmanager
def patient_cursor(timeout: str) -> Iterator[Any]:
    """A cursor on the analytics database; a statement that takes longer (`5s`) raises `TookTooLong`."""
    with cancelled_as(TookTooLong), transaction.atomic(using="analytics"):
        with connections["analytics"].cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [timeout])
            yield cursor
