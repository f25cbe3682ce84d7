"""Pruning: partitions are created ahead, and months past their retention are dropped whole.

A month is dropped once all of it is older than events are kept (`consent/policies/event_lifetime.py`). With
the default of 12 months, rows therefore live 12 to 13 months, and `/privacy/` says so. One transaction drops
a month from all three tables and enters it in the ledger (`DroppedPartition`), or does nothing. DETACH waits
for everyone who uses the table, and everyone else queues behind it, so it gives up after a second and is
tried again later.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby
from typing import NamedTuple

from django.db import OperationalError, connections, transaction
from django.db.models import Sum

from analytics.models import (
    CustomerAnalytics,
    CustomerHeartbeat,
    DroppedPartition,
    Installation,
    InstallationEvent,
    SeenWith,
    SentHeartbeat,
)
from analytics.partitions import Month, Partition, existing, oldest_kept_month
from analytics.report_days import report_today
from analytics.rollups import sealing
from analytics.storage import seal_border
from analytics.storage.event_tables import TABLES
from consent.gate import barrier
from consent.policies.event_lifetime import months_kept
from postgres.errors import DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE, sqlstate

LOCK_TIMEOUT = "1s"  # everybody queues behind this lock
VACUUM_TIMEOUT = "10s"  # nobody queues behind this one
TRIES = 8
COUNTED_BELOW_BYTES = 64 * 1024 * 1024  # the planner's estimate will do for larger ones


class MeasuredPartition(NamedTuple):
    """The size of a partition: rows (estimated for a large one), and bytes on disk with its index."""

    partition: Partition
    rows: int
    size_bytes: int


class PruningBlocked(Exception):
    """A month could not be dropped because its tables were in use at every attempt."""


@dataclass
class Pruned:
    """What was dropped (or would be, in a dry run). `rows` are estimates for large months."""

    kept_from: Month
    dry_run: bool
    months: dict[Month, list[MeasuredPartition]] = field(default_factory=dict)
    installation_events: int = 0
    installations: int = 0
    customer_reports: int = 0

    @property
    def rows(self) -> int:
        return sum(measured.rows for dropped in self.months.values() for measured in dropped)

    @property
    def names(self) -> list[str]:
        return [measured.partition.name for dropped in self.months.values() for measured in dropped]

    @property
    def sentence(self) -> str:
        verb = "Would drop" if self.dry_run else "Dropped"
        parts = []
        if self.months:
            months = ", ".join(str(month) for month in self.months)
            parts.append(f"{months} ({len(self.names)} partitions, about {self.rows} rows)")
        if self.installation_events:
            parts.append(f"{self.installation_events} old base events")
        if self.installations:
            parts.append(f"{self.installations} installations not seen since")
        if self.customer_reports:
            parts.append(f"{self.customer_reports} customers' reports")
        if not parts:
            return f"Nothing to drop: there is no month before {self.kept_from}."
        return f"{verb} {', '.join(parts)}; kept from {self.kept_from} on."


def make_partitions(*, now: datetime) -> str:
    """Create the partitions that events may need from now on; returns what was created, as a sentence."""
    created = seal_border.make_partitions(now)
    return f"Made {', '.join(created)}." if created else "Every partition exists."


def prune(*, now: datetime, dry_run: bool = False, pause: Callable[[float], None] = time.sleep) -> Pruned:
    """Drop what is past its retention and return what was dropped. A rerun finds nothing to drop.

    Raises `PruningBlocked` when a month's tables are in use at every attempt.
    """
    pruned = Pruned(oldest_kept_month(now, months_kept()), dry_run)
    order = [table.name for table in TABLES.values()]  # the one in which ingest takes them
    due = [partition for partition in existing() if partition.month < pruned.kept_from]
    due.sort(key=lambda partition: (partition.month, order.index(partition.table)))
    for month, partitions in groupby(due, key=lambda partition: partition.month):
        measured = [_measure(partition) for partition in partitions]
        if not dry_run:
            _drop(measured, now, pause)
        pruned.months[month] = measured
    _prune_small_tables(pruned)
    return pruned


WAIT_AT_MOST = "SELECT set_config('lock_timeout', %s, true)"
# An autovacuum yields after a second (deadlock_timeout); readers and writers do not conflict with this lock.
KEEP_VACUUM_OUT = "LOCK TABLE {names} IN SHARE UPDATE EXCLUSIVE MODE"
DETACH = "ALTER TABLE {table} DETACH PARTITION {name}"
DROP = "DROP TABLE {name}"


def _drop(month: list[MeasuredPartition], now: datetime, pause: Callable[[float], None]) -> None:
    """Drop all tables of one month, and enter them in the ledger, in one transaction.

    Its days are closed before that, and sealed first, while nobody has to wait: once the tables are locked,
    everybody does.
    """
    days = sealing.days_touching(month[0].partition.month)
    for attempt in range(1, TRIES + 1):
        try:
            seal_border.close(days)
            with transaction.atomic(using="analytics"), connections["analytics"].cursor() as cursor:
                cursor.execute(WAIT_AT_MOST, [VACUUM_TIMEOUT])
                names = ", ".join(measured.partition.name for measured in month)
                cursor.execute(KEEP_VACUUM_OUT.format(names=names))
                sealing.seal(days, report_today(now))
                cursor.execute(WAIT_AT_MOST, [LOCK_TIMEOUT])
                for partition, _, _ in month:
                    cursor.execute(DETACH.format(table=partition.table, name=partition.name))
                    cursor.execute(DROP.format(name=partition.name))
                _enter_in_ledger(month, now)
        except (OperationalError, barrier.BarrierNotReached) as error:
            if sqlstate(error) not in (LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED):
                raise
            if attempt == TRIES:
                name = month[0].partition.month
                raise PruningBlocked(f"{name} is in use: tried {TRIES} times to lock its tables")
            pause(min(2.0**attempt / 2, 30))  # whoever queued behind us gets through meanwhile
        else:
            return


def _enter_in_ledger(month: list[MeasuredPartition], now: datetime) -> None:
    DroppedPartition.objects.bulk_create(
        DroppedPartition(
            month=partition.month.starts_at.date(),
            table=partition.table,
            rows=rows,
            size_bytes=size_bytes,
            dropped_at=now,
        )
        for partition, rows, size_bytes in month
    )


class DroppedMonth(NamedTuple):
    """A dropped month, all tables together."""

    month: date
    rows: int
    size_bytes: int
    dropped_at: datetime


def dropped_months(limit: int) -> list[DroppedMonth]:
    """The months that were dropped most recently, the latest first."""
    rows = DroppedPartition.objects.values("month", "dropped_at").order_by("-dropped_at", "-month")
    summed = rows.annotate(all_rows=Sum("rows"), all_bytes=Sum("size_bytes"))
    return [
        DroppedMonth(*row)
        for row in summed.values_list("month", "all_rows", "all_bytes", "dropped_at")[:limit]
    ]


SIZES = """
SELECT pg_relation_size(oid), pg_total_relation_size(oid),
       reltuples / nullif(relpages, 0) * (pg_relation_size(oid) / current_setting('block_size')::int)
  FROM pg_class WHERE oid = %s::regclass
