"""Counting distinct people over several days: a table with a row for each name, a column for each person."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from analytics.rollups.numbers import NOTHING, Flags, Numbers

NOBODY = 0  # the place of member 0, who is nobody, in the row of all names


class DayPlaces(NamedTuple):
    """The places of one day's people: those of `places` that are `chosen`, and `more`."""

    places: NDArray[np.int32] | Numbers
    chosen: Flags
    more: Numbers

    def each(self) -> tuple[Numbers, Numbers]:
        """All places. Unless few are chosen, NOBODY replaces the others: that takes a third of the time.

        Not kept: for every day, that would cost more in page faults than computing them again.
        """
        if np.count_nonzero(self.chosen) * 8 < len(self.chosen):
            return self.places[self.chosen].astype(np.int64), self.more
        return (self.places * self.chosen).astype(np.int64), self.more


class Places(Protocol):
    """Places of one day, in as many arrays as is convenient."""

    def each(self) -> tuple[Numbers, ...]: ...


NO_PLACES = DayPlaces(NOTHING, np.empty(0, dtype=np.bool_), NOTHING)


class SeenPeople:
    """For each row and person: whether they were there."""

    def __init__(self, length: int, width: int, days: int) -> None:
        self._last = np.zeros((length, width), dtype=self.kind(days))
        self._until, self._is_empty = 0, True

    def kind(self, days: int) -> DTypeLike:
        return np.bool_

    def enter(self, days: Sequence[Places], low: int, high: int) -> None:
        """Enter the columns from `low` (always the same) to `high` (exclusive; not lower than before)."""
        columns = range(max(self._until, low), min(high, len(days)))
        self._enter(days, columns)
        self._until, self._is_empty = max(high, low), self._is_empty and not columns

    def _enter(self, days: Sequence[Places], columns: range) -> None:
        last = self._last.reshape(-1)
        for column in columns:
            for places in days[column].each():
                last[places] = column + 1
        last[NOBODY] = 0

    def last(self, row: int) -> NDArray[Any]:
        """By person, in a row: what stands for the last day on which they were there; 0 for never."""
        last: NDArray[Any] = self._last[row]
        return last

    def first(self, row: int) -> NDArray[Any]:
        """The same of the first day, where it is kept."""
        return self.last(row)

    def distinct(self, rows: Sequence[int] | Numbers) -> Numbers:
        if self._is_empty:  # reading it would cost what filling it does
            return np.zeros(len(rows), dtype=np.int64)
        return np.array([np.count_nonzero(self._last[row]) for row in rows], dtype=np.int64)

    def repeated(self, rows: Sequence[int] | Numbers) -> Numbers:
        return np.zeros(len(rows), dtype=np.int64)


class SeenOnDays(SeenPeople):
    """For each row and person: the first and the last day on which they were there (its column + 1, or 0).

    Entering days in both directions is cheaper than checking each place for an earlier entry.
    """

    def __init__(self, length: int, width: int, days: int) -> None:
        super().__init__(length, width, days)
        self._first = np.zeros(self._last.shape, dtype=self._last.dtype)  # touches no memory yet

    def first(self, row: int) -> NDArray[Any]:
        first: NDArray[Any] = self._first[row]
        return first

    def kind(self, days: int) -> DTypeLike:
        return np.uint8 if days < np.iinfo(np.uint8).max else np.uint16  # the smaller, the faster

    def _enter(self, days: Sequence[Places], columns: range) -> None:
        first, is_begun = self._first.reshape(-1), self._until > 0
        super()._enter(days, columns)
        for column in reversed(columns):
            for places in days[column].each():
                first[places[first[places] == 0] if is_begun else places] = column + 1
        first[NOBODY] = 0

    def repeated(self, rows: Sequence[int] | Numbers) -> Numbers:
        """On two or more days."""
        if self._is_empty:
            return np.zeros(len(rows), dtype=np.int64)
        return np.array(
            [np.count_nonzero(self._first[row] != self._last[row]) for row in rows], dtype=np.int64
        )
