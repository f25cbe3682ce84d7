"""A database error's SQLSTATE (PostgreSQL, appendix A), even when the error is wrapped in others."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError

SERIALIZATION_FAILURE = "40001"
DEADLOCK_DETECTED = "40P01"
LOCK_NOT_AVAILABLE = "55P03"
QUERY_CANCELED = "57014"
UNIQUE_VIOLATION = "23505"
CHECK_VIOLATION = "23514"


def sqlstate(error: BaseException | None) -> str:
    """The SQLSTATE of an error or of its cause; '' if there is none."""
    while error is not None:
        if state := getattr(error, "sqlstate", None):
            return str(state)
        error = error.__cause__
    return ""


@contextmanager
def cancelled_as(refusal: type[Exception]) -> Iterator[None]:
    """Raise `refusal` instead when a statement was cancelled for taking longer than `statement_timeout`."""
    try:
        yield
    except OperationalError as error:
        if sqlstate(error) == QUERY_CANCELED:
            raise refusal from error
        raise
