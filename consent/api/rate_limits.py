"""Rate limits of the consent and privacy APIs and of sign-ins, counted over all processes in Redis.

A count begins with the first request and is forgotten `seconds` later. If Redis is unreachable, everybody is
let through, and the log says so once a minute: a withdrawal must not fail for want of a counter. Ingest has
limits of its own (`ingest/load/rate_limits.py`).
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

# A count without expiry would last for ever. (Redis 6 has no EXPIRE … NX.)
ADD = """
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
if redis.call('TTL', KEYS[1]) < 0 then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return {count, redis.call('TTL', KEYS[1])}
"""


class TooOften(Exception):
    """Too many requests. `again_after` is in seconds, from 1 to the length of the window."""

    def __init__(self, most: int, seconds: int, again_after: int) -> None:
        super().__init__(f"more than {most} requests in {seconds} seconds; try again in {again_after}")
        self.again_after = again_after


def spend(what: str, *, most: int, seconds: int) -> None:
    """Count one request towards the limit on `what`: `most` in `seconds`, 0 for no limit. Raises `TooOften`.

    `what` may contain a pseudonym or a name: Redis gets a digest of it.
    """
    if not most:
        return
    count, left = _add(what, 1, seconds)
    if count > most:
        raise TooOften(most, seconds, min(max(left, 1), seconds))


def give_back(what: str, *, seconds: int) -> None:
    """Take one request off the count."""
    _add(what, -1, seconds)


def forget(what: str) -> None:
    """Reset the count."""
    try:
        _connection(settings.REDIS_URL).delete(_name(what))
    except redis.RedisError as error:
        _complain(error)


def _add(what: str, number: int, seconds: int) -> tuple[int, int]:
    """The count, and the seconds until it is forgotten; zeros if Redis does not answer."""
    try:
        count, left = _connection(settings.REDIS_URL).eval(ADD, 1, _name(what), number, seconds)
        return int(count), int(left)
    except redis.RedisError as error:
        _complain(error)
        return 0, 0


def _name(what: str) -> str:
    digest = hashlib.blake2b(what.encode(), digest_size=12, key=settings.SECRET_KEY.encode()[:64])
    return f"candid:limit:{digest.hexdigest()}"


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
            "Redis does not answer (%s): consent and privacy requests and sign-ins are not limited",
            type(error).__name__,
        )
