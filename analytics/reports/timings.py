"""Timings: how long features take that say so (`duration_ms`), and how much memory (`memory_mb`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from analytics.reports.cells import Count, Measure, Withheld
from analytics.reports.endpoint_counts import Name, read_endpoints
from analytics.reports.endpoints import EndpointRow, EndpointsReport, endpoints_of
from analytics.reports.filters import ReportFilters
from analytics.rollups.reading import reader as rollups


class TimingRow(NamedTuple):
    """One feature and action (the feature alone if the action is `timed`).

    Durations in milliseconds; memory in megabytes, the mean where it was sent.
    """

    name: str
    calls: Count
    mean_ms: Measure
    p50_ms: Measure
    p95_ms: Measure
    p99_ms: Measure
    memory_mb: Measure
    users: Count  # identified ones
    previous_p95_ms: Measure = None
    change: Measure = None  # of p95 over complete days, relative
    trend: tuple[Measure, ...] = ()  # p95 of each day of the range


class TimingTotals(NamedTuple):
    """Everything that was timed, together. Its people are not told: few of them may have no row."""

    calls: Count
    mean_ms: Measure
    p50_ms: Measure
    p95_ms: Measure
    p99_ms: Measure


class TimingDay(NamedTuple):
    day: date
    calls: Count
    p50_ms: Measure
    p95_ms: Measure
    p99_ms: Measure
    complete: bool


@dataclass(frozen=True, kw_only=True)
class TimingsReport:
    """`rows` by calls, most first, unless `sort` says otherwise.

    Rows, `total` and `days` include today so far. `headline` covers complete days, `previous` what
    it is compared with (None without `compare`).
    """

    filters: ReportFilters
    rows: list[TimingRow]
    total: TimingTotals
    headline: TimingTotals
    previous: TimingTotals | None
    days: list[TimingDay]
    previous_days: list[TimingDay]  # aligned with `days`
    # For suppression: durations as those of endpoints, and the mean memory by name.
    measured: EndpointsReport | None = field(default=None, repr=False, compare=False)
    memory: Mapping[Name, Measure] = field(default_factory=dict, repr=False, compare=False)


def timings_report(filters: ReportFilters, *, published: bool = False) -> TimingsReport:
    """Everything that was timed in the range; percentiles are within 1 %.

    With `published`, of published cells only: what suppression needs.
    """
    filters = filters.countable
    with rollups.reading() as reader:
        counts = read_endpoints(reader, filters, kind="timing", published=published)
    return timings_of(endpoints_of(filters, counts), counts.memory)


def timings_of(measured: EndpointsReport, memory: Mapping[Name, Measure]) -> TimingsReport:
    """The report, from durations as those of endpoints are told, and from mean memory."""

    def days_of(calls: EndpointsReport, previous: bool) -> list[TimingDay]:
        return [
            TimingDay(day.day, day.requests, day.p50_ms, day.p95_ms, day.p99_ms, day.complete)
            for day in (calls.previous_days if previous else calls.days)
        ]

    return TimingsReport(
        filters=measured.filters,
        rows=[_row(row, memory) for row in measured.rows],
        total=_totals(measured.total),
        headline=_totals(measured.headline),
        previous=measured.previous and _totals(measured.previous),
        days=days_of(measured, False),
        previous_days=days_of(measured, True),
        measured=measured,
        memory=memory,
    )


def _totals(row: EndpointRow) -> TimingTotals:
    return TimingTotals(row.requests, row.mean_ms, row.p50_ms, row.p95_ms, row.p99_ms)


def _row(row: EndpointRow, memory: Mapping[Name, Measure]) -> TimingRow:
    is_hidden = isinstance(row.requests, Withheld)
    return TimingRow(
        name=row.endpoint,
        calls=row.requests,
        mean_ms=row.mean_ms,
        p50_ms=row.p50_ms,
        p95_ms=row.p95_ms,
        p99_ms=row.p99_ms,
        memory_mb=Withheld.HIDDEN if is_hidden else memory.get((row.endpoint, row.method)),
        users=row.users,
        previous_p95_ms=row.previous_p95_ms,
        change=row.change,
        trend=row.trend,
    )
