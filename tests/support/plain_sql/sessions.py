"""Sessions from raw rows."""

from analytics.reports.filters import ReportFilters
from analytics.reports.sessions import PageRow, SessionCounts, SessionsReport, sessions_of
from tests.support.plain_sql.source import people, segment
from tests.support.plain_sql.statements import plain_cursor

SESSIONS = """
WITH session AS (
    SELECT session_id, user_id, extract(epoch FROM max("timestamp") - min("timestamp"))::float8 AS seconds
      FROM analytics_user_activity WHERE session_id <> '' AND {where} GROUP BY 1, 2
)
SELECT count(DISTINCT user_id), count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FROM session
"""

SIGN_INS = """
SELECT count(*), count(DISTINCT user_id) FROM analytics_user_activity WHERE event_type = 'login' AND {where}
"""

PAGES = """
SELECT event_metadata->>'page.path', count(DISTINCT user_id), count(*)
  FROM analytics_feature_usage
 WHERE feature_name = 'page_view' AND event_metadata ? 'page.path' AND {where}
 GROUP BY 1
"""


def sessions_report(filters: ReportFilters) -> SessionsReport:
    rows = people(segment(filters, filters.first, filters.last))
    with plain_cursor() as cursor:
        cursor.execute(PAGES.format(where=rows.where), rows.parameters)
        pages = [PageRow(*row) for row in cursor.fetchall()]
    before = _counted(filters.previous_complete) if filters.compare else None
    return sessions_of(filters, _counted(filters.complete), before, pages)


def _counted(span: ReportFilters) -> SessionCounts:
    if not span.length:
        return SessionCounts()
    rows = people(segment(span, span.first, span.last))
    with plain_cursor() as cursor:
        cursor.execute(SESSIONS.format(where=rows.where), rows.parameters)
        users, sessions, median = cursor.fetchone()
        cursor.execute(SIGN_INS.format(where=rows.where), rows.parameters)
        return SessionCounts(users, sessions, median, *cursor.fetchone())
