"""Timings as a table: a row for each feature and action whose uses say how long they took."""

from collections.abc import Mapping
from typing import Any

from analytics.reports.by_dimension import by_value
from analytics.reports.catalogue import TIMINGS
from analytics.reports.cells import AndFewMore
from analytics.reports.filters import ReportFilters
from dashboards.api.exports.export import PREVIOUS, Column, ReportExport, ReportTable


def _table(filters: ReportFilters, query: Mapping[str, str]) -> ReportTable:
    report = TIMINGS.shown(filters)
    name = query.get("name", "")
    parts = parts_by_name(filters)
    rows = [
        [*row[:10], isinstance(row.calls, AndFewMore), parts.get(row.name, [])]
        for row in report.rows
        if not name or row.name == name
    ]
    details = {
        "headline": report.headline,
        "previous": report.previous,
        "total": report.total,
        "days": report.days,
        "previous_days": report.previous_days,
    }
    return ReportTable(rows, details)


MEASURES = ("calls", "mean_ms", "p50_ms", "p95_ms", "p99_ms", "memory_mb", "users")


def parts_by_name(filters: ReportFilters) -> dict[str, list[dict[str, Any]]]:
    """The parts of each timing by the values of the dimension asked for."""
    parts: dict[str, list[dict[str, Any]]] = {}
    for value, report in by_value(TIMINGS.shown, filters):
        for row in report.rows if report else ():
            told = {name: getattr(row, name) for name in MEASURES}
            part = {"value": value.value, **told, "few_more": isinstance(row.calls, AndFewMore)}
            parts.setdefault(row.name, []).append(part)
    return parts


EXPORT = ReportExport(
    report=TIMINGS,
    columns=(
        Column("name", "text", "feature (and action)"),
        Column("calls", "count", "uses that say how long they took"),
        Column("mean_ms", "measure", "mean duration in milliseconds"),
        Column("p50_ms", "measure", "median duration in milliseconds"),
        Column("p95_ms", "measure", "95th percentile in milliseconds, within 1 %"),
        Column("p99_ms", "measure", "99th percentile in milliseconds, within 1 %"),
        Column("memory_mb", "measure", "mean memory in megabytes, where it was sent"),
        Column("users", "count", "distinct identified people"),
        Column("previous_p95_ms", "measure", PREVIOUS),
        Column("p95_change", "measure", "relative change of p95 against the previous period"),
        Column("few_more", "flag", "whether calls by few people are left out"),
        Column("by", "parts", "the same by the values of the dimension asked for (by), of most people first"),
    ),
    table=_table,
    extra=("name",),
)
