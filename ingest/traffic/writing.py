"""Writes traffic counts, rejections and undeclared names, within the caller's transaction."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import connections
from django.utils import timezone

from postgres import locks

MAX_REJECTIONS = 200  # the latest, of requests with a key and of those without one
NAMES_PER_DAY = 200  # different undeclared names that are listed per key and day

Label = tuple[int, int | None, str, str, str]  # minute since 1970, key, signal, outcome, reason
Name = tuple[int, str]  # key, undeclared attribute name

ADD = """
INSERT INTO ingest_trafficcount AS known (minute, key_id, signal, outcome, reason, count)
SELECT * FROM unnest(%s::timestamptz[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::bigint[])
    ON CONFLICT ON CONSTRAINT one_count_per_minute DO UPDATE SET count = known.count + excluded.count
"""
REMEMBER_REJECTIONS = """
INSERT INTO ingest_rejectedrequest (at, key_id, signal, transport, status, reason)
SELECT * FROM unnest(%s::timestamptz[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[])
"""
# Requests without a key must not push out those with one.
FORGET_REJECTIONS = """
DELETE FROM ingest_rejectedrequest
 WHERE id IN (SELECT id FROM ingest_rejectedrequest
               WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY key_id IS NULL
                                                                          ORDER BY id DESC) AS place
                                              FROM ingest_rejectedrequest) AS ranked
                             WHERE place > %s)
                 FOR UPDATE SKIP LOCKED)
"""
ADD_NAMES = """
INSERT INTO ingest_undeclaredname AS known (day, key_id, name, count)
SELECT %(day)s, key_id, name, count
  FROM (SELECT sent.*, seen.name IS NOT NULL AS is_known,
               count(*) FILTER (WHERE seen.name IS NULL) OVER (PARTITION BY sent.key_id ORDER BY sent.name)
               AS place
          FROM unnest(%(keys)s::bigint[], %(names)s::text[], %(counts)s::bigint[])
               AS sent (key_id, name, count)
          LEFT JOIN ingest_undeclaredname seen
            ON (seen.day, seen.key_id, seen.name) = (%(day)s, sent.key_id, sent.name)) AS ranked
 WHERE is_known OR place <= %(cap)s - (SELECT count(*) FROM ingest_undeclaredname seen
                                        WHERE (seen.day, seen.key_id) = (%(day)s, ranked.key_id))
    ON CONFLICT ON CONSTRAINT one_row_per_day_and_name DO UPDATE SET count = known.count + excluded.count
"""


class Rejection(NamedTuple):
    """A request that was refused as a whole, without its contents and without its sender's address."""

    at: datetime
    key_id: int | None
    signal: str
    transport: str
    status: str
    reason: str


def write_counts(counts: Counter[Label]) -> None:
    """Add to the counts of minutes."""
    if not counts:
        return
    # Sorted, so that two processes never wait for each other's rows in a circle.
    rows = sorted(counts.items(), key=lambda item: (item[0][0], item[0][1] or 0, *item[0][2:]))
    minutes = [datetime.fromtimestamp(label[0] * 60, UTC) for label, _ in rows]
    columns: list[list[object]] = [[label[position] for label, _ in rows] for position in range(1, 5)]
    with connections["default"].cursor() as cursor:
        cursor.execute(ADD, [minutes, *columns, [number for _, number in rows]])


def write_rejections(rejections: list[Rejection]) -> None:
    """Add to the latest rejections, and delete those beyond `MAX_REJECTIONS` with a key, and without one."""
    if not rejections:
        return
    rejections.sort(key=lambda rejection: rejection.at)
    with connections["default"].cursor() as cursor:
        cursor.execute(REMEMBER_REJECTIONS, [list(column) for column in zip(*rejections, strict=True)])
        cursor.execute(FORGET_REJECTIONS, [MAX_REJECTIONS])


def write_names(names: Counter[Name]) -> None:
    """Add to today's undeclared names; new ones only up to `NAMES_PER_DAY` for each key."""
    if not names:
        return
    parameters: dict[str, Any] = {
        "day": timezone.now().astimezone(UTC).date(),
        "keys": [key_id for key_id, _ in names],
        "names": [name for _, name in names],
        "counts": list(names.values()),
        "cap": NAMES_PER_DAY,
    }
    with connections["default"].cursor() as cursor:
        cursor.execute(locks.TAKE, locks.UNDECLARED_NAMES)
        cursor.execute(ADD_NAMES, parameters)
