"""Reports as CSV files (RFC 4180), safe to open in a spreadsheet."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import date
from enum import Enum
from typing import Any

from analytics.reports.filters import ReportFilters
from dashboards.api.documents import question_of
from dashboards.api.exports.export import ReportExport, ReportTable

PARTS = "parts"  # a kind of column, the last one: in a file it holds the value that a row is of
# A spreadsheet runs a cell that begins like this as a formula (OWASP, "CSV Injection").
FORMULA_STARTS = "=+-@＝＋－＠"
CONTROLS = ("\t", "\r", "\n")
# It may begin the cell, and also what some programs, which cut at semicolons or tabs, take for one.
FORMULA = re.compile(rf'(?:^|[;,|\t\r\n])[\s"]*(?=[{re.escape(FORMULA_STARTS)}])')


def as_csv(export: ReportExport, filters: ReportFilters, table: ReportTable) -> str:
    """The report as CSV. The last columns of each row repeat the question that it answers.

    Every field is quoted. Programs read numbers from quoted fields as they do from others; what must not be
    read as a formula has an apostrophe before it, and numbers, negative ones too, have none.
    `asked_sealed_until` is the last day asked for that keeps totals alone:
    no people of it are told.
    """
    question = question_of(filters) | {"sealed_until": filters.sealed_until or ""}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    writer.writerow([*(column.name for column in export.columns), *(f"asked_{name}" for name in question)])
    for row in table.rows:
        for own in _with_parts(export, row):
            writer.writerow([_cell(value) for value in [*own, *question.values()]])
    return text.getvalue()


def _with_parts(export: ReportExport, row: list[Any]) -> Iterator[list[Any]]:
    """A row; where its export tells parts, then a row for each, with the value that it is of."""
    cells = dict(zip((column.name for column in export.columns), row, strict=True))
    told = [column for column in export.columns if column.kind == PARTS]
    if not told:
        yield row
        return
    (column,) = told
    parts = cells.pop(column.name)
    yield [*cells.values(), ""]
    names = {column.name for column in export.columns if column.kind == "text"}
    for part in parts:
        own = {name: cells[name] if name in names else part.get(name) for name in cells}
        yield [*own.values(), part["value"]]


def _cell(value: Any) -> Any:
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, date):
        return value.isoformat()
    return _defused(value) if isinstance(value, str) else value


def _defused(text: str) -> str:
    mended = FORMULA.sub(r"\g<0>'", text)
    return f"'{mended}" if mended.startswith(CONTROLS) else mended


def file_name(export: ReportExport, filters: ReportFilters) -> str:
    return f"candid-{export.name}-{filters.first.isoformat()}-{filters.last.isoformat()}.csv"
