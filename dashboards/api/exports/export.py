"""What an export is made of: columns, and the rows and details of a report that was suppressed."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from analytics.reports.catalogue import Report
from analytics.reports.filters import ReportFilters

PREVIOUS = "the same in the previous period; empty without compare"


class Column(NamedTuple):
    """`kind`: a count is of people or of what they did, a measure any other number."""

    name: str
    kind: Literal["text", "date", "flag", "count", "measure"]
    meaning: str


class ReportTable(NamedTuple):
    """One report's answer: a row of values by column, and what else it says (in JSON only)."""

    rows: list[list[Any]]
    details: dict[str, Any]


class ReportExport(NamedTuple):
    """How a report is handed out as JSON and CSV, in the same columns."""

    report: Report[Any]
    columns: tuple[Column, ...]
    table: Callable[[ReportFilters, Mapping[str, str]], ReportTable]
    extra: tuple[str, ...] = ()  # parameters that choose among the rows

    @property
    def name(self) -> str:
        return self.report.name
