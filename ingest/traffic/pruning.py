"""Prunes traffic counts: minutes become hours after two days, and hours are deleted when events are.

In batches, so that no transaction holds many rows while ingest adds to the newest ones.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import connections

from analytics.partitions import oldest_kept_month
from consent.policies.event_lifetime import months_kept
from ingest.models import RejectedRequest, UndeclaredName

BATCH = 10_000  # rows
MINUTES_FOR = timedelta(days=2)  # then the hour is enough
DETAILS_FOR = timedelta(days=30)  # rejected requests and undeclared names

DELETE = """
DELETE FROM ingest_trafficcount
 WHERE id IN (SELECT id FROM ingest_trafficcount WHERE minute < %s LIMIT %s)
"""
OLD_HOURS = """
SELECT DISTINCT date_trunc('hour', minute, 'UTC') AS hour FROM ingest_trafficcount
 WHERE minute < %s AND minute <> date_trunc('hour', minute, 'UTC') ORDER BY hour
"""
# One statement, so that readers see either the minutes or the hour.
ROLL = """
WITH minutes AS (
    DELETE FROM ingest_trafficcount
     WHERE minute > %(hour)s AND minute < %(hour)s + interval '1 hour'
    RETURNING key_id, signal, outcome, reason, count
)
INSERT INTO ingest_trafficcount AS known (minute, key_id, signal, outcome, reason, count)
SELECT %(hour)s, key_id, signal, outcome, reason, sum(count) FROM minutes
 GROUP BY key_id, signal, outcome, reason
    ON CONFLICT ON CONSTRAINT one_count_per_minute DO UPDATE SET count = known.count + excluded.count
"""


def roll_up_minutes(*, now: datetime) -> str:
    """Add up the minutes of hours that ended two days ago or earlier. Returns a sentence, '' if none did."""
    before = (now - MINUTES_FOR).replace(minute=0, second=0, microsecond=0)
    with connections["default"].cursor() as cursor:
        cursor.execute(OLD_HOURS, [before])
        hours = [hour for (hour,) in cursor.fetchall()]
        for hour in hours:
            cursor.execute(ROLL, {"hour": hour})
    return f"Rolled up the traffic counts of {len(hours)} hours." if hours else ""


def prune_traffic_counts(
    *, now: datetime, batch: int = BATCH, note: Callable[[int], object] = lambda rows: None
) -> str:
    """Delete the counts from before the oldest month that is kept. Returns a sentence, '' if there are none.

    `note` is called with the number of rows of each batch.
    """
    kept_from = oldest_kept_month(now, months_kept())
    deleted = 0
    while rows := _delete(kept_from.starts_at, batch):
        note(rows)
        deleted += rows
    return f"Deleted {deleted} traffic counts from before {kept_from}." if deleted else ""


def prune_details(*, now: datetime) -> str:
    """Delete rejections and undeclared names older than 30 days. Returns a sentence, or '' if none were."""
    before = now - DETAILS_FOR
    rejections, _ = RejectedRequest.objects.filter(at__lt=before).delete()
    names, _ = UndeclaredName.objects.filter(day__lt=before.date()).delete()
    if not rejections and not names:
        return ""
    return f"Deleted {rejections} rejected requests and {names} undeclared names older than 30 days."


def _delete(before: datetime, batch: int) -> int:
    with connections["default"].cursor() as cursor:
        cursor.execute(DELETE, [before, batch])
        return int(cursor.rowcount)
