"""Endpoint performance: requests, exact percentiles of their duration, and how many failed (status ≥ 500)."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np

from analytics.periods import days_between
from analytics.reports.cells import Count, Measure, exact, ratio
from analytics.reports.columns import PERSON, WITHDRAWN, with_withdrawn
from analytics.reports.filters import ReportFilters
from analytics.reports.requests import Measures, Name, Requests
from analytics.reports.source import DAY, Segment, report_cursor, segment


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


# One scan, a row for each endpoint and method: all its requests, as columns that numpy reads as they come.
# Percentiles can't be had from percentiles, so each figure needs its own sorting: eight in SQL, one here.
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


@dataclass
class _Measured:
    """What the scan found. `rows` by name and span (range, complete, before)."""

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
    first = filters.previous.first if filters.compare else filters.first
    return segment(filters, first, filters.last).with_(first=filters.first)


def _measured(filters: ReportFilters, rows: Segment, *, total: bool) -> _Measured:
    """Measures by endpoint and span, and by endpoint and day; with `total`, of all of them together too."""
    origin = filters.previous.first if filters.compare else filters.first
    rows = with_withdrawn(rows.with_(first_day=origin))
    with report_cursor() as cursor:
        cursor.execute(REQUESTS.format(where=rows.where), rows.parameters)
        requests = Requests.of(cursor.fetchall())
    found = _Measured({}, {})
    days = requests.day
    first, last = ((day - origin).days for day in (filters.first, filters.complete.last))
    spans = {
        "range": days >= first,
        "complete": (days >= first) & (days <= last),
        "before": days <= (filters.previous_complete.last - origin).days,
    }
    for span, chosen in spans.items():
        by_name = requests.measured(requests.number, chosen)
        if total and chosen.any():
            by_name |= {len(requests.names): requests.measured(np.zeros_like(days), chosen)[0]}
        for number, measures in by_name.items():
            name = requests.name(number)
            found.rows[name, span] = _row(name, measures)
    length = int(days.max()) + 1 if len(days) else 1
    wanted = days >= first if total else np.ones_like(days, dtype=np.bool_)
    by_day = {
        (requests.name(key // length), key % length): measures
        for key, measures in requests.measured(requests.number * length + days, wanted).items()
    }
    if total:
        by_day |= {
            (("", ""), day): measures
            for day, measures in requests.measured(days, np.ones_like(days, dtype=np.bool_)).items()
        }
    for (name, offset), measures in by_day.items():
        day = origin + timedelta(days=offset)
        found.days[name, day] = _day(day, measures, day < filters.today)
    return found


def _row(name: Name, of: Measures) -> EndpointRow:
    rate = ratio(of.errors, of.requests)
    return EndpointRow(*name, of.requests, of.errors, rate, of.mean, *of.percentiles, of.users)


def _day(day: date, of: Measures, complete: bool) -> EndpointDay:
    return EndpointDay(day, of.requests, of.errors, *of.percentiles, of.users, complete)
