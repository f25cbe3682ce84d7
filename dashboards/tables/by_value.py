"""A report's rows beside the values of a dimension: a table with a column for each value."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from analytics.reports.by_dimension import OfValue
from analytics.reports.cells import Measure, Withheld

MOST_COLUMNS = 6


class ByValueRow(NamedTuple):
    """A row: what it is of, and its measure for each value (None: there is none)."""

    row: Any
    cells: list[Measure]


class ByValueTable(NamedTuple):
    values: list[str]  # in words
    rows: list[ByValueRow]


def by_value_table(
    rows: Sequence[Any],
    parts: Sequence[OfValue[Any]],
    key: Callable[[Any], Hashable],
    measure: Callable[[Any], Measure],
) -> ByValueTable | None:
    """`key` says what a row is of. Rows of few people are left out. None where there is nothing to tell."""
    rows = [row for row in rows if not isinstance(row.users, Withheld) or row.users is Withheld.GONE]
    if len(parts) < 2 or not rows:
        return None
    columns = [{key(row): measure(row) for row in part.report.rows} if part.report else {} for part in parts]
    values = [part.value.label for part in parts]
    return ByValueTable(values, [ByValueRow(row, [own.get(key(row)) for own in columns]) for row in rows])
