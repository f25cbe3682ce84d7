"""Endpoint performance as a table: a row for each endpoint and method."""

from collections.abc import Mapping

from analytics.reports.catalogue import ENDPOINTS
from analytics.reports.cells import AndFewMore
from analytics.reports.filters import ReportFilters
from dashboards.api.exports.export import PREVIOUS, Column, ReportExport, ReportTable, details_of


def _table(filters: ReportFilters, query: Mapping[str, str]) -> ReportTable:
    report = ENDPOINTS.shown(filters)
    endpoint, method = query.get("endpoint", ""), query.get("method", "")
    rows = [
        [*row[:12], isinstance(row.requests, AndFewMore)]
        for row in report.rows
        if (not endpoint or row.endpoint == endpoint) and (not method or row.method == method)
    ]
    return ReportTable(rows, details_of(report))


EXPORT = ReportExport(
    report=ENDPOINTS,
    columns=(
        Column("endpoint", "text", "route template"),
        Column("method", "text", "HTTP method"),
        Column("requests", "count", "requests answered"),
        Column("errors", "count", "of them with a status of 500 or above"),
        Column("error_rate", "measure", "errors divided by requests"),
        Column("mean_ms", "measure", "mean duration in milliseconds"),
        Column("p50_ms", "measure", "median duration in milliseconds"),
        Column("p95_ms", "measure", "95th percentile in milliseconds, within 1 %"),
        Column("p99_ms", "measure", "99th percentile in milliseconds, within 1 %"),
        Column("users", "count", "distinct identified people"),
        Column("previous_p95_ms", "measure", PREVIOUS),
        Column("p95_change", "measure", "relative change of p95 against the previous period"),
        Column("few_more", "flag", "whether requests by few people are left out"),
    ),
    table=_table,
    extra=("endpoint", "method"),
)
