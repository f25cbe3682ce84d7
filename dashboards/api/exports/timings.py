"""Timings as a table: a row for each feature and action whose uses say how long they took."""

from collections.abc import Mapping
from operator import attrgetter

from analytics.reports.catalogue import TIMINGS
from analytics.reports.cells import AndFewMore
from analytics.reports.filters import ReportFilters
from dashboards.api.exports.export import PREVIOUS, Column, ReportExport, ReportTable, details_of
from dashboards.api.exports.parts import parts_by_row

# Of the parts by a dimension.
MEASURES = ("calls", "mean_ms", "p50_ms", "p95_ms", "p99_ms", "memory_mb", "users")


def _table(filters: ReportFilters, query: Mapping[str, str]) -> ReportTable:
    report = TIMINGS.shown(filters)
    name = query.get("name", "")
    parts = parts_by_row(TIMINGS, filters, attrgetter("name"), MEASURES, "calls")
    rows = [
        [*row[:10], isinstance(row.calls, AndFewMore), parts.get(row.name, [])]
        for row in report.rows
        if not name or row.name == name
    ]
    return ReportTable(rows, details_of(report))


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
