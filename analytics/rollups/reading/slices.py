"""Slices: the parts of a day that a filter by dimensions asks for, read as if there were no other events.

A filter is resolved while contents are decoded: what comes out has the form of the whole day's content, so
that nothing behind knows of slices.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap, BitMap64

from analytics.rollups.layout import KEY_SHIFT, SETS_OF_MEMBERS
from analytics.rollups.numbers import NOTHING, Flags, Numbers, distinct
from analytics.rollups.packing import unpack

Dimensions = tuple[tuple[str, str], ...]  # each dimension asked for, and its value; '': not reported

SLICE = "slice"
# Of entries that differ in their slice alone:
SUMMED = ("count", "known", "total_ms", "with_memory", "memory_mb")


class Unpacked(NamedTuple):
    """A content as it was packed; `numbers` are those of its bitmap, ascending."""

    names: list[tuple[str, ...]]
    numbers: Numbers
    arrays: dict[str, NDArray[Any]]


@dataclass(frozen=True)
class DaySlices:
    """A day's dimensions, and its slices: their values in the same order."""

    dimensions: tuple[str, ...]
    values: Sequence[tuple[str, ...]]

    @property
    def size(self) -> int:
        """Bytes, about."""
        return 100 * len(self.values)

    def inside(self, asked: Dimensions) -> Flags:
        """By the slice's number: whether it has all of these values. None has that of a dimension by which
        the day is not counted (yet)."""
        inside = np.ones(len(self.values), dtype=np.bool_)
        for name, value in asked:
            if name not in self.dimensions:
                return np.zeros(len(self.values), dtype=np.bool_)
            place = self.dimensions.index(name)
            inside &= np.array([values[place] == value for values in self.values], dtype=np.bool_)
        return inside


def unpacked(content: bytes, *, of_members: bool = False) -> Unpacked:
    """`of_members`: the bitmap has 32 bits, as that of a whole day's members."""
    names, bitmap, arrays = unpack(content)
    if not bitmap:
        return Unpacked(names, NOTHING, arrays)
    if of_members:
        numbers = np.frombuffer(BitMap.deserialize(bitmap).to_array(), dtype=np.uint32)
    else:
        numbers = np.frombuffer(BitMap64.deserialize(bitmap).to_array(), dtype=np.uint64)
    return Unpacked(names, numbers.astype(np.int64), arrays)


def decode_slices(content: bytes) -> DaySlices:
    (dimensions, *values), _, _ = unpack(content)
    return DaySlices(dimensions, values)


def part_of(kind: str, whole: Unpacked, inside: Flags) -> Unpacked:
    """What lies in some slices of a day's twin content, in the form of `kind`."""
    if SLICE in whole.arrays:
        return _part_of_entries(kind, whole, inside)
    if kind in SETS_OF_MEMBERS:
        members = whole.numbers & (1 << KEY_SHIFT) - 1
        return _once([], members, whole.arrays, inside[whole.numbers >> KEY_SHIFT])
    number = np.array([int(name[-1]) for name in whole.names], dtype=np.int64)
    names = sorted(
        {name[:-1] for name, is_inside in zip(whole.names, inside[number], strict=True) if is_inside}
    )
    place = {name: row for row, name in enumerate(names)}
    rows = np.array([place.get(name[:-1], -1) for name in whole.names], dtype=np.int64)
    row = whole.numbers >> KEY_SHIFT
    pairs = rows[row] << KEY_SHIFT | whole.numbers & (1 << KEY_SHIFT) - 1
    return _once(names, pairs, whole.arrays, inside[number[row]])


def _once(
    names: list[tuple[str, ...]], numbers: Numbers, arrays: dict[str, NDArray[Any]], chosen: Flags
) -> Unpacked:
    """The chosen numbers, each once, with the sum of its counts."""
    numbers = numbers[chosen]
    if not arrays:
        return Unpacked(names, distinct(numbers), {})
    order, starts = _alike(numbers)
    sums = {name: _summed(values[chosen], order, starts) for name, values in arrays.items()}
    return Unpacked(names, numbers[order[starts]], sums)


def _part_of_entries(kind: str, whole: Unpacked, inside: Flags) -> Unpacked:
    chosen = inside[whole.arrays[SLICE]]
    arrays = {name: values[chosen] for name, values in whole.arrays.items() if name != SLICE}
    if kind == "session":  # whose parts reports join anyway
        return Unpacked(whole.names, NOTHING, arrays)
    order, starts = _alike(_combined([values for name, values in arrays.items() if name not in SUMMED]))
    together = {
        name: _summed(values, order, starts) if name in SUMMED else values[order[starts]]
        for name, values in arrays.items()
    }
    return Unpacked(whole.names, NOTHING, together)


def _combined(columns: Sequence[Numbers]) -> Numbers:
    """One number for each combination of the columns' values."""

    def with_(number: Numbers, column: Numbers) -> Numbers:
        low = int(column.min(initial=0))
        return number * (int(column.max(initial=0)) - low + 1) + (column - low)

    return reduce(with_, columns)


def _alike(values: Numbers) -> tuple[Numbers, Numbers]:
    """Their order, and where in it each value begins: `np.unique` takes more than twice as long."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    begins = np.ones(len(ordered), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=begins[1:])
    return order, np.flatnonzero(begins)


def _summed(values: NDArray[Any], order: Numbers, starts: Numbers) -> NDArray[Any]:
    return np.add.reduceat(values[order], starts) if len(starts) else values[:0]
