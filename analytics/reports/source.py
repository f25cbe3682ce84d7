"""How a report that reads no roll-ups asks the database: in one transaction with a time limit."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db.backends.utils import CursorWrapper

from analytics.rollups.reading.reader import TIMEOUT_SECONDS, ReportTimedOut
from postgres.timeouts import time_limited_cursor

WORK_MEMORY_MB = 64


@contextmanager
def report_cursor() -> Iterator[CursorWrapper]:
    """A cursor on the analytics database for one report. Raises `ReportTimedOut`."""
    with time_limited_cursor("analytics", f"{TIMEOUT_SECONDS}s", ReportTimedOut) as cursor:
        cursor.execute(f"SET LOCAL work_mem = '{WORK_MEMORY_MB}MB'")
        cursor.execute("SET LOCAL jit = off")  # compiling took longer than it saved
        yield cursor
