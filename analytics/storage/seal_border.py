"""The seal as a gate: no event enters a sealed day or a dropped month, whatever the settings say by now.

The border is what the tables say: where the last closed day and the last month in the ledger end. A store
reads it in the transaction that writes, and partitions before it are not made again. Days are closed before
they are counted for the last time: whatever was in flight has been stored by then, or never will be.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import psycopg
from django.db import connections
from psycopg.pq.abc import PGresult

from analytics.partitions import Month, ensure, months_wanted
from analytics.report_days import report_zone_name
from consent.gate import barrier
from consent.policies.event_lifetime import months_kept
from postgres import pipeline
from postgres.pipeline import Question, Statement

EPOCH = date(2000, 1, 1)  # days are sent as numbers since then
# The last closed day, the zone that it was built for, and the first day of the last dropped month.
SEAL = Statement("""
SELECT day - date '2000-01-01', zone, (SELECT max(month) - date '2000-01-01' FROM analytics_droppedpartition)
  FROM (SELECT NULL) AS always
  LEFT JOIN (SELECT day, zone FROM analytics_rolledday
              WHERE is_closed ORDER BY day DESC LIMIT 1) AS latest ON true
""")
QUESTION: Question = (SEAL, ())
CLOSE = """
INSERT INTO analytics_rolledday (day, state, zone, version, events, is_closed)
SELECT day, 'open', %s, 0, 0, true FROM unnest(%s::date[]) AS day ORDER BY day
    ON CONFLICT (day) DO UPDATE SET is_closed = true
"""


def close(days: Sequence[date]) -> None:
    """Let no event into these days any more. Every request that read an earlier border has ended by then.

    Not within the transaction that counts the days. Raises `BarrierNotReached`; the days are closed by then.
    """
    with connections["analytics"].cursor() as cursor:
        cursor.execute(CLOSE, [report_zone_name(), list(days)])
    barrier.wait_for_all_ingest()


def border(result: PGresult) -> datetime:
    """Where open time begins, from the answer to `QUESTION`; the least instant when nothing is sealed."""
    zone = result.get_value(0, 1)
    return _border(
        _day(result.get_value(0, 0)),
        zone.decode() if zone else "",
        _day(result.get_value(0, 2)),
        report_zone_name(),
    )


def sealed_until() -> datetime:
    """The same, read now."""
    wrapper = connections["analytics"]
    wrapper.ensure_connection()
    connection: psycopg.Connection[object] = wrapper.connection
    (result,) = pipeline.ask(connection, QUESTION)
    return border(result)


def make_partitions(now: datetime) -> list[str]:
    """Create every partition that an event accepted now may need, none before the border; their names."""
    return make_months(*months_wanted(now, months_kept()))


def make_months(first: Month, last: Month) -> list[str]:
    """Create the partitions of these months, none before the border; their names."""
    return ensure(max(first, Month.of(sealed_until().date())), last)


def _day(sent: bytes | None) -> date | None:
    return None if sent is None else EPOCH + timedelta(days=int.from_bytes(sent, signed=True))


@lru_cache(maxsize=16)
def _border(day: date | None, zone: str, dropped: date | None, zone_now: str) -> datetime:
    """A day that was sealed for another zone counts nowhere in the present one either: the later end."""
    ends = [datetime.min.replace(tzinfo=UTC)]
    if day is not None:
        after = day + timedelta(days=1)
        zones = {name for name in (zone, zone_now) if name}
        ends += [datetime(*after.timetuple()[:3], tzinfo=ZoneInfo(name)).astimezone(UTC) for name in zones]
    if dropped is not None:
        ends.append(Month.of(dropped).ends_at)
    return max(ends)
