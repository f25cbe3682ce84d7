"""Reaches: under which filters each person counts, so that suppression can mark all of them together.

A *reach* is a bit for each of some segments: those in which a person counts. People of the same reach are in
the same figures. Only how many people have which reach is handed on.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.rollups.numbers import NOTHING, Flags, Numbers, distinct
from analytics.rollups.reading.named_sets import Arranged, of_rows
from analytics.rollups.reading.seen import SeenOnDays, SeenPeople

MOST_SEGMENTS = 16
ONE_DAY = timedelta(days=1)
RARE = 16  # a kind of fewer than one in so many members is looked up by their numbers

Bits = NDArray[np.uint16]
Span = tuple[date, date]


class Reaches(NamedTuple):
    """How many people have each reach: `people` has the shape (…, reaches)."""

    reach: Numbers
    people: Numbers

    def inside(self, number: int) -> Numbers:
        """How many count in the segment of this number: shape (…)."""
        count: Numbers = self.people[..., (self.reach >> number & 1).astype(np.bool_)].sum(axis=-1)
        return count


class SpanReaches(NamedTuple):
    """Of some days, by row: everybody; those who were there on two or more days, and the others."""

    seen: Reaches
    twice: Reaches | None = None
    once: Reaches | None = None


class DayReaches(NamedTuple):
    """Of one day: how many people of each row have each reach; `people` has the shape (rows, reaches)."""

    rows: Numbers
    reach: Numbers
    people: Numbers

    @property
    def size(self) -> int:
        """Bytes."""
        return self.rows.nbytes + self.reach.nbytes + self.people.nbytes


class Reachable:
    """The reach of each member, by member's number, and the persons who are several members."""

    def __init__(self, bits: Bits, person: Numbers) -> None:
        self.bits, self.person = bits, person
        counted = np.flatnonzero(bits)
        members = np.bincount(person[counted], minlength=len(person))
        self.of_singles = np.where(members[person] > 1, 0, bits).astype(np.uint16)
        several = counted[members[person[counted]] > 1]
        self.several = several[np.argsort(person[several], kind="stable")]  # members, person by person
        begins = np.diff(person[self.several], prepend=-1) != 0
        self.whose = np.cumsum(begins) - 1  # by place in `several`: which of the persons
        self.persons = int(np.count_nonzero(begins))

    @cached_property
    def kinds(self) -> list[tuple[int, Numbers | Flags]]:
        """The reaches of people who are one member, each with these members: as flags, or numbers if few."""
        kinds: list[tuple[int, Numbers | Flags]] = []
        for reach in np.flatnonzero(np.bincount(self.of_singles)).tolist():
            if reach:
                flags = self.of_singles == reach
                is_rare = np.count_nonzero(flags) * RARE < len(flags)
                kinds.append((reach, np.flatnonzero(flags) if is_rare else flags))
        return kinds


def reaches_of_members(days: Iterable[Numbers], reachable: Reachable) -> Reaches:
    """Of everybody who was there on some days."""
    present = np.zeros(len(reachable.bits), dtype=np.bool_)
    for members in days:
        present[members] = True
    bits = np.where(present, reachable.of_singles, 0)
    counted = np.bincount(bits, minlength=1)
    together = _Several(present[np.newaxis, reachable.several], reachable).bits
    more = np.bincount(together, minlength=len(counted))
    more[: len(counted)] += counted
    more[0] = 0
    reach = np.flatnonzero(more)
    return Reaches(reach, more[reach])


class _Several:
    """Persons who are several members, as far as they were there: `row` and `bits` (reach) of each.

    `present` has the shape (rows, members).
    """

    def __init__(self, present: Flags, reachable: Reachable) -> None:
        row, place = np.nonzero(present)
        key = row * max(reachable.persons, 1) + reachable.whose[place]
        self._starts = np.flatnonzero(np.diff(key, prepend=-1))
        self._entry = row, place
        self._bits = reachable.bits[reachable.several[place]]
        self.row = row[self._starts]
        self.bits: Bits = np.bitwise_or.reduceat(self._bits, self._starts) if len(row) else self._bits

    def again(self, on_first: NDArray[Any], on_last: NDArray[Any]) -> Bits:
        """In which segments they were there on two or more days: shape of `bits`. By row and member: what
        stands for the first and the last day."""
        again = np.zeros(len(self.bits), dtype=np.uint16)
        if not len(again):
            return again
        first, last = on_first[self._entry], on_last[self._entry]
        never = np.iinfo(first.dtype).max
        for number in range(int(self._bits.max()).bit_length()):
            inside = (self._bits >> np.uint16(number) & 1).astype(np.bool_)
            begin = np.minimum.reduceat(np.where(inside, first, never), self._starts)
            end = np.maximum.reduceat(np.where(inside, last, 0), self._starts)
            again |= ((end > 0) & (begin != end)).astype(np.uint16) << np.uint16(number)
        return again


