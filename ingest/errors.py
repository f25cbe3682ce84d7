"""Turns exceptions into the errors that senders get, over HTTP and gRPC: status, message, reason to count."""

import logging
import random
import traceback

from django.db import Error as DatabaseError

from analytics.storage.store import StoreUnavailable
from consent.keys import KeyRefused
from ingest import reasons
from ingest.load.body import BodyRefused
from ingest.load.rate_limits import RateLimited
from ingest.load.threads import Busy
from ingest.otlp import status
from ingest.otlp.records import DecodeError, TooMany
from ingest.traffic import prometheus

logger = logging.getLogger(__name__)

# Seconds. An SDK gives up at once if this is longer than its whole budget, 10 s.
RETRY_AFTER = "2"
RETRY_SPREAD = ("1", "2", "3", "4", "5")  # so that senders who were refused together do not return together
CODES = {
    400: status.INVALID_ARGUMENT,
    401: status.UNAUTHENTICATED,
    403: status.PERMISSION_DENIED,
    404: status.UNIMPLEMENTED,
    405: status.UNIMPLEMENTED,
    408: status.DEADLINE_EXCEEDED,
    413: status.RESOURCE_EXHAUSTED,
    415: status.INVALID_ARGUMENT,
    429: status.RESOURCE_EXHAUSTED,
    500: status.INTERNAL,
    503: status.UNAVAILABLE,
}


class Failure(Exception):
    """The request is answered with an error."""

    def __init__(
        self, code: int, message: str, headers: dict[str, str] | None = None, *, reason: str = ""
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason or reasons.usual(code)
        self.message = message
        self.headers = headers or {}


def failure_of(error: Exception) -> Failure:
    """The error to answer with. An unexpected one, our own mistake, is logged."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, KeyRefused):
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
        return Failure(error.status, error.message, headers, reason=error.reason)
    if isinstance(error, BodyRefused):
        return Failure(error.status, error.message)
    if isinstance(error, TooMany):
        return Failure(413, str(error))
    if isinstance(error, DecodeError):
        return Failure(400, str(error))
    if isinstance(error, Busy):
        again = {"Retry-After": random.choice(RETRY_SPREAD)}  # noqa: S311  (nobody gains by guessing it)
        return Failure(503, "too much is arriving at once; send the same again", again, reason="busy")
    if isinstance(error, RateLimited):
        message = f"this key may send {error.per_second:.0f} {error.unit} a second; send the same again"
        return Failure(429, message, {"Retry-After": str(error.again_after)})
    if isinstance(error, StoreUnavailable | DatabaseError):
        prometheus.count_database_error("ingest", error)
        logger.warning("ingest is unavailable: %s", type(error).__name__)
        return Failure(503, "storage is unavailable; send the same again", {"Retry-After": RETRY_AFTER})
    # An exception's message may quote what was sent. Its type and the lines of code do not.
    logger.error(
        "ingest failed: %s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
    )
    return Failure(500, "an error of this server; it has been logged")
