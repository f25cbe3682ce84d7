"""Counted events by name and day, as roll-ups hold them: those of several days that pass a filter."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.rollups.numbers import NEVER, NOTHING, Flags, Numbers
from analytics.rollups.reading.directory import NameNumbers
from analytics.rollups.reading.published import BY_DAY, DAYS_OF_LEVEL, WITHHELD, Levels

Name = tuple[str, str]


class Counted(NamedTuple):
    """The entries of one day: `row` is the row of an entry's name, `group` its cell or group."""

    arrays: dict[str, NDArray[Any]]

    @property
    def size(self) -> int:
        """Bytes, about."""
        return sum(values.nbytes for values in self.arrays.values())

    def chosen(self, which: NDArray[Any]) -> "Counted":
        return Counted({name: values[which] for name, values in self.arrays.items()})

    def levels(self, day: date, levels: Levels) -> Numbers:
        """By entry: its level. Under a filter by dimensions it was told when the entries were read."""
        told: Numbers | None = self.arrays.get("level")
        return levels(day, self.arrays["row"], self.arrays["group"]) if told is None else told


def merged(parts: Sequence[Mapping[date, Counted]]) -> dict[date, Counted]:
    """The entries of each day from several pieces."""
    days: dict[date, list[Counted]] = {}
    for part in parts:
        for day, entries in part.items():
            days.setdefault(day, []).append(entries)
    return {
        day: Counted(
            {name: np.concatenate([piece.arrays[name] for piece in pieces]) for name in pieces[0].arrays}
        )
        if len(pieces) > 1
        else pieces[0]
        for day, pieces in days.items()
    }


class Joined:
    """The entries of several days that pass a filter, each with its day's column.

    With `levels`, entries that their day does not publish are kept apart, as `rest`.
    """

    def __init__(
        self,
        days: list[date],
        counted: Mapping[date, Counted],
        groups: Flags,
        rows_asked: Flags,
        *names: str,
        levels: Levels | None = None,
    ) -> None:
        parts: dict[str, list[NDArray[Any]]] = {name: [NOTHING] for name in ("row", "day", "level", *names)}
        for column, day in enumerate(days):
            if (entries := counted.get(day)) is None:
                continue
            chosen = np.flatnonzero(groups[entries.arrays["group"]] & rows_asked[entries.arrays["row"]])
            parts["day"].append(np.full(len(chosen), column))
            for name in ("row", *names):
                parts[name].append(entries.arrays[name][chosen])
            if levels is not None:
                parts["level"].append(entries.chosen(chosen).levels(day, levels))
        self._columns = {name: np.concatenate(values) for name, values in parts.items()}
        self._shape = len(rows_asked), len(days)
        self.rest = Unpublished.nothing(len(rows_asked))
        if levels is not None:
            by_day = self["level"] == BY_DAY
            rest = {name: values[~by_day] for name, values in self._columns.items()}
            self.rest = Unpublished(rest, len(rows_asked), days)
            self._columns = {name: values[by_day] for name, values in self._columns.items()}
        self._place = self["row"] * len(days) + self["day"]

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._columns[name]

    def sums(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Sums by row and day."""
        length = self._shape[0] * self._shape[1]
        sums = np.bincount(self._place, weights=values, minlength=length).astype(np.float64)
        return sums.reshape(self._shape)

    def counts(self, values: NDArray[Any]) -> Numbers:
        """The same, for whole numbers."""
        return self.sums(values).astype(np.int64)


class Unpublished:
    """Entries that their day does not publish. Those of a block count where all of the block is asked for."""

    def __init__(self, columns: dict[str, NDArray[Any]], length: int, days: Sequence[date]) -> None:
        self._columns, self.length = columns, length
        level = columns["level"]
        ordinal = np.array([day.toordinal() for day in days], dtype=np.int64)[columns["day"]]
        width = DAYS_OF_LEVEL[level]
        before = (ordinal - 1) % np.maximum(width, 1)
        self._begin, self._end = columns["day"] - before, columns["day"] - before + width
        self._begin[level == WITHHELD] = NEVER

    @classmethod
    def nothing(cls, length: int) -> "Unpublished":
        return cls({"row": NOTHING, "day": NOTHING, "level": NOTHING}, length, [])

    def __len__(self) -> int:
        return len(self._columns["row"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._columns.get(name, NOTHING)

    def inside(self, low: int, high: int) -> Flags:
        """Which entries are of blocks that lie in the columns from `low` to `high` (exclusive)."""
        inside: Flags = (self._begin >= low) & (self._begin < NEVER) & (self._end <= high)
        return inside

    def left_out(self, low: int, high: int) -> Flags:
        """By row: whether it has an entry in these columns that does not count."""
        day = self["day"]
        left_out = np.zeros(self.length, dtype=np.bool_)
        left_out[self["row"][(day >= low) & (day < high) & ~self.inside(low, high)]] = True
        return left_out

    def sums(self, values: NDArray[Any], low: int, high: int) -> NDArray[np.float64]:
        """Sums by row of what counts in these columns."""
        inside = self.inside(low, high)
        sums = np.bincount(self["row"][inside], weights=values[inside], minlength=self.length)
        return sums.astype(np.float64)

    @property
    def rows(self) -> Flags:
        """By row: whether it has an entry."""
        rows = np.zeros(self.length, dtype=np.bool_)
        rows[self["row"]] = True
        return rows


def columns(days: Sequence[date], first: date, last: date) -> tuple[int, int]:
    """The columns of these days: from (inclusive) and to (exclusive)."""
    if not days:
        return 0, 0
    return max((first - days[0]).days, 0), max((last - days[0]).days + 1, 0)


def asked_for(rows: NameNumbers, only: Any) -> Flags:
    """By row: whether it is asked for. `only` is a name, or the first part of names."""
    asked = np.ones(len(rows), dtype=np.bool_)
    if only is not None:
        asked[:] = False
        asked[[row for name, row in rows.items() if row < len(asked) and only in (name, name[0])]] = True
    return asked


def named(rows: NameNumbers, chosen: Flags) -> tuple[list[Name], Numbers]:
    """The names whose rows are chosen, sorted, and these rows."""
    named = sorted((name, row) for name, row in rows.items() if row < len(chosen) and chosen[row])
    return [name for name, _ in named], np.array([row for _, row in named], dtype=np.int64)
