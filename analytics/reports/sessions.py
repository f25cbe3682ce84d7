"""Sessions: how long they last, how often people sign in, which pages they see."""

from dataclasses import dataclass
from typing import NamedTuple

from analytics.reports.cells import Compared, Count, ratio
from analytics.reports.filters import ReportFilters
from analytics.reports.source import people, report_cursor, segment

MOST_PAGES = 10


class PageRow(NamedTuple):
    path: str  # a template: never a raw path
    users: Count
    views: Count


@dataclass(frozen=True, kw_only=True)
class SessionsReport:
    """Headlines cover complete days; `pages` the whole range, most viewed first, ten at most."""

    filters: ReportFilters
    users: Compared  # distinct users with a session
    signed_in: Compared  # distinct users who signed in
    sessions: Compared
    median_seconds: Compared  # last minus first event of a session
    sign_ins_per_user: Compared  # sign-ins / users who signed in
    pages: list[PageRow]


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

PAGES = f"""
SELECT event_metadata->>'page.path', count(DISTINCT user_id), count(*)
  FROM analytics_feature_usage
 WHERE feature_name = 'page_view' AND event_metadata ? 'page.path' AND {{where}}
 GROUP BY 1 ORDER BY 3 DESC, 1 LIMIT {MOST_PAGES}
"""


class _Measured(NamedTuple):
    users: int = 0
    sessions: int = 0
    median: float | None = None
    sign_ins: int = 0
    signed_in: int = 0


def sessions_report(filters: ReportFilters) -> SessionsReport:
    """The report, exact."""
    now = _measured(filters.complete)
    before = _measured(filters.previous_complete) if filters.compare else None
    rows = people(segment(filters, filters.first, filters.last))
    with report_cursor() as cursor:
        cursor.execute(PAGES.format(where=rows.where), rows.parameters)
        pages = [PageRow(*row) for row in cursor.fetchall()]
    return SessionsReport(
        filters=filters,
        users=Compared(now.users, before.users if before else None),
        signed_in=Compared(now.signed_in, before.signed_in if before else None),
        sessions=Compared(now.sessions, before.sessions if before else None),
        median_seconds=Compared(now.median, before.median if before else None),
        sign_ins_per_user=Compared(
            ratio(now.sign_ins, now.signed_in), ratio(before.sign_ins, before.signed_in) if before else None
        ),
        pages=pages,
    )


def _measured(span: ReportFilters) -> _Measured:
    if not span.length:
        return _Measured()
    rows = people(segment(span, span.first, span.last))
    with report_cursor() as cursor:
        cursor.execute(SESSIONS.format(where=rows.where), rows.parameters)
        users, sessions, median = cursor.fetchone()
        cursor.execute(SIGN_INS.format(where=rows.where), rows.parameters)
        return _Measured(users, sessions, median, *cursor.fetchone())
