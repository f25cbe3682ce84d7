"""Statements on the event tables: what they share.

Table names carry no schema: with another `search_path` the same statements read a copy.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

WORK_MEMORY_MB = 64
EVENT_TABLES = ("analytics_user_activity", "analytics_endpoint_usage", "analytics_feature_usage")
IDENTIFIED = "user_id NOT LIKE 'anon:%%'"
DAY = '("timestamp" AT TIME ZONE %(zone)s)::date'
# What events claim is one of three already; anything else would be an old or foreign row.
DEPLOYMENT = "CASE WHEN deployment_type IN ('cloud', 'self-hosted') THEN deployment_type ELSE 'unknown' END"


@contextmanager
def plain_cursor() -> Iterator[CursorWrapper]:
    """A cursor with enough memory to count people."""
    with transaction.atomic(using="analytics"), connections["analytics"].cursor() as cursor:
        cursor.execute(f"SET LOCAL work_mem = '{WORK_MEMORY_MB}MB'")
        cursor.execute("SET LOCAL jit = off")  # compiling took longer than it saved
        yield cursor


@dataclass(frozen=True)
class Segment:
    """The rows that a report counts: conditions in SQL, and their parameters."""

    conditions: tuple[str, ...]
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> str:
        return " AND ".join(self.conditions)

    def with_(self, *conditions: str, **parameters: Any) -> "Segment":
        return Segment((*self.conditions, *conditions), {**self.parameters, **parameters})
