"""Retention as a table: first the whole range, then a row for each weekly cohort."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from analytics.reports.catalogue import RETENTION
from analytics.reports.filters import ReportFilters
from analytics.reports.retention import CohortRow
from analytics.reports.retention_counts import TRIANGLE_WEEKS
from dashboards.api.exports.export import Column, ReportExport, ReportTable


def _table(filters: ReportFilters, query: Mapping[str, str]) -> ReportTable:
    report = RETENTION.shown(filters)
    total = report.headline
    counts = [total.new_users, total.mature, total.retained, total.rate, total.immature == 0]
    rows = [["range", filters.first, filters.last, *counts, *[None] * TRIANGLE_WEEKS]]
    rows += [_cohort(row) for row in report.cohorts]
    details = {
        "headline": report.headline,
        "previous": report.previous,
        "curve": report.curve,
        "cohorts": report.cohorts,
        "averages": report.averages,
    }
    return ReportTable(rows, details)


def _cohort(row: CohortRow) -> list[Any]:
    weeks = [cell.users for cell in row.cells]
    last = date.fromordinal(row.week_start.toordinal() + 6)
    return [
        *("week", row.week_start, last, row.users, row.mature, row.retained, row.rate, not row.open),
        *weeks,
        *[None] * (TRIANGLE_WEEKS - len(weeks)),
    ]


EXPORT = ReportExport(
    report=RETENTION,
    columns=(
        Column("cohort", "text", "range: everybody first seen in the range; week: a weekly cohort"),
        Column("from", "date", "first day of the cohort"),
        Column("to", "date", "last day of the cohort"),
        Column("users", "count", "people first seen in that time"),
        Column("mature", "count", "those of them whose seven days are over"),
        Column("retained", "count", "those of the mature who came back"),
        Column("rate", "measure", "retained divided by mature"),
        Column("complete", "flag", "whether everyone's seven days are over"),
        *(
            Column(f"week_{week}", "count", "people of the cohort active in that week after it")
            for week in range(TRIANGLE_WEEKS)
        ),
    ),
    table=_table,
)