def reaches_of_day(day: Arranged, width: int, reachable: Reachable) -> DayReaches:
    """By the rows of a day."""
    member = day.places & (width - 1)
    number = np.repeat(np.arange(len(day.rows)), np.diff([*day.starts, len(day.places)]))
    single = reachable.of_singles[member]
    other = np.flatnonzero((single == 0) & (reachable.bits[member] > 0))
    whose = number[other] * width + reachable.person[member[other]]
    persons, place = np.unique(whose, return_inverse=True)
    bits = np.zeros(len(persons), dtype=np.uint16)
    np.bitwise_or.at(bits, place, reachable.bits[member[other]])
    counted = np.flatnonzero(single)
    row = np.concatenate([number[counted], persons // width])
    reach, kind = np.unique(np.concatenate([single[counted], bits]), return_inverse=True)
    return DayReaches(day.rows, reach.astype(np.int64), _table(row, kind, len(day.rows), len(reach)))


def _table(row: Numbers, kind: Numbers, length: int, kinds: int) -> Numbers:
    """How often each kind occurs in each row."""
    return np.bincount(row * kinds + kind, minlength=length * kinds).reshape(length, kinds)


def by_day(days: Sequence[date], counted: Mapping[date, DayReaches], rows: Numbers) -> Reaches:
    """Of some rows on each of the days: shape (rows, days, reaches)."""
    reach = distinct(np.concatenate([NOTHING, *(day.reach for day in counted.values())]))
    people = np.zeros((int(rows.max(initial=0)) + 1, len(days), len(reach)), dtype=np.int64)
    for column, day in enumerate(days):
        if (own := counted.get(day)) is not None:
            known = own.rows < len(people)
            people[own.rows[known][:, np.newaxis], column, np.searchsorted(reach, own.reach)] = own.people[
                known
            ]
    return Reaches(reach, people[rows])


class _AllPlaces(NamedTuple):
    """The places of one day's members, whoever they are."""

    places: NDArray[np.int32] | Numbers

    def each(self) -> tuple[Numbers]:
        return (self.places.astype(np.int64),)


class RowReaches:
    """Reaches by row in spans of days: of features or of endpoints."""

    def __init__(
        self,
        days: Sequence[date],
        arranged: Mapping[date, Arranged],
        rows: Numbers,
        length: int,
        width: int,
        reachable: Reachable,
    ) -> None:
        self._days, self._rows, self._reachable = days, rows, reachable
        self._length, self._width = length, width
        own = [arranged.get(day) for day in days]
        if len(rows) == 1:
            asked = np.zeros(length, dtype=np.bool_)
            asked[rows] = True
            own = [day and of_rows(day, asked, width) for day in own]
        self._places = [_AllPlaces(NOTHING if day is None else day.places) for day in own]

    def spans(self, spans: Sequence[Span], repeated: Iterable[Span] = ()) -> list[SpanReaches]:
        """Of several spans. Shapes (rows, reaches). Only for those `repeated`, who was there twice.

        Of spans that begin on the same day only the longest costs time.
        """
        by_span, repeated = {}, set(repeated)
        for begin, beginning_together in groupby(sorted(set(spans)), key=itemgetter(0)):
            is_repeated = any(first == begin for first, _ in repeated)
            table = (SeenOnDays if is_repeated else SeenPeople)(self._length, self._width, len(self._days))
            for first, last in beginning_together:
                low, high = (max((day - self._days[0]).days, 0) for day in (first, last + ONE_DAY))
                table.enter(self._places, low, high)
                by_span[first, last] = self._counted(table, (first, last) in repeated)
        return [by_span[span] for span in spans]

    def _counted(self, table: SeenPeople, repeated: bool) -> SpanReaches:
        several = self._reachable.several
        seen, on_last = [], []
        seen_twice, on_first = [], []
        for row in self._rows.tolist():
            last = table.last(row)
            seen.append(self._singles(last > 0))
            on_last.append(last[several])
            if repeated:
                first = table.first(row)
                seen_twice.append(self._singles(first != last))
                on_first.append(first[several])
        there = _Several(np.array(on_last) > 0, self._reachable)
        together = self._joined(np.array(seen), there.row, there.bits)
        if not repeated:
            return SpanReaches(together)
        again, once = (
            there.again(np.array(on_first), np.array(on_last)),
            np.array(seen) - np.array(seen_twice),
        )
        return SpanReaches(
            together,
            self._joined(np.array(seen_twice), there.row, again),
            self._joined(once, there.row, there.bits & ~again),
        )

    def _singles(self, flags: Flags) -> list[int]:
        """How many of each kind are flagged, of people who are one member."""
        own = flags[: len(self._reachable.bits)]
        return [
            int(np.count_nonzero(own & members if members.dtype == np.bool_ else own[members]))
            for _, members in self._reachable.kinds
        ]

    def _joined(self, singles: Numbers, row: Numbers, bits: Bits) -> Reaches:
        """With people who are several members, by their row and reach."""
        own = np.array([reach for reach, _ in self._reachable.kinds], dtype=np.int64)
        found = np.flatnonzero(np.bincount(bits, minlength=1))
        reach = distinct(np.concatenate([own, found[found > 0]]))
        people = np.zeros((len(self._rows), len(reach)), dtype=np.int64)
        people[:, np.searchsorted(reach, own)] = singles.reshape(len(self._rows), len(own))
        kind = np.searchsorted(reach, bits)
        counted = bits > 0
        return Reaches(reach, people + _table(row[counted], kind[counted], len(self._rows), len(reach)))
