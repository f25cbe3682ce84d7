"""The parts of a report's rows by the values of a dimension, which stand beside each row."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from analytics.reports.by_dimension import by_value
from analytics.reports.catalogue import Report
from analytics.reports.cells import AndFewMore
from analytics.reports.filters import ReportFilters


def parts_by_row(
    report: Report[Any],
    filters: ReportFilters,
    key: Callable[[Any], Hashable],
    measures: Sequence[str],
    counted: str,
) -> dict[Hashable, list[dict[str, Any]]]:
    """By what `key` says a row is of: its `measures` for each value of the dimension asked for.

    `counted` names the number that may leave out what few people did.
    """
    parts: dict[Hashable, list[dict[str, Any]]] = {}
    for value, part in by_value(report.shown, filters):
        for row in part.rows if part else ():
            told = {name: getattr(row, name) for name in measures}
            few_more = isinstance(getattr(row, counted), AndFewMore)
            parts.setdefault(key(row), []).append({"value": value.value, **told, "few_more": few_more})
    return parts
