"""Reports as CSV files (RFC 4180), safe to open in a spreadsheet."""

import csv
import io
from datetime import date
from enum import Enum
from typing import Any

from analytics.reports.filters import ReportFilters
from dashboards.api.documents import question_of
from dashboards.api.exports.export import ReportExport, ReportTable

# A spreadsheet runs a cell that begins like this as a formula (OWASP, "CSV Injection").
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def as_csv(export: ReportExport, filters: ReportFilters, table: ReportTable) -> str:
    """The report as CSV. The last columns of each row repeat the question that it answers.

    `asked_sealed_until` is the last day asked for that keeps totals alone:
    no people of it are told.
    """
    question = question_of(filters) | {"sealed_until": filters.sealed_until or ""}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([*(column.name for column in export.columns), *(f"asked_{name}" for name in question)])
    for row in table.rows:
        writer.writerow([_cell(value) for value in [*row, *question.values()]])
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return "'" + value
    return value


def file_name(export: ReportExport, filters: ReportFilters) -> str:
    return f"candid-{export.name}-{filters.first.isoformat()}-{filters.last.isoformat()}.csv"
