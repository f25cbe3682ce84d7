"""What a filter means in SQL: the conditions of a `Segment`, on the event tables."""

from datetime import date
from typing import Any

from analytics.report_days import bounds, report_zone_name
from analytics.reports.filters import ReportFilters
from consent.models import ErasureRequest, Organization, State, SubjectKind, TelemetryUser
from tests.support.plain_sql.dimensions import in_dimensions
from tests.support.plain_sql.statements import DEPLOYMENT, EVENT_TABLES, IDENTIFIED, Segment

BEGINNING = date(2000, 1, 1)


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
    asked = in_dimensions(filters, first or BEGINNING, last)
    return Segment(tuple(conditions), parameters).with_(*asked.conditions, **asked.parameters)


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
    """The filters but for dimensions as an expression, for reports that must also see a person's other
    events."""
    inside = Segment(("TRUE",))
    if filters.deployment:
        inside = inside.with_(f"{DEPLOYMENT} = %(deployment)s", deployment=filters.deployment)
    if filters.organization:
        inside = inside.with_("organization_id = %(organization)s", organization=filters.organization)
    return inside
