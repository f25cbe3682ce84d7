"""The database connections of a pool's thread: kept, but not past their age nor when they may be broken.

What `close_old_connections` does around a Django request, without its price: with health checks on, that
makes every request ask each database `SELECT 1` first. A connection that was good a second ago is
taken as it is; should it have broken since, its error is answered with 503, or tried again (`store`).
"""

import threading
import time

from django.db import connections

from postgres.pipeline import answers

TRUSTED_FOR = 1.0  # seconds since it was last seen to work

_thread = threading.local()


def freshen() -> None:
    """Before a piece of work: close what is broken or too old, check what has been idle."""
    now = time.monotonic()
    last: float = getattr(_thread, "used_at", 0.0)
    _thread.used_at = now
    for connection in connections.all(initialized_only=True):
        if connection.connection is None or connection.in_atomic_block:
            continue
        is_old = connection.close_at is not None and now >= connection.close_at
        in_doubt = connection.errors_occurred or connection.connection.closed or now - last > TRUSTED_FOR
        if is_old or (in_doubt and not answers(connection.connection)):
            connection.close()
        connection.errors_occurred = False
