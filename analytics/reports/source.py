"""How a report that reads no roll-ups asks the database: in one transaction with a time limit."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

from analytics.rollups.reading.reader import TIMEOUT_SECONDS, ReportTimedOut
from postgres.errors import cancelled_as

WORK_MEMORY_MB = 64
# What events claim is one of three already; anything else would be an old or foreign row.
DEPLOYMENT = "CASE WHEN deployment_type IN ('cloud', 'self-hosted') THEN deployment_type ELSE 'unknown' END"


@contextmanager
def report_cursor() -> Iterator[CursorWrapper]:
    """A cursor on the analytics database for one report. Raises `ReportTimedOut`."""
    with cancelled_as(ReportTimedOut):
        with transaction.atomic(using="analytics"), connections["analytics"].cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{TIMEOUT_SECONDS}s'")
            cursor.execute(f"SET LOCAL work_mem = '{WORK_MEMORY_MB}MB'")
            cursor.execute("SET LOCAL jit = off")  # compiling took longer than it saved
            yield cursor
