"""What a filter means in SQL: the conditions of a `Segment`, on the event tables.

Table names carry no schema: with another `search_path` the same statements read a copy.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

from analytics.report_days import bounds, report_zone_name
from analytics.reports.filters import ReportFilters
from consent.models import ErasureRequest, Organization, State, SubjectKind, TelemetryUser

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


def segment(filters: ReportFilters, first: date | None, last: date, *, by_deployment: bool = True) -> Segment:
    """All events of the days `first` to `last` (`first` None: from the beginning) that pass the filters."""
    since, until = bounds(first or last, last)
    conditions = ['"timestamp" < %(until)s']
    parameters: dict[str, Any] = {"zone": report_zone_name(), "until": until}
    if first is not None:
        conditions.append('"timestamp" >= %(since)s')
        parameters["since"] = since
    if not filters.include_internal:
        conditions.append("NOT is_internal")
    if by_deployment and filters.deployment:
        conditions.append(f"{DEPLOYMENT} = %(deployment)s")
        parameters["deployment"] = filters.deployment
    if filters.organization:
        conditions.append("organization_id = %(organization)s")
        parameters["organization"] = filters.organization
    return Segment(tuple(conditions), parameters)


def person() -> Segment:
    """Events of identified people who have not withdrawn: the events by which people are counted."""
    users, organizations = _gone(SubjectKind.USER), _gone(SubjectKind.ORGANIZATION)
    counted = Segment((IDENTIFIED,))
    if users:
        counted = counted.with_("user_id <> ALL(%(withdrawn)s::text[])", withdrawn=users)
    if organizations:
        counted = counted.with_("organization_id <> ALL(%(left)s::text[])", left=organizations)
    return counted


def _gone(kind: SubjectKind) -> list[str]:
    """Who has opted out or is being erased, each once: they are joined. (Nobody says `unset` here.)"""
    model = TelemetryUser if kind == SubjectKind.USER else Organization
    denied = model.objects.filter(state=State.DENIED).values_list("pseudonym", flat=True)
    being_erased = ErasureRequest.objects.filter(kind=kind).exclude(state="done")
    return sorted({*denied, *being_erased.values_list("pseudonym", flat=True)})


def people(rows: Segment) -> Segment:
    """The rows that count for a person."""
    counted = person()
    return rows.with_(*counted.conditions, **counted.parameters)


def activity_sources(filters: ReportFilters) -> tuple[tuple[str, str], ...]:
    """The tables whose events make somebody active, each with its condition."""
    if filters.activity == "login":
        return ((EVENT_TABLES[0], "event_type = 'login'"),)
    return tuple((table, "TRUE") for table in EVENT_TABLES)


def in_segment(filters: ReportFilters) -> Segment:
    """The filters as an expression, for reports that must also see a person's other events."""
    inside = Segment(("TRUE",))
    if filters.deployment:
        inside = inside.with_(f"{DEPLOYMENT} = %(deployment)s", deployment=filters.deployment)
    if filters.organization:
        inside = inside.with_("organization_id = %(organization)s", organization=filters.organization)
    return inside
