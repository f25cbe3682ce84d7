"""Timings from raw rows."""

from analytics.reports.endpoints import endpoints_of
from analytics.reports.filters import ReportFilters
from analytics.reports.timings import TimingsReport, timings_of
from tests.support.plain_sql.columns import PERSON, WITHDRAWN
from tests.support.plain_sql.endpoints import measured, rows_of
from tests.support.plain_sql.statements import DAY, plain_cursor

NAME = "CASE action WHEN 'timed' THEN feature_name ELSE feature_name || '/' || action END"
IS_TIMED = "jsonb_typeof(event_metadata->'duration_ms') = 'number'"
CALLS = f"""
SELECT {NAME}, '',
       array_send(array_agg(({DAY} - %(first_day)s::date)::int2)),
       array_send(array_agg((event_metadata->>'duration_ms')::float8)),
       array_send(array_agg(FALSE)),
       array_send(array_agg({PERSON}))
  FROM analytics_feature_usage {WITHDRAWN}
 WHERE {{where}} AND {IS_TIMED} GROUP BY 1, 2
"""
MEMORY = f"""
SELECT {NAME}, '', avg((event_metadata->>'memory_mb')::float8)
  FROM analytics_feature_usage WHERE {{where}} AND {IS_TIMED} AND {DAY} >= %(first)s
 GROUP BY 1, 2
"""


def timings_report(filters: ReportFilters) -> TimingsReport:
    rows = rows_of(filters)
    with plain_cursor() as cursor:
        cursor.execute(MEMORY.format(where=rows.where), rows.parameters)
        memory = {(name, no_method): mean for name, no_method, mean in cursor.fetchall()}
    return timings_of(endpoints_of(filters, measured(filters, rows, together=True, statement=CALLS)), memory)
