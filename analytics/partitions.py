"""Monthly partitions of the three event tables: their names and bounds, and creating them.

Bounds are whole UTC months, written with their offset, so that no session's time zone can shift them.
`analytics/storage/pruning.py` drops partitions.
"""

from datetime import UTC, date, datetime
from typing import NamedTuple

from django.db import connections, transaction

from postgres import locks

EVENT_TABLES = ("analytics_endpoint_usage", "analytics_feature_usage", "analytics_user_activity")
MONTHS_AHEAD = 3


class Month(NamedTuple):
    """A calendar month, UTC. Orders like the calendar."""

    year: int
    month: int

    @classmethod
    def of(cls, day: date) -> "Month":
        return cls(day.year, day.month)

    def plus(self, months: int) -> "Month":
        year, month = divmod(self.year * 12 + self.month - 1 + months, 12)
        return Month(year, month + 1)

    @property
    def starts_at(self) -> datetime:
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    @property
    def ends_at(self) -> datetime:
        """The first instant of the next month."""
        return self.plus(1).starts_at

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"


class Partition(NamedTuple):
    """One month of one event table, as it exists in the database."""

    table: str
    month: Month
    name: str


def partition_name(table: str, month: Month) -> str:
    return f"{table}_p{month.year:04d}_{month.month:02d}"


def oldest_kept_month(now: datetime, retention_months: int) -> Month:
    """The oldest month that is not wholly past its retention. With 12 months, rows live 12 to 13 months."""
    return Month.of(now.astimezone(UTC).date()).plus(-retention_months)


EXISTING = """
SELECT parent.relname, child.relname
  FROM pg_inherits
  JOIN pg_class parent ON parent.oid = inhparent
  JOIN pg_class child ON child.oid = inhrelid
  JOIN pg_namespace space ON space.oid = parent.relnamespace
 WHERE parent.relname = ANY(%s) AND space.nspname = current_schema()
 ORDER BY child.relname
"""


def existing(alias: str = "analytics") -> list[Partition]:
    """Every partition that exists, by table, then by month."""
    with connections[alias].cursor() as cursor:
        cursor.execute(EXISTING, [list(EVENT_TABLES)])
        rows = cursor.fetchall()
    return [
        Partition(table, Month(int(name[-7:-3]), int(name[-2:])), name)
        for table, name in rows
        if name.startswith(f"{table}_p")
    ]


# Created, then attached: ATTACH waits for no reader or writer, CREATE TABLE … PARTITION OF would.
CREATE = "CREATE TABLE {name} (LIKE {table} INCLUDING ALL)"
ATTACH = "ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{first}') TO ('{end}')"


def ensure(first: Month, last: Month, alias: str = "analytics") -> list[str]:
    """Create the partitions that are missing from `first` to `last`, both included; returns their names.

    Several processes may do this at once: each month is one short transaction under an advisory lock.
    """
    created: list[str] = []
    month = first
    existing_names = {partition.name for partition in existing(alias)}
    while month <= last:
        missing = [table for table in EVENT_TABLES if partition_name(table, month) not in existing_names]
        if missing:
            created += _create_month(month, alias)
        month = month.plus(1)
    return created


def _create_month(month: Month, alias: str) -> list[str]:
    created = []
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute(locks.TAKE, locks.PARTITIONS)
        existing_names = {partition.name for partition in existing(alias)}
        for table in EVENT_TABLES:
            name = partition_name(table, month)
            if name in existing_names:
                continue
            cursor.execute(CREATE.format(table=table, name=name))
            cursor.execute(
                ATTACH.format(
                    table=table,
                    name=name,
                    first=f"{month}-01 00:00:00+00",
                    end=f"{month.plus(1)}-01 00:00:00+00",
                )
            )
            created.append(name)
    return created


def months_wanted(now: datetime, retention_months: int) -> tuple[Month, Month]:
    """The first and the last month that an event accepted now may need: all kept, and `MONTHS_AHEAD`."""
    return (
        oldest_kept_month(now, retention_months),
        Month.of(now.astimezone(UTC).date()).plus(MONTHS_AHEAD),
    )


def ensure_for(now: datetime, retention_months: int, alias: str = "analytics") -> list[str]:
    """Create these months. Once months were dropped, `storage/seal_border.py` knows which to make."""
    return ensure(*months_wanted(now, retention_months), alias)
