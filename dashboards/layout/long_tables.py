"""Long tables: the first rows, and a link to all of them (`rows=all`)."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from django.http import HttpRequest

SHORT_TABLE = 14  # rows of days before “Show all”

Row = TypeVar("Row")


class ShowAll(NamedTuple):
    total: int
    address: str


def shortened(request: HttpRequest, rows: Sequence[Row]) -> tuple[Sequence[Row], ShowAll | None]:
    """The rows to show, and the link to all of them if some are left out."""
    if request.GET.get("rows") == "all" or len(rows) <= SHORT_TABLE:
        return rows, None
    query = request.GET.copy()
    query["rows"] = "all"
    return rows[:SHORT_TABLE], ShowAll(len(rows), f"?{query.urlencode()}")
