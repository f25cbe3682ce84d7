"""Presence: who was there on which days, with a bit for each person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from analytics.rollups.numbers import Flags, Numbers

Words = NDArray[np.uint64]


def popcount(words: Words, axis: int = -1) -> Numbers:
    """How many bits are set along an axis."""
    counts: Numbers = np.bitwise_count(words).sum(axis=axis, dtype=np.int64)
    return counts


def to_words(numbers: Numbers, words: int) -> Words:
    """A bit for each of the numbers."""
    flags = np.zeros(words * 64, dtype=np.bool_)
    flags[numbers] = True
    return np.packbits(flags, bitorder="little").view(np.uint64)


def words_of(flags: Flags) -> Words:
    """A bit for each of the flags."""
    padded = np.zeros(-(-len(flags) // 64) * 64, dtype=np.bool_)
    padded[: len(flags)] = flags
    return np.packbits(padded, bitorder="little").view(np.uint64)


@dataclass(frozen=True)
class Presence:
    """Who was there on which days: a row of `bits` for each day from `first` on, a bit for each person."""

    first: date
    bits: Words  # shape (days, words)

    @property
    def length(self) -> int:
        """Days."""
        return len(self.bits)

    def column(self, day: date) -> int:
        return (day - self.first).days

    def span(self, first: date, last: date) -> Words:
        """The rows of the days from `first` to `last`, as far as there are any."""
        return self.bits[max(self.column(first), 0) : max(self.column(last) + 1, 0)]

    def daily(self) -> Numbers:
        return popcount(self.bits)

    def union(self, first: date, last: date) -> Words:
        """Everybody who was there on any of these days."""
        union: Words = np.bitwise_or.reduce(self.span(first, last), axis=0)
        return union

    def distinct(self, first: date, last: date) -> int:
        return int(popcount(self.union(first, last)))

    def windows(self, widths: Sequence[int], first: date, last: date) -> dict[int, Numbers]:
        """By width in days: distinct people in the window that ends on each day from `first` to `last`."""
        counts = {}
        columns = np.arange(self.column(first), self.column(last) + 1)
        inside = (columns >= 0) & (columns < self.length)
        reach, joined = 1, self.bits
        for width in sorted(widths):
            while reach * 2 <= width:
                reach, joined = reach * 2, _with_earlier(joined, reach)
            united = _with_earlier(joined, width - reach) if width > reach else joined
            counts[width] = np.zeros(len(columns), dtype=np.int64)
            counts[width][inside] = popcount(united[columns[inside]])
        return counts


def _with_earlier(rows: Words, shift: int) -> Words:
    """Each row together with the one `shift` rows before it."""
    joined = rows.copy()
    joined[shift:] |= rows[:-shift]
    return joined
