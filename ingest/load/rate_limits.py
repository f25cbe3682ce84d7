"""Limits how many requests a key may send, over all processes that receive.

Each process counts its own requests. Twice a second it adds them to Redis and reads the totals. So checking
a request only compares numbers in memory, but a limit can be exceeded by half a second's requests. If
Redis is unreachable, each process limits by itself and logs that once a minute.
"""

import logging
import os
import threading
import time
from typing import Protocol

import redis
from django.conf import settings

from ingest.traffic import prometheus

logger = logging.getLogger(__name__)

WINDOW = 5  # seconds over which requests are counted, so that short bursts are allowed
SYNC_EVERY = 0.5  # seconds
COMPLAIN_EVERY = 60.0  # seconds
REDIS_TIMEOUT = 0.5  # seconds


class RateLimited(Exception):
    """The key has sent too many requests. `again_after` is in seconds, 1 to 5."""

    def __init__(self, per_second: float, again_after: int) -> None:
        super().__init__(f"more than {per_second:g} requests a second")
        self.per_second, self.again_after = per_second, again_after


class Sender(Protocol):
    """The fields of a key that its limit depends on."""

    pk: int
    is_publishable: bool
    requests_per_second: int | None


class _Count:
    """A key's requests in this window: by this process, by others, and those not yet added to Redis."""

    __slots__ = ("elsewhere", "here", "pending")

    def __init__(self) -> None:
        self.here = self.elsewhere = self.pending = 0


class Rates:
    """The counts of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._window = 0
        self._counts: dict[int, _Count] = {}
        self._pid = 0
        self._complained_at = float("-inf")
        self.unshared = 0  # exchanges that failed, since the process began

    def spend(self, key: Sender, *, now: float | None = None) -> None:
        """Count one request. Raises `RateLimited`."""
        per_second = limit_of(key)
        if not per_second:
            return
        now = time.time() if now is None else now
        with self._lock:
            window = int(now) // WINDOW
            if window != self._window:
                self._window, self._counts = window, {}
            count = self._counts.get(key.pk) or self._counts.setdefault(key.pk, _Count())
            if count.here + count.elsewhere >= per_second * WINDOW:
                raise RateLimited(per_second, WINDOW - int(now) % WINDOW)
            count.here += 1
            count.pending += 1
            if self._pid != os.getpid():
                self._start()

    def _start(self) -> None:
        """Start the thread that exchanges counts, once per process. Called with the lock held."""
        self._pid = os.getpid()
        threading.Thread(target=self._exchange_for_ever, name="rates", daemon=True).start()

    def _exchange_for_ever(self) -> None:
        connection = redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=REDIS_TIMEOUT, socket_connect_timeout=REDIS_TIMEOUT
        )
        while True:
            time.sleep(SYNC_EVERY)
            try:
                self.exchange(connection)
            except redis.RedisError as error:
                self._complain(error)

    def exchange(self, connection: "redis.Redis") -> None:
        """Add new counts to Redis, and read what other processes counted. Raises `redis.RedisError`."""
        with self._lock:
            window = self._window
            pending = {key_id: count.pending for key_id, count in self._counts.items() if count.pending}
            for key_id in pending:
                self._counts[key_id].pending = 0
        if not pending:
            return
        pipeline = connection.pipeline(transaction=False)
        for key_id, number in pending.items():
            name = f"candid:rate:{key_id}:{window}"
            pipeline.incrby(name, number)
            pipeline.expire(name, 2 * WINDOW)
        totals = dict(zip(pending, pipeline.execute()[::2], strict=True))
        with self._lock:
            if window != self._window:
                return
            for key_id, total in totals.items():
                count = self._counts[key_id]
                count.elsewhere = max(0, total - (count.here - count.pending))

    def _complain(self, error: Exception) -> None:
        self.unshared += 1
        prometheus.LIMITS_UNSHARED.inc()
        now = time.monotonic()
        if now - self._complained_at >= COMPLAIN_EVERY:
            self._complained_at = now
            logger.warning(
                "Redis does not answer (%s): each process limits its keys by itself; %d exchanges failed",
                type(error).__name__,
                self.unshared,
            )


def limit_of(key: Sender) -> int:
    """Requests a second; 0 is no limit."""
    if key.requests_per_second is not None:
        return key.requests_per_second
    name = "PUBLISHABLE_KEY_REQUESTS_PER_SECOND" if key.is_publishable else "KEY_REQUESTS_PER_SECOND"
    return int(getattr(settings, name))


_rates = Rates()
spend = _rates.spend
