"""Instants as numbers: microseconds since 1970 in UTC, the precision that PostgreSQL keeps."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(instant: datetime) -> int:
    """The microseconds from 1970 to `instant`, an aware datetime."""
    return (instant - EPOCH) // _MICROSECOND


def instant(since_1970: int) -> datetime:
    """The instant this many microseconds after 1970, in UTC. Raises OverflowError beyond the year 9999."""
    return EPOCH + timedelta(microseconds=since_1970)
