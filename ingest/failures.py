"""What goes wrong with a request, said once for HTTP and gRPC: a status, a message, a reason to count."""

import logging
import traceback

from django.db import Error as DatabaseError

from analytics.store import StoreUnavailable
from consent.keys import KeyRefused
from ingest import measures
from ingest.body import BodyRefused
from ingest.otlp import status
from ingest.otlp.records import DecodeError, TooMany

logger = logging.getLogger(__name__)

RETRY_AFTER = "2"  # seconds; SDKs give up where it exceeds their whole budget of 10 s
CODES = {
    400: status.INVALID_ARGUMENT,
    401: status.UNAUTHENTICATED,
    403: status.PERMISSION_DENIED,
    404: status.UNIMPLEMENTED,
    405: status.UNIMPLEMENTED,
    408: status.DEADLINE_EXCEEDED,
    413: status.RESOURCE_EXHAUSTED,
    415: status.INVALID_ARGUMENT,
    500: status.INTERNAL,
    503: status.UNAVAILABLE,
}
REASONS = {
    400: "malformed",
    401: "no_key",
    403: "wrong_scope",
    405: "wrong_method",
    408: "too_slow",
    413: "too_large",
    415: "wrong_type",
    500: "our_mistake",
    503: "unavailable",
}


class Failure(Exception):
    """The request is answered with an error."""

    def __init__(self, code: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.headers = headers or {}


def failure_of(error: Exception) -> Failure:
    """What to answer when this was raised. What is our own mistake is logged."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, KeyRefused):
        return Failure(
            error.status, error.message, {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
        )
    if isinstance(error, BodyRefused):
        return Failure(error.status, error.message)
    if isinstance(error, TooMany):
        return Failure(413, str(error))
    if isinstance(error, DecodeError):
        return Failure(400, str(error))
    if isinstance(error, StoreUnavailable | DatabaseError):
        measures.count_database_error("ingest", error)
        logger.warning("ingest is unavailable: %s", type(error).__name__)
        return Failure(503, "storage is unavailable; send the same again", {"Retry-After": RETRY_AFTER})
    # An exception's message may quote what was sent. Its type and the lines of code do not.
    logger.error(
        "ingest failed: %s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
    )
    return Failure(500, "an error of this server; it has been logged")
