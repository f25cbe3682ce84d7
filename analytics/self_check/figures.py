"""A day's figures twice: as the reports count them, and as plain SQL counts them from rows.

Both are exact, from before suppression. They are compared, and never shown.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from django.db.backends.utils import CursorWrapper

from analytics.report_days import bounds, report_today
from analytics.reports.active_users import active_users_report
from analytics.reports.cells import Withheld
from analytics.reports.endpoints import endpoints_report
from analytics.reports.errors import errors_report
from analytics.reports.features import features_report
from analytics.reports.filters import ReportFilters
from analytics.reports.timings import timings_report
from analytics.rollups.internal_use import internal_now
from consent.decisions.withdrawn import withdrawn
from consent.models import SubjectKind


class Figure(NamedTuple):
    """What a number of one day is about."""

    report: str  # its name in the API's addresses
    name: str  # of the feature, endpoint, error or timing; '' for the whole day
    measure: str


Figures = dict[Figure, float]


@dataclass(frozen=True)
class EventsAsked:
    """Which events are counted: '' for every deployment type, and for every organization."""

    deployment: str = ""
    organization: str = ""
    include_internal: bool = False
    dimension: tuple[str, str] | None = None  # a name and its value; '': not reported


# Those who have withdrawn are joined: as a list in an expression they would be searched one by one.
_COUNTED = "user_id NOT LIKE 'anon:%%' AND gone_user IS NULL AND gone_organization IS NULL"
_ROWS = """
  LEFT JOIN unnest(%(gone_users)s::text[]) AS gone_user ON gone_user = user_id
  LEFT JOIN unnest(%(gone_organizations)s::text[]) AS gone_organization
         ON gone_organization = organization_id
 WHERE "timestamp" >= %(start)s AND "timestamp" < %(end)s AND (%(internal)s OR NOT {internal})
   AND %(organization)s IN ('', organization_id)
   AND %(deployment)s IN ('', CASE WHEN deployment_type IN ('cloud', 'self-hosted') THEN deployment_type
                                   ELSE 'unknown' END)
   AND (%(dimension)s::text = '' OR coalesce(event_metadata->>%(dimension)s::text, '') = %(value)s)
"""
_ACTIVE = f"""
SELECT count(DISTINCT user_id) FROM (
    SELECT user_id FROM analytics_user_activity {_ROWS} AND {_COUNTED}
    UNION ALL SELECT user_id FROM analytics_feature_usage {_ROWS} AND {_COUNTED}
    UNION ALL SELECT user_id FROM analytics_endpoint_usage {_ROWS} AND {_COUNTED}) AS active
"""
_FEATURES = f"""
SELECT feature_name, count(DISTINCT user_id) FILTER (WHERE {_COUNTED}), count(*)
  FROM analytics_feature_usage {_ROWS} GROUP BY 1
"""
_ENDPOINTS = f"""
SELECT method || ' ' || endpoint, count(DISTINCT user_id) FILTER (WHERE {_COUNTED}), count(*),
       count(*) FILTER (WHERE status_code >= 500), avg(duration_ms)
  FROM analytics_endpoint_usage {_ROWS} GROUP BY 1
"""
_ERRORS = f"""
SELECT (event_metadata->>'error.type') || ' ' || place,
       count(DISTINCT user_id) FILTER (WHERE {_COUNTED}), count(*)
  FROM (SELECT user_id, organization_id, deployment_type, is_internal, "timestamp", received_at,
               event_metadata,
               coalesce(event_metadata->>'code.function.name',
                        feature_name || CASE action WHEN 'failed' THEN '' ELSE '/' || action END) AS place
          FROM analytics_feature_usage
     UNION ALL
        SELECT user_id, organization_id, deployment_type, is_internal, "timestamp", received_at,
               event_metadata,
               coalesce(event_metadata->>'code.function.name', method || ' ' || endpoint)
          FROM analytics_endpoint_usage) AS events
       {_ROWS} AND event_metadata->>'error.type' IS NOT NULL GROUP BY 1
"""
_TIMINGS = f"""
SELECT feature_name || CASE action WHEN 'timed' THEN '' ELSE '/' || action END,
       count(DISTINCT user_id) FILTER (WHERE {_COUNTED}), count(*),
       avg((event_metadata->>'duration_ms')::float8), avg((event_metadata->>'memory_mb')::float8)
  FROM analytics_feature_usage {_ROWS} AND jsonb_typeof(event_metadata->'duration_ms') = 'number' GROUP BY 1
"""
# The statements of the reports by name, with what they count in their columns.
_BY_NAME = {
    "feature-adoption": (_FEATURES, ("people", "uses")),
    "endpoint-performance": (_ENDPOINTS, ("people", "requests", "errors", "mean duration")),
    "errors": (_ERRORS, ("people", "occurrences")),
    "timings": (_TIMINGS, ("people", "calls", "mean duration", "mean memory")),
}


def from_rows(cursor: CursorWrapper, day: date, scope: EventsAsked) -> Figures:
    """The figures of one report day, from its rows."""
    start, end = bounds(day, day)
    parameters: dict[str, Any] = {
        "gone_users": withdrawn(SubjectKind.USER),
        "gone_organizations": withdrawn(SubjectKind.ORGANIZATION),
        "start": start,
        "end": end,
        "internal": scope.include_internal,
        "organization": scope.organization,
        "deployment": scope.deployment,
    } | dict(zip(("dimension", "value"), scope.dimension or ("", ""), strict=True))

    internal = internal_now(cursor)

    def rows(statement: str) -> list[tuple[Any, ...]]:
        cursor.execute(statement.format(internal=internal.condition), parameters | internal.parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found

    ((active,),) = rows(_ACTIVE)
    figures = {Figure("daily-active-users", "", "people"): float(active)}
    for report, (statement, measures) in _BY_NAME.items():
        for name, *numbers in rows(statement):
            figures |= _of(report, name, zip(measures, numbers, strict=True))
    return figures


def from_reports(day: date, scope: EventsAsked) -> Figures:
    """The same figures from the roll-ups, as reports count them."""
    filters = ReportFilters(
        range="custom",
        first=day,
        last=day,
        today=report_today(),
        deployment=scope.deployment,
        organization=scope.organization,
        include_internal=scope.include_internal,
        compare=False,
        dimensions=(scope.dimension,) if scope.dimension else (),
    )
    active = active_users_report(filters)
    figures = _of("daily-active-users", "", [("people", one.total) for one in active.days])
    for feature in features_report(filters).rows:
        pairs = [("people", feature.users), ("uses", feature.uses)]
        figures |= _of("feature-adoption", feature.feature, pairs)
    for row in endpoints_report(filters).rows:
        pairs = [("people", row.users), ("requests", row.requests), ("errors", row.errors)]
        name = f"{row.method} {row.endpoint}"
        figures |= _of("endpoint-performance", name, [*pairs, ("mean duration", row.mean_ms)])
    for error in errors_report(filters).rows:
        pairs = [("people", error.users), ("occurrences", error.occurrences)]
        figures |= _of("errors", f"{error.error_type} {error.place}", pairs)
    for timing in timings_report(filters).rows:
        pairs = [("people", timing.users), ("calls", timing.calls)]
        means = [("mean duration", timing.mean_ms), ("mean memory", timing.memory_mb)]
        figures |= _of("timings", timing.name, [*pairs, *means])
    return figures


def _of(report: str, name: str, numbers: Any) -> Figures:
    """Without what there is nothing to measure of."""
    return {
        Figure(report, name, measure): float(number)
        for measure, number in numbers
        if number is not None and not isinstance(number, Withheld)
    }
