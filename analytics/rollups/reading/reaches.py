"""Reaches: under which filters each person counts, so that suppression can mark all of them together.

A *reach* is a bit for each of some segments: those in which a person counts. People of the same reach are in
the same figures. Only how many people have which reach is handed on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.rollups.numbers import NOTHING, Flags, Numbers, distinct
from analytics.rollups.reading.named_sets import Arranged, of_rows

MOST_SEGMENTS = 16
ONE_DAY = timedelta(days=1)
KINDS = 1 << MOST_SEGMENTS

Bits = NDArray[np.uint16]
NO_BITS: Bits = np.empty(0, dtype=np.uint16)


class Reaches(NamedTuple):
    """How many people have each reach: `people` has the shape (…, reaches)."""

    reach: Numbers
    people: Numbers


class SpanReaches(NamedTuple):
    """Of some days, by row: people; those who were there on two or more days in a segment, and the others."""

    seen: Reaches
    twice: Reaches
    once: Reaches


@dataclass(frozen=True)
class Reachable:
    """The reach of each member, by member's number; the first members of their persons apart."""

    bits: Bits
    of_firsts: Bits  # 0 for members that are not the first of their person

    @classmethod
    def of(cls, bits: Bits, is_other: Flags) -> "Reachable":
        return cls(bits, np.where(is_other, 0, bits).astype(np.uint16))


class _ReachNumbers:
    """Small numbers for the reaches that occur."""

    def __init__(self) -> None:
        self._number = np.full(KINDS, -1)
        self.reach: list[int] = []

    def of(self, bits: Bits) -> Numbers:
        numbers: Numbers = self._number.take(bits)
        if (numbers < 0).any():
            for reach in distinct(bits[numbers < 0]).tolist():
                self._number[reach] = len(self.reach)
                self.reach.append(reach)
            numbers = self._number.take(bits)
        return numbers


def reaches_of_members(days: Iterable[Numbers], person: Numbers, reachable: Reachable) -> Reaches:
    """Of everybody who was there on some days. `person`: the person that each member is."""
    present = np.zeros(len(person), dtype=np.bool_)
    for members in days:
        present[members] = True
    member = np.flatnonzero(present)
    bits = np.zeros(len(person), dtype=np.uint16)
    np.bitwise_or.at(bits, person[member], reachable.bits[member])
    counted = np.bincount(bits[bits > 0], minlength=1)
    reach = np.flatnonzero(counted)
    return Reaches(reach, counted[reach])


class RowReaches:
    """Reaches by row and day, and by row in spans of days: of features or of endpoints."""

    def __init__(
        self,
        days: Sequence[date],
        arranged: Mapping[date, Arranged],
        rows: Numbers,
        length: int,
        width: int,
        reachable: Reachable,
    ) -> None:
        self.days, self._rows = days, rows
        self._length, self._width, self._reachable = length, width, reachable
        self._arranged = [arranged.get(day) for day in days]
        if len(rows) == 1:
            asked = np.zeros(length, dtype=np.bool_)
            asked[rows] = True
            self._arranged = [day and of_rows(day, asked, width) for day in self._arranged]

    def daily(self) -> Reaches:
        """Shape (rows, days, reaches)."""
        kinds, counted = _ReachNumbers(), []
        for day in self._arranged:
            place, bits = (NOTHING, NO_BITS) if day is None else _of_day(day, self._width, self._reachable)
            counted.append((place // self._width, kinds.of(bits)))
        people = np.zeros((len(self._rows), len(self.days), len(kinds.reach)), dtype=np.int64)
        for column, (row, kind) in enumerate(counted):
            people[:, column] = _table(row, kind, self._length, len(kinds.reach))[self._rows]
        return Reaches(np.array(kinds.reach, dtype=np.int64), people)

    def spans(self, *spans: tuple[date, date], repeated: bool) -> list[SpanReaches]:
        """Of several spans. Shapes (rows, reaches).

        Of spans that begin on the same day only the longest costs time. Without `repeated`, only `seen`
        is counted.
        """
        by_span = {}
        for _, beginning_together in groupby(sorted(set(spans)), key=itemgetter(0)):
            seen = np.zeros(self._length * self._width, dtype=np.uint16)
            twice = np.zeros_like(seen) if repeated else None
            until = None
            for span in beginning_together:
                low, high = (max((day - self.days[0]).days, 0) for day in (span[0], span[1] + ONE_DAY))
                for day in self._arranged[low if until is None else until : high]:
                    if day is not None:
                        self._enter(day, seen, twice)
                until = max(low, high)
                by_span[span] = self._counted(seen, twice)
        return [by_span[span] for span in spans]

    def _enter(self, day: Arranged, seen: Bits, twice: Bits | None) -> None:
        place, bits = _of_day(day, self._width, self._reachable)
        before = seen[place]
        if twice is not None:
            twice[place] |= before & bits
        seen[place] = before | bits

    def _counted(self, seen: Bits, twice: Bits | None) -> SpanReaches:
        place = np.flatnonzero(seen)
        row, bits = place // self._width, seen[place]
        of_seen = self._by_row(row, bits)
        if twice is None:
            nobody = Reaches(NOTHING, np.zeros((len(self._rows), 0), dtype=np.int64))
            return SpanReaches(of_seen, nobody, nobody)
        again = twice[place]
        return SpanReaches(of_seen, self._by_row(row, again), self._by_row(row, bits & ~again))

    def _by_row(self, row: Numbers, bits: Bits) -> Reaches:
        kinds, counted = _ReachNumbers(), bits > 0
        kind = kinds.of(bits[counted])
        people = _table(row[counted], kind, self._length, len(kinds.reach))[self._rows]
        return Reaches(np.array(kinds.reach, dtype=np.int64), people)


def _table(row: Numbers, kind: Numbers, length: int, kinds: int) -> Numbers:
    """How often each kind occurs in each row."""
    return np.bincount(row * kinds + kind, minlength=length * kinds).reshape(length, kinds)


def _of_day(day: Arranged, width: int, reachable: Reachable) -> tuple[Numbers, Bits]:
    """The places of a day's people, each once in a row, and their reaches."""
    bits = reachable.of_firsts.take(day.places & (width - 1))
    chosen = np.flatnonzero(bits)
    place, bits = day.places[chosen].astype(np.int64), bits[chosen]
    other_bits = reachable.bits[day.others]
    if not other_bits.any():
        return place, bits
    with_others = distinct(day.other_places[other_bits > 0])
    together = np.zeros(len(with_others), dtype=np.uint16)
    nearest = np.minimum(np.searchsorted(with_others, place), len(with_others) - 1)
    is_among = with_others[nearest] == place
    together[nearest[is_among]] = bits[is_among]
    counted = other_bits > 0
    number = np.searchsorted(with_others, day.other_places[counted])
    np.bitwise_or.at(together, number, other_bits[counted])
    return np.concatenate([place[~is_among], with_others]), np.concatenate([bits[~is_among], together])
