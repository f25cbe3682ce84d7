"""Traffic counts go by the rule of events: dropped with the months that `EVENT_RETENTION_MONTHS` lets go.

In batches, so that no transaction holds many rows while ingest adds to the newest ones.
"""

from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.db import connections

from analytics.partitions import oldest_kept_month

BATCH = 10_000  # rows

DELETE = """
DELETE FROM ingest_trafficcount
 WHERE id IN (SELECT id FROM ingest_trafficcount WHERE minute < %s LIMIT %s)
"""


def prune_traffic_counts(
    *, now: datetime, batch: int = BATCH, note: Callable[[int], object] = lambda rows: None
) -> str:
    """Delete the counts of minutes before the oldest month that is kept; what went, in a sentence.

    '' when nothing was due. `note` is told each batch's rows.
    """
    kept_from = oldest_kept_month(now, settings.EVENT_RETENTION_MONTHS)
    deleted = 0
    while rows := _delete(kept_from.starts_at, batch):
        note(rows)
        deleted += rows
    return f"Deleted {deleted} traffic counts from before {kept_from}." if deleted else ""


def _delete(before: datetime, batch: int) -> int:
    with connections["default"].cursor() as cursor:
        cursor.execute(DELETE, [before, batch])
        return int(cursor.rowcount)
