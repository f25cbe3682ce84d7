"""Endpoint performance: requests, exact percentiles of their duration, and how many failed (status ≥ 500)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from analytics.periods import day_starts_at, days_between
from analytics.reports.cells import Count, Measure, exact, ratio
from analytics.reports.filters import ReportFilters
from analytics.reports.source import DAY, Segment, people, report_cursor, segment


class EndpointRow(NamedTuple):
    """One endpoint and method (both '' in a total). Durations in milliseconds, None where none was sent."""

    endpoint: str
    method: str
    requests: Count
    errors: Count
    error_rate: Measure
    mean_ms: Measure
    p50_ms: Measure
    p95_ms: Measure
    p99_ms: Measure
    users: Count  # identified ones; requests without any are shown all the same
    previous_p95_ms: Measure = None
    change: Measure = None  # of p95 over complete days, relative
    trend: tuple[Measure, ...] = ()  # p95 of each day of the range
    trend_users: tuple[Count, ...] = ()  # these two for suppression
    compared_users: tuple[int, int] = (0, 0)  # of the complete days, and before

    @property
    def identified(self) -> bool:
        return self.users != 0


class EndpointDay(NamedTuple):
    day: date
    requests: Count
    errors: Count
    p50_ms: Measure
    p95_ms: Measure
    p99_ms: Measure
    users: Count
    complete: bool


class StatusRow(NamedTuple):
    status: str  # 2xx, 3xx, 4xx, 5xx, or “none” where no status was sent
    requests: Count


class LatencyCell(NamedTuple):
    """Requests of one day whose duration lies in one bucket: from `LATENCY_EDGES_MS[i-1]` to below `[i]`."""

    day: date
    bucket: int
    requests: Count


LATENCY_EDGES_MS = (10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240)  # 12 buckets


@dataclass(frozen=True, kw_only=True)
class EndpointsReport:
    """`rows` by requests, most first, unless `sort` says otherwise.

    Rows, `total` and `days` include today so far. `headline` covers complete days, `previous` what
    it is compared with (None without `compare`).
    """

    filters: ReportFilters
    rows: list[EndpointRow]
    total: EndpointRow
    headline: EndpointRow
    previous: EndpointRow | None
    days: list[EndpointDay]
    previous_days: list[EndpointDay]  # aligned with `days`


@dataclass(frozen=True, kw_only=True)
class EndpointReport:
    """One endpoint and method in detail."""

    filters: ReportFilters
    endpoint: str
    method: str
    total: EndpointRow
    headline: EndpointRow
    previous: EndpointRow | None
    days: list[EndpointDay]
    previous_days: list[EndpointDay]
    statuses: list[StatusRow]
    latency: list[LatencyCell]  # only cells that hold requests


MEASURES = """count(*) AS requests, count(*) FILTER (WHERE failed) AS errors, avg(duration_ms) AS mean,
           percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY duration_ms) AS percentiles"""

# One scan; then each figure from its own rows: percentiles can't be had from percentiles. Endpoints
# travel as numbers, because sorting by their names took longer than all the percentiles.
REQUESTS = f"""
WITH names AS MATERIALIZED (
    SELECT endpoint, method, row_number() OVER () AS number
      FROM (SELECT DISTINCT endpoint, method FROM analytics_endpoint_usage WHERE {{where}}) AS known
), requests AS MATERIALIZED (
    SELECT number, {DAY} AS day, duration_ms, status_code >= 500 AS failed
      FROM analytics_endpoint_usage JOIN names USING (endpoint, method) WHERE {{where}}
), measured AS (
    SELECT 'range' AS span, number, NULL::date AS day, {MEASURES}
      FROM requests WHERE day >= %(first)s GROUP BY 2
    UNION ALL
    SELECT 'complete', number, NULL, {MEASURES}
      FROM requests WHERE day BETWEEN %(first)s AND %(last_complete)s AND %(today_counts)s GROUP BY 2
    UNION ALL
    SELECT 'before', number, NULL, {MEASURES} FROM requests WHERE day <= %(last_before)s GROUP BY 2
    UNION ALL
    SELECT 'range', NULL, NULL, {MEASURES} FROM requests WHERE day >= %(first)s AND %(total)s
    UNION ALL
    SELECT 'complete', NULL, NULL, {MEASURES} FROM requests
     WHERE day BETWEEN %(first)s AND %(last_complete)s AND %(today_counts)s AND %(total)s
    UNION ALL
    SELECT 'before', NULL, NULL, {MEASURES} FROM requests WHERE day <= %(last_before)s AND %(total)s
    UNION ALL
    SELECT 'day', NULL, day, {MEASURES} FROM requests WHERE %(total)s GROUP BY 3
    UNION ALL
    SELECT 'day', number, day, {MEASURES}
      FROM requests WHERE day >= %(first)s OR NOT %(total)s GROUP BY 2, 3
)
SELECT span, coalesce(endpoint, ''), coalesce(method, ''), day, requests, errors, mean, percentiles
  FROM measured LEFT JOIN names USING (number)
