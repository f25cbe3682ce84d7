"""Tables made from event rows: erasure must reach them too. A new one is added to `DERIVED`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from analytics.erasure import links
from analytics.rollups.building import erasing as rollups
from consent.models import ErasureRequest


class Derived(Protocol):
    """What the module of such a table offers to erasure."""

    NAMES: set[tuple[str, str]]
    """Their columns (table, column) that hold pseudonyms."""

    def touched(self, cursor: Any, table: str, start: datetime, end: datetime) -> None:
        """Called in the transaction on `analytics` that deletes rows of `table` dated within [start, end)."""

    def erase(self, request: ErasureRequest) -> Mapping[str, int]:
        """Delete what is kept on the subject itself; returns rows by table. A second call finds nothing."""

    def is_left(self, request: ErasureRequest) -> bool:
        """Whether the subject's name is still there, except where newer rows brought it back."""


DERIVED: list[Derived] = [rollups, links]
