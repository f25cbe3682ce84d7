"""A second connection for tests: holds locks, counts who waits, and ends this thread's connection."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from django.db import connections

WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@contextmanager
def held(statement: str, values: Sequence[object] = (), *, database: str = "default") -> Iterator[None]:
    """Another connection runs this statement and holds its locks until the block ends."""
    with closing(connections[database].copy()) as another, another.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(statement, values)
        yield
        cursor.execute("ROLLBACK")


@contextmanager
def impatient(database: str = "default") -> Iterator[None]:
    """Inside the block, this thread's connection waits for a lock for no more than 100 ms."""
    connections[database].cursor().execute("SET lock_timeout = '100ms'")
    try:
        yield
    finally:
        connections[database].cursor().execute("RESET lock_timeout")


def waiting(database: str = "default") -> int:
    """How many connections wait for a lock."""
    with connections[database].cursor() as cursor:
        cursor.execute(WAITING)
        return int(cursor.fetchone()[0])


@contextmanager
def connection_ended(database: str) -> Iterator[None]:
    """End this thread's connection from the server's side, as a restart does; the next statement fails."""
    with connections[database].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    with closing(connections[database].copy()) as another, another.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    try:
        yield
    finally:
        connections[database].close()