"""

USERS = f"""
WITH seen AS MATERIALIZED (
    SELECT DISTINCT endpoint, method, {DAY} AS day, user_id FROM analytics_endpoint_usage WHERE {{where}}
), person AS MATERIALIZED (
    SELECT endpoint, method, user_id, bool_or(day >= %(first)s) AS range,
           bool_or(day BETWEEN %(first)s AND %(last_complete)s) AS complete,
           bool_or(day <= %(last_before)s) AS before
      FROM seen GROUP BY 1, 2, 3
), anywhere AS (
    SELECT user_id, bool_or(range) AS range, bool_or(complete) AS complete, bool_or(before) AS before
      FROM person WHERE %(total)s GROUP BY 1
), on_day AS (
    SELECT DISTINCT day, user_id FROM seen WHERE %(total)s
)
SELECT endpoint, method, NULL::date, ARRAY[count(*) FILTER (WHERE range),
       count(*) FILTER (WHERE complete), count(*) FILTER (WHERE before)] FROM person GROUP BY 1, 2
UNION ALL
SELECT '', '', NULL, ARRAY[count(*) FILTER (WHERE range),
       count(*) FILTER (WHERE complete), count(*) FILTER (WHERE before)] FROM anywhere
UNION ALL
SELECT endpoint, method, day, ARRAY[count(*)] FROM seen GROUP BY 1, 2, 3
UNION ALL
SELECT '', '', day, ARRAY[count(*)] FROM on_day GROUP BY 3
"""

ANY_TODAY = """
SELECT EXISTS (SELECT FROM analytics_endpoint_usage WHERE {where} AND "timestamp" >= %(today)s)
"""

STATUSES = """
SELECT coalesce(status_code / 100 || 'xx', 'none'), count(*)
  FROM analytics_endpoint_usage WHERE {where} GROUP BY 1 ORDER BY 1
"""

LATENCY = f"""
SELECT {DAY}, width_bucket(duration_ms, %(edges)s::float8[]), count(*)
  FROM analytics_endpoint_usage WHERE {{where}} AND duration_ms IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
