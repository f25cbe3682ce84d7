"""What an export is made of: its columns, and the rows and details of a report after suppression."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from analytics.reports.catalogue import Report
from analytics.reports.filters import ReportFilters

PREVIOUS = "the same in the previous period; empty without compare"


class Column(NamedTuple):
    """`kind`: a count is of people or of what they did, a measure any other number, a day a date that may be
    withheld; parts are the same row by the values of a dimension, each a dict with its `value`."""

    name: str
    kind: Literal["text", "date", "day", "flag", "count", "measure", "parts"]
    meaning: str


class ReportTable(NamedTuple):
    """A report's content: rows of values in the order of the columns, and details for JSON only."""

    rows: list[list[Any]]
    details: dict[str, Any]


def details_of(report: Any) -> dict[str, Any]:
    """What the reports of endpoints, errors and timings say besides their rows."""
    names = ("headline", "previous", "total", "days", "previous_days")
    return {name: getattr(report, name) for name in names}


class ReportExport(NamedTuple):
    """How a report is exported: as JSON and as CSV, with the same columns."""

    report: Report[Any]
    columns: tuple[Column, ...]
    table: Callable[[ReportFilters, Mapping[str, str]], ReportTable]
    extra: tuple[str, ...] = ()  # parameters that choose among the rows

    @property
    def name(self) -> str:
        return self.report.name
