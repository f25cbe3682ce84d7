"""Marks: quarters of an hour whose rows have changed, so that their day must be built again.

Whoever writes or deletes rows appends a mark for each quarter of an hour, in the same transaction. These are
plain inserts: updating one row for each day would make ingest requests queue. In every time zone, days begin
at a quarter, so a mark does not depend on REPORT_TIME_ZONE and always belongs to a single day.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connections

from analytics.partitions import EVENT_TABLES
from analytics.report_days import bounds, report_zone
from postgres.binary import int_array
from postgres.pipeline import Question, Statement

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
QUARTER_US = 900_000_000

_MARK = Statement("INSERT INTO analytics_mark (quarter) SELECT unnest($1::int4[])", "int4[]")
MARK_SPAN = "INSERT INTO analytics_mark (quarter) SELECT generate_series(%s, %s)"
MARK_ALL = """
INSERT INTO analytics_mark (quarter)
SELECT DISTINCT floor(extract(epoch FROM "timestamp") / 900)::int FROM {table}
"""


def quarter_of(moment: datetime) -> int:
    """Quarters of an hour since 1970."""
    return (moment - EPOCH) // QUARTER


def quarters_of(ascending: Sequence[int]) -> list[int]:
    """The quarters of these instants (microseconds since 1970, ascending), each once."""
    quarters, place = [], 0
    while place < len(ascending):
        quarters.append(ascending[place] // QUARTER_US)
        place = bisect_left(ascending, (quarters[-1] + 1) * QUARTER_US, place)
    return quarters


def marking(quarters: Iterable[int]) -> Question:
    """The question (see `pipeline.ask`) that marks these quarters."""
    return _MARK, (int_array(quarters),)


def marking_text(quarters: Iterable[int]) -> str:
    """The same as SQL without parameters."""
    return f"INSERT INTO analytics_mark (quarter) VALUES {', '.join(f'({quarter})' for quarter in quarters)}"


def mark(cursor: Any, start: datetime, end: datetime) -> None:
    """Mark every quarter that overlaps [start, end)."""
    cursor.execute(MARK_SPAN, [quarter_of(start), quarter_of(end - timedelta(microseconds=1))])


def mark_all(cursor: Any) -> None:
    """Mark every quarter that has rows. Reads the whole tables."""
    for table in EVENT_TABLES:
        cursor.execute(MARK_ALL.format(table=table))


def marked_days() -> list[date]:
    """The report days that have marks, the latest first."""
    with connections["analytics"].cursor() as cursor:
        cursor.execute("SELECT DISTINCT quarter FROM analytics_mark")
        quarters = [quarter for (quarter,) in cursor.fetchall()]
    return sorted(days_of(quarters), reverse=True)


def days_of(quarters: Iterable[int]) -> set[date]:
    """The report days in which these quarters lie."""
    zone = report_zone()
    return {(EPOCH + quarter * QUARTER).astimezone(zone).date() for quarter in quarters}


def quarters_of_day(day: date) -> tuple[int, int]:
    """The first and the last quarter of a report day."""
    start, end = bounds(day, day)
    return quarter_of(start), quarter_of(end - timedelta(microseconds=1))