"""

Name = tuple[str, str]  # endpoint and method; ('', '') is all of them


@dataclass
class _Measured:
    """What the two scans found. `rows` by name and span (range, complete, before)."""

    rows: dict[tuple[Name, str], EndpointRow]
    days: dict[tuple[Name, date], EndpointDay]

    def row(self, name: Name, span: str) -> EndpointRow:
        nothing = EndpointRow(*name, 0, 0, None, None, None, None, None, 0)
        return self.rows.get((name, span), nothing)

    def day(self, name: Name, day: date, complete: bool) -> EndpointDay:
        return self.days.get((name, day), EndpointDay(day, 0, 0, None, None, None, 0, complete))


def endpoints_report(filters: ReportFilters) -> EndpointsReport:
    """Every endpoint that answered a request in the range, exact."""
    found = _measured(filters, _rows(filters), total=True)
    days = days_between(filters.first, filters.last)
    rows = []
    for (name, span), row in found.rows.items():
        if span != "range" or name == ("", ""):
            continue
        own_days = [found.day(name, day, True) for day in days]
        rows.append(
            _with_previous(filters, found, name, row)._replace(
                trend=tuple(day.p95_ms for day in own_days),
                trend_users=tuple(day.users for day in own_days),
            )
        )
    rows.sort(key=lambda row: (-exact(row.requests), row.endpoint, row.method))
    return EndpointsReport(filters=filters, rows=rows, **_common(filters, found, ("", "")))


def endpoint_report(filters: ReportFilters, endpoint: str, method: str) -> EndpointReport | None:
    """One endpoint and method, exact; None when range and period before know no request of it."""
    name = endpoint, method
    rows = _rows(filters).with_(
        "endpoint = %(endpoint)s AND method = %(method)s", endpoint=endpoint, method=method
    )
    found = _measured(filters, rows, total=False)
    if not found.days:
        return None
    inside = rows.with_(f"{DAY} >= %(first)s", edges=list(LATENCY_EDGES_MS))
    with report_cursor() as cursor:
        cursor.execute(STATUSES.format(where=inside.where), inside.parameters)
        statuses = [StatusRow(*row) for row in cursor.fetchall()]
        cursor.execute(LATENCY.format(where=inside.where), inside.parameters)
        latency = [LatencyCell(*row) for row in cursor.fetchall()]
    return EndpointReport(
        filters=filters,
        endpoint=endpoint,
        method=method,
        statuses=statuses,
        latency=latency,
        **_common(filters, found, name),
    )


def _common(filters: ReportFilters, found: _Measured, name: Name) -> dict[str, Any]:
    """What both reports say: totals and days."""

    def days_of(span: ReportFilters) -> list[EndpointDay]:
        return [found.day(name, day, day < filters.today) for day in days_between(span.first, span.last)]

    return {
        "total": _with_previous(filters, found, name, found.row(name, "range")),
        "headline": found.row(name, "complete"),
        "previous": found.row(name, "before") if filters.compare else None,
        "days": days_of(filters),
        "previous_days": days_of(filters.previous) if filters.compare else [],
    }


def _with_previous(filters: ReportFilters, found: _Measured, name: Name, row: EndpointRow) -> EndpointRow:
    if not filters.compare:
        return row
    before, now = found.row(name, "before").p95_ms, found.row(name, "complete").p95_ms
    change = now / before - 1 if isinstance(now, float) and isinstance(before, float) and before else None
    users = exact(found.row(name, "complete").users), exact(found.row(name, "before").users)
    return row._replace(previous_p95_ms=before, change=change, compared_users=users)


def _rows(filters: ReportFilters) -> Segment:
    return segment(filters, filters.previous.first if filters.compare else filters.first, filters.last).with_(
        first=filters.first,
        last_complete=filters.complete.last,
        last_before=filters.previous_complete.last,
    )


def _measured(filters: ReportFilters, rows: Segment, *, total: bool) -> _Measured:
    rows = rows.with_(total=total)
    counted = people(rows)
    with report_cursor() as cursor:
        today_counts = False
        if filters.includes_today:
            # Without a request today, the complete days' figures are the range's: spare their sorting.
            cursor.execute(
                ANY_TODAY.format(where=rows.where), rows.parameters | {"today": day_starts_at(filters.today)}
            )
            today_counts = bool(cursor.fetchone()[0])
        rows = rows.with_(today_counts=today_counts)
        cursor.execute(REQUESTS.format(where=rows.where), rows.parameters)
        measured = cursor.fetchall()
        cursor.execute(USERS.format(where=counted.where), counted.parameters)
        users = _users(cursor.fetchall())
    found = _Measured({}, {})
    for span, endpoint, method, day, *measures in measured:
        name = endpoint, method
        if not measures[0]:
            continue
        if day is None:
            row = _row(name, measures, users.get((name, span), 0))
            found.rows[name, span] = row
            if span == "range" and not today_counts:
                found.rows[name, "complete"] = row
        else:
            found.days[name, day] = _day(day, measures, users.get((name, day), 0), day < filters.today)
    return found


def _users(rows: Iterable[tuple[str, str, date | None, list[int]]]) -> dict[tuple[Name, str | date], int]:
    """Identified users by name and span, and by name and day."""
    users: dict[tuple[Name, str | date], int] = {}
    for endpoint, method, day, numbers in rows:
        name = endpoint, method
        if day is None:
            for span, number in zip(("range", "complete", "before"), numbers, strict=True):
                users[name, span] = number
        else:
            users[name, day] = numbers[0]
    return users


def _row(name: Name, measures: list[Any], users: int) -> EndpointRow:
    requests, errors, mean, percentiles = measures
    p50, p95, p99 = percentiles or (None, None, None)
    return EndpointRow(*name, requests, errors, ratio(errors, requests), mean, p50, p95, p99, users)


def _day(day: date, measures: list[Any], users: int, complete: bool) -> EndpointDay:
    requests, errors, _, percentiles = measures
    p50, p95, p99 = percentiles or (None, None, None)
    return EndpointDay(day, requests, errors, p50, p95, p99, users, complete)
