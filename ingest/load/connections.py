"""Keeps the database connections of a thread usable: closes those that are too old or broken.

Django's `close_old_connections` does the same around a request, but with health checks on it asks each
database `SELECT 1` every time. Here a connection that worked within the last second is trusted. If it has
broken since, the store tries again, or the sender gets 503.
"""

import threading
import time

from django.db import connections

from postgres.pipeline import answers

TRUSTED_FOR = 1.0  # seconds since it was last seen to work

_thread = threading.local()


def freshen() -> None:
    """Check connections that were idle or failed; close broken and old ones. Call it before using any."""
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
