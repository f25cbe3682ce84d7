"""Rows of the overview: who has opted in, and which measures changed most."""

from typing import NamedTuple

from analytics.reports.cells import Count, Measure
from analytics.reports.overview import Coverage, OverviewReport
from dashboards.numbers import shown
from dashboards.tables.report_rows import share_of

LEAST_USERS = 100  # with fewer, a few people make a large change
LEAST_REQUESTS = 500
CHANGES = 6  # rows at most


class CoveragePart(NamedTuple):
    name: str
    kind: str  # class of its rectangle in the bar
    key: str  # class of its patch in the key
    value: Count
    share: Measure


class CoverageRow(NamedTuple):
    name: str
    known: Measure
    parts: list[CoveragePart]


def coverage_row(name: str, coverage: Coverage) -> CoverageRow:
    """A row with shares of the known subjects; without shares if the number of known subjects is hidden."""
    whole = coverage.known
    named = (
        ("Opted in", "in", "", coverage.granted),
        ("Opted out", "out", "k2", coverage.denied),
        ("Not decided", "unset", "ko", coverage.unset),
    )
    parts = [
        CoveragePart(label, kind, key, value, share_of(value, whole) if isinstance(whole, int) else None)
        for label, kind, key, value in named
    ]
    return CoverageRow(name, whole, parts)


class ChangeRow(NamedTuple):
    """A measure that changed: its report, its days, its value now, and the change."""

    name: str
    unit: str  # "users" or "p95"
    report: str
    trend: list[Measure]
    now: Measure
    change: float
    good: str
    endpoint: str = ""  # of an endpoint, with its method; empty for a feature
    method: str = ""


def largest_changes(report: OverviewReport) -> list[ChangeRow]:
    """The features and endpoints that changed most against the earlier period, in complete days."""
    cut = -1 if report.filters.includes_today else None
    moves = [
        ChangeRow(row.feature, "users", "Features", list(row.trend[:cut]), row.users, move, "up")
        for row in report.features.rows
        if (move := shown(row.change)) is not None and (shown(row.users) or 0) >= LEAST_USERS
    ]
    moves += [
        ChangeRow(
            name=f"{row.method} {row.endpoint}",
            unit="p95",
            report="Endpoints",
            trend=list(row.trend[:cut]),
            now=row.p95_ms,
            change=move,
            good="down",
            endpoint=row.endpoint,
            method=row.method,
        )
        for row in report.endpoints.rows
        if (move := shown(row.change)) is not None and (shown(row.requests) or 0) >= LEAST_REQUESTS
    ]
    return sorted(moves, key=lambda row: -abs(row.change))[:CHANGES]
