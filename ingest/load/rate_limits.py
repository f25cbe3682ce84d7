"""Limits how many requests and how many bytes a key may send, over all processes that receive.

Each process counts its own. Twice a second it tells Redis its counts and reads those of the others. So
checking a request only compares numbers in memory, but a limit can be exceeded by half a second's requests.
If Redis is unreachable, each process limits by itself and logs that once a minute; what an exchange that
failed would have told, the next one tells.
"""

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
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
    """The key has sent too many of `unit` (“requests”, “bytes”). `again_after` is in seconds, 1 to 5."""

    def __init__(self, per_second: float, again_after: int, unit: str = "requests") -> None:
        super().__init__(f"more than {per_second:.0f} {unit} a second")
        self.per_second, self.again_after, self.unit = per_second, again_after, unit


class Sender(Protocol):
    """The fields of a key that its limit depends on."""

    pk: int
    is_publishable: bool
    requests_per_second: int | None


class _Count:
    """A key's requests or bytes in this window: here, in other processes, and here as Redis knows it."""

    __slots__ = ("elsewhere", "here", "told")

    def __init__(self) -> None:
        self.here = self.elsewhere = self.told = 0


class Rates:
    """The counts of one process, of requests or of bytes."""

    def __init__(self, unit: str = "requests", limit: Callable[["Sender"], int] | None = None) -> None:
        self._unit, self._limit = unit, limit or limit_of
        self._name = "rate" if unit == "requests" else unit
        self._lock = threading.Lock()
        self._window = 0
        self._counts: dict[int, _Count] = {}
        self._pid = 0
        self._process = secrets.token_hex(8)  # what Redis calls this process
        self._complained_at = float("-inf")
        self.unshared = 0  # exchanges that failed, since the process began

    def spend(self, key: Sender, amount: int = 1, *, now: float | None = None) -> None:
        """Count one request, or the bytes of one. Raises `RateLimited`."""
        per_second = self._limit(key)
        if not per_second:
            return
        now = time.time() if now is None else now
        with self._lock:
            window = int(now) // WINDOW
            if window != self._window:
                self._window, self._counts = window, {}
            count = self._counts.get(key.pk) or self._counts.setdefault(key.pk, _Count())
            if count.here + count.elsewhere >= per_second * WINDOW:
                raise RateLimited(per_second, WINDOW - int(now) % WINDOW, self._unit)
            count.here += amount
            if self._pid != os.getpid():
                self._start()

    def _start(self) -> None:
        """Start the thread that exchanges counts, once per process. Called with the lock held."""
        self._pid = os.getpid()
        self._process = secrets.token_hex(8)
        threading.Thread(target=self._exchange_for_ever, name=self._unit, daemon=True).start()

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
        """Tell Redis new counts, and read what other processes counted. Raises `redis.RedisError`.

        Each process sets its own count. So one that was told twice, since an answer was lost, counts once.
        """
        with self._lock:
            window = self._window
            news = {key_id: count.here for key_id, count in self._counts.items() if count.here != count.told}
        if not news:
            return
        pipeline = connection.pipeline(transaction=False)
        for key_id, here in news.items():
            name = f"candid:{self._name}:{key_id}:{window}"
            pipeline.hset(name, self._process, str(here))
            pipeline.expire(name, 2 * WINDOW)
            pipeline.hvals(name)
        totals = dict(zip(news, (sum(map(int, counts)) for counts in pipeline.execute()[2::3]), strict=True))
        with self._lock:
            if window != self._window:
                return
            for key_id, told in news.items():
                count = self._counts[key_id]
                count.told, count.elsewhere = told, totals[key_id] - told

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


def bytes_limit_of(key: Sender) -> int:
    """Bytes a second, decompressed; 0 is no limit, also for a key whose requests have none."""
    return int(settings.KEY_BYTES_PER_SECOND) if limit_of(key) else 0


_requests = Rates()
_bytes = Rates("bytes", bytes_limit_of)
spend = _requests.spend
spend_bytes = _bytes.spend
