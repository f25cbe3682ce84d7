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
from analytics.reports.features import features_report
from analytics.reports.filters import ReportFilters
from analytics.rollups.internal_use import internal_now
from consent.decisions.withdrawn import withdrawn
from consent.models import SubjectKind


class Figure(NamedTuple):
    """What a number of one day is about."""

    report: str  # its name in the API's addresses
    name: str  # of the feature or endpoint; '' for the whole day
    measure: str


Figures = dict[Figure, float]


@dataclass(frozen=True)
class EventsAsked:
    """Which events are counted: '' for every deployment type, and for every organization."""

    deployment: str = ""
    organization: str = ""
    include_internal: bool = False


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
    }

    internal = internal_now(cursor)

    def rows(statement: str) -> list[tuple[Any, ...]]:
        cursor.execute(statement.format(internal=internal.condition), parameters | internal.parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found

    ((active,),) = rows(_ACTIVE)
    figures = {Figure("daily-active-users", "", "people"): float(active)}
    for name, *numbers in rows(_FEATURES):
        figures |= _of("feature-adoption", name, zip(("people", "uses"), numbers, strict=True))
    measures = ("people", "requests", "errors", "mean duration")
    for name, *numbers in rows(_ENDPOINTS):
        figures |= _of("endpoint-performance", name, zip(measures, numbers, strict=True))
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
    return figures


def _of(report: str, name: str, numbers: Any) -> Figures:
    """Without what there is nothing to measure of."""
    return {
        Figure(report, name, measure): float(number)
        for measure, number in numbers
        if number is not None and not isinstance(number, Withheld)
    }