"""
COUNT = "SELECT count(*) FROM {name}"
BYTES_PER_ROW = 280  # as measured; used for a large month that was never analyzed


def _measure(partition: Partition) -> MeasuredPartition:
    with connections["analytics"].cursor() as cursor:
        cursor.execute(SIZES, [partition.name])
        heap_bytes, size_bytes, estimate = cursor.fetchone()
        if heap_bytes >= COUNTED_BELOW_BYTES:
            rows = heap_bytes // BYTES_PER_ROW if estimate is None else round(estimate)
        else:
            cursor.execute(COUNT.format(name=partition.name))
            (rows,) = cursor.fetchone()
    return MeasuredPartition(partition, rows, size_bytes)


def _prune_small_tables(pruned: Pruned) -> None:
    """Drop old base events, installations not seen since, customers' reports and sent heartbeats."""
    end = pruned.kept_from.starts_at
    events = InstallationEvent.objects.filter(timestamp__lt=end)
    unseen = Installation.objects.filter(last_seen_at__lt=end)
    pruned.installation_events, pruned.installations = events.count(), unseen.count()
    heartbeats = CustomerHeartbeat.objects.filter(timestamp__lt=end)
    days = CustomerAnalytics.objects.filter(date__lt=end.date())
    pruned.customer_reports = heartbeats.count() + days.count()
    if pruned.dry_run:
        return
    with transaction.atomic(using="analytics"):
        events.delete()
        unseen.delete()
        heartbeats.delete()
        days.delete()
        first = pruned.kept_from
        SeenWith.objects.filter(month__lt=first.year * 12 + first.month - 1).delete()
        # The row of "first_seen" stays: it records that it was sent.
        SentHeartbeat.objects.filter(day__lt=end.date()).exclude(name="first_seen").delete()
