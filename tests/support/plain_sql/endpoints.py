"""Endpoints from raw rows."""

from datetime import timedelta

import numpy as np

from analytics.reports.endpoint_counts import TOGETHER, EndpointCounts, EndpointDetail, RequestMeasures
from analytics.reports.endpoints import (
    LATENCY_EDGES_MS,
    EndpointReport,
    EndpointsReport,
    endpoint_of,
    endpoints_of,
)
from analytics.reports.filters import ReportFilters
from tests.support.plain_sql.columns import PERSON, WITHDRAWN, with_withdrawn
from tests.support.plain_sql.requests import Requests
from tests.support.plain_sql.source import segment
from tests.support.plain_sql.statements import DAY, Segment, plain_cursor

# One scan, a row for each endpoint and method: all its requests, as columns that numpy reads as they come.
# Percentiles cannot be combined, so each figure would need a sort of its own: eight in SQL, one here.
REQUESTS = f"""
SELECT endpoint, method,
       array_send(array_agg(({DAY} - %(first_day)s::date)::int2)),
       array_send(array_agg(coalesce(duration_ms, 'NaN'))),
       array_send(array_agg(coalesce(status_code >= 500, FALSE))),
       array_send(array_agg({PERSON}))
  FROM analytics_endpoint_usage {WITHDRAWN}
 WHERE {{where}} GROUP BY 1, 2
"""

STATUSES = """
SELECT coalesce(status_code / 100 || 'xx', 'none'), count(*)
  FROM analytics_endpoint_usage WHERE {where} GROUP BY 1 ORDER BY 1
"""

LATENCY = f"""
SELECT {DAY}, width_bucket(duration_ms, %(edges)s::float8[]), count(*)
  FROM analytics_endpoint_usage WHERE {{where}} AND duration_ms IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
"""


def endpoints_report(filters: ReportFilters) -> EndpointsReport:
    return endpoints_of(filters, measured(filters, rows_of(filters), together=True))


def endpoint_report(filters: ReportFilters, endpoint: str, method: str) -> EndpointReport | None:
    name = endpoint, method
    rows = rows_of(filters).with_(
        "endpoint = %(endpoint)s AND method = %(method)s", endpoint=endpoint, method=method
    )
    found = measured(filters, rows, together=False)
    if not found.days:
        return None
    inside = rows.with_(f"{DAY} >= %(first)s", edges=list(LATENCY_EDGES_MS))
    with plain_cursor() as cursor:
        cursor.execute(STATUSES.format(where=inside.where), inside.parameters)
        statuses = dict(cursor.fetchall())
        cursor.execute(LATENCY.format(where=inside.where), inside.parameters)
        latency = {(day, bucket): count for day, bucket, count in cursor.fetchall()}
    return endpoint_of(filters, name, found, EndpointDetail(statuses, latency))


def rows_of(filters: ReportFilters) -> Segment:
    """The rows of the range and of the previous period."""
    first = filters.previous.first if filters.compare else filters.first
    return segment(filters, first, filters.last).with_(first=filters.first)


def measured(
    filters: ReportFilters, rows: Segment, *, together: bool, statement: str = REQUESTS
) -> EndpointCounts:
    """The measures of each name that the statement gives, and of all together."""
    origin = filters.previous.first if filters.compare else filters.first
    rows = with_withdrawn(rows.with_(first_day=origin))
    with plain_cursor() as cursor:
        cursor.execute(statement.format(where=rows.where), rows.parameters)
        requests = Requests.of(cursor.fetchall())
    found = EndpointCounts()
    days = requests.day
    first, last = ((day - origin).days for day in (filters.first, filters.complete.last))
    spans = {
        "range": days >= first,
        "complete": (days >= first) & (days <= last),
        "before": days <= (filters.previous_complete.last - origin).days,
    }
    for span, chosen in spans.items():
        by_name = requests.measured(requests.number, chosen)
        found.spans |= {(requests.names[number], span): one for number, one in by_name.items()}
        if together and chosen.any():
            found.spans[TOGETHER, span] = requests.measured(np.zeros_like(days), chosen)[0]
    by_day = requests.measured(days, np.ones_like(days, dtype=np.bool_))
    found.days = {origin + timedelta(days=offset): one for offset, one in by_day.items()}
    if together:
        length = first + filters.length
        by_both = requests.measured(requests.number * length + days, days >= first)
        for number, name in enumerate(requests.names):
            own = [
                by_both.get(number * length + day, RequestMeasures())
                for day in range(first, first + filters.length)
            ]
            found.trends[name] = tuple(one.percentiles[1] for one in own), tuple(one.users for one in own)
    return found
