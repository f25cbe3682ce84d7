"""Endpoint performance: requests, percentiles of their duration, and how many failed (status ≥ 500)."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from analytics.report_days import days_between
from analytics.reports.cells import Count, Measure, exact, ratio
from analytics.reports.endpoint_counts import (
    TOGETHER,
    EndpointCounts,
    EndpointDetail,
    Name,
    RequestMeasures,
    read_endpoint_detail,
    read_endpoints,
)
from analytics.reports.filters import ReportFilters
from analytics.reports.together import PeopleTogether
from analytics.rollups.reading import reader as rollups


class EndpointRow(NamedTuple):
    """One endpoint and method (both '' in a total). Durations in milliseconds, None when none was sent."""

    endpoint: str
    method: str
    requests: Count
    errors: Count
    error_rate: Measure
    mean_ms: Measure
    p50_ms: Measure
    p95_ms: Measure
    p99_ms: Measure
    users: Count  # identified ones; requests of nobody are shown all the same
    previous_p95_ms: Measure = None
    change: Measure = None  # of p95 over complete days, relative
    trend: tuple[Measure, ...] = ()  # p95 of each day of the range
    trend_users: tuple[Count, ...] = ()  # this and the next are for suppression
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
    status: str  # 2xx, 3xx, 4xx, 5xx, or “none” when no status was sent
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
    published: bool = False  # whether these are measures of published cells, as suppression needs them
    together: PeopleTogether | None = field(default=None, repr=False, compare=False)


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
    published: bool = False  # whether these are measures of published cells, as suppression needs them
    together: PeopleTogether | None = field(default=None, repr=False, compare=False)


def endpoints_report(filters: ReportFilters, *, published: bool = False) -> EndpointsReport:
    """Every endpoint that answered a request in the range; percentiles are within 1 %.

    With `published`, of published cells only: what suppression needs.
    """
    filters = filters.countable
    with rollups.reading() as reader:
        return endpoints_of(filters, read_endpoints(reader, filters, published=published))


def endpoint_report(
    filters: ReportFilters, endpoint: str, method: str, *, published: bool = False
) -> EndpointReport | None:
    """One endpoint and method; None when neither the range nor the previous period has a request of it.

    With `published`, of published cells only: what suppression needs.
    """
    filters = filters.countable
    name = endpoint, method
    with rollups.reading() as reader:
        counts = read_endpoints(reader, filters, name, published=published)
        if not counts.days:
            return None
        detail = read_endpoint_detail(reader, filters, name, published=published)
        return endpoint_of(filters, name, counts, detail)


def endpoints_of(filters: ReportFilters, counts: EndpointCounts) -> EndpointsReport:
    """The report, from what was counted."""
    rows = []
    for name, span in counts.spans:
        if span == "range" and name != TOGETHER:
            trend, users = counts.trends[name]
            rows.append(_with_previous(filters, counts, name)._replace(trend=trend, trend_users=users))
    rows.sort(key=lambda row: (-exact(row.requests), row.endpoint, row.method))
    return EndpointsReport(filters=filters, rows=rows, **_common(filters, counts, TOGETHER))


def endpoint_of(
    filters: ReportFilters, name: Name, counts: EndpointCounts, detail: EndpointDetail
) -> EndpointReport:
    """The report, from what was counted."""
    endpoint, method = name
    return EndpointReport(
        filters=filters,
        endpoint=endpoint,
        method=method,
        statuses=[StatusRow(status, count) for status, count in sorted(detail.statuses.items())],
        latency=[LatencyCell(*cell, count) for cell, count in sorted(detail.latency.items())],
        **_common(filters, counts, name),
    )


def _common(filters: ReportFilters, counts: EndpointCounts, name: Name) -> dict[str, Any]:
    """The totals and days that both reports have."""

    def days_of(span: ReportFilters) -> list[EndpointDay]:
        return [
            _day(day, counts.days.get(day, RequestMeasures()), day < filters.today)
            for day in days_between(span.first, span.last)
        ]

    return {
        "total": _with_previous(filters, counts, name),
        "headline": _row(name, counts, "complete"),
        "previous": _row(name, counts, "before") if filters.compare else None,
        "days": days_of(filters),
        "previous_days": days_of(filters.previous) if filters.compare else [],
        "published": counts.published,
        "together": counts.together,
    }


def _with_previous(filters: ReportFilters, counts: EndpointCounts, name: Name) -> EndpointRow:
    row = _row(name, counts, "range")
    if not filters.compare:
        return row
    complete, previous = _row(name, counts, "complete"), _row(name, counts, "before")
    now, before = complete.p95_ms, previous.p95_ms
    change = now / before - 1 if isinstance(now, float) and isinstance(before, float) and before else None
    users = exact(complete.users), exact(previous.users)
    return row._replace(previous_p95_ms=before, change=change, compared_users=users)


def _row(name: Name, counts: EndpointCounts, span: str) -> EndpointRow:
    requests, errors, mean, percentiles, users = counts.spans.get((name, span), RequestMeasures())
    return EndpointRow(*name, requests, errors, ratio(errors, requests), mean, *percentiles, users)


def _day(day: date, measures: RequestMeasures, complete: bool) -> EndpointDay:
    requests, errors, _, percentiles, users = measures
    return EndpointDay(day, requests, errors, *percentiles, users, complete)
