"""Endpoint performance: requests, exact percentiles of their duration, and how many failed (status ≥ 500)."""

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from analytics.reports.cells import Count, Measure
from analytics.reports.filters import ReportFilters


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


def endpoints_report(filters: ReportFilters) -> EndpointsReport:
    """Every endpoint that answered a request in the range, exact."""
    raise NotImplementedError


def endpoint_report(filters: ReportFilters, endpoint: str, method: str) -> EndpointReport | None:
    """One endpoint and method, exact; None when range and period before know no request of it."""
    raise NotImplementedError
