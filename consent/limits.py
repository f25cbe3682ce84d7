"""How often something may be asked for, over all processes: counted in Redis, in windows of whole seconds.

Should Redis be away, everybody is let through, and the log says so once a minute: a withdrawal must
not fail for want of a counter. Ingest has limits of its own (`ingest/rates.py`).
"""

import hashlib
import logging
import time
from functools import lru_cache

import redis
from django.conf import settings

logger = logging.getLogger(__name__)

REDIS_TIMEOUT = 0.5  # seconds
COMPLAIN_EVERY = 60.0  # seconds


class TooOften(Exception):
    """More was asked than may be. `again_after` is in seconds, from 1 to the length of the window."""

    def __init__(self, most: int, seconds: int, again_after: int) -> None:
        super().__init__(f"more than {most} requests in {seconds} seconds; ask again in {again_after}")
        self.again_after = again_after


def spend(what: str, *, most: int, seconds: int, now: float | None = None) -> None:
    """Count one request for `what`; 0 for `most` is no limit. Raises `TooOften`.

    `what` may hold a pseudonym: Redis is told a digest.
    """
    if not most:
        return
    now = time.time() if now is None else now
    counted = _count(what, int(now) // seconds, seconds)
    if counted is not None and counted > most:
        raise TooOften(most, seconds, seconds - int(now) % seconds)


def _count(what: str, window: int, seconds: int) -> int | None:
    """How many there were in this window, this one included; None when Redis does not answer."""
    digest = hashlib.blake2b(what.encode(), digest_size=12, key=settings.SECRET_KEY.encode()[:64])
    name = f"candid:limit:{digest.hexdigest()}:{window}"
    try:
        pipeline = _connection(settings.REDIS_URL).pipeline(transaction=False)
        pipeline.incr(name)
        pipeline.expire(name, 2 * seconds)
        return int(pipeline.execute()[0])
    except redis.RedisError as error:
        _complain(error)
        return None


@lru_cache(maxsize=1)
def _connection(url: str) -> "redis.Redis":
    return redis.Redis.from_url(url, socket_timeout=REDIS_TIMEOUT, socket_connect_timeout=REDIS_TIMEOUT)


_complained_at = float("-inf")


def _complain(error: Exception) -> None:
    global _complained_at
    now = time.monotonic()
    if now - _complained_at >= COMPLAIN_EVERY:
        _complained_at = now
        logger.warning(
            "Redis does not answer (%s): consent and privacy requests are not limited", type(error).__name__
        )
