"""Sets of people by day, as bits (a set for each day) and as numbers (a set for each name and day)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from analytics.rollups.numbers import Numbers, distinct
from analytics.rollups.reading.cache import Members, Rows

Words = NDArray[np.uint64]
Flags = NDArray[np.bool_]
Key = TypeVar("Key")

MOST_INT32 = 1 << 31
NOTHING = np.empty(0, dtype=np.int64)


def popcount(words: Words, axis: int = -1) -> Numbers:
    """How many bits are set along an axis."""
    counts: Numbers = np.bitwise_count(words).sum(axis=axis, dtype=np.int64)
    return counts


def to_words(numbers: Numbers, words: int) -> Words:
    """A bit for each of the numbers."""
    flags = np.zeros(words * 64, dtype=np.bool_)
    flags[numbers] = True
    return np.packbits(flags, bitorder="little").view(np.uint64)


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
        """The rows of these days, as far as there are any."""
        return self.bits[max(self.column(first), 0) : max(self.column(last) + 1, 0)]

    def daily(self) -> Numbers:
        return popcount(self.bits)

    def union(self, first: date, last: date) -> Words:
        """Everybody of these days."""
        union: Words = np.bitwise_or.reduce(self.span(first, last), axis=0)
        return union

    def distinct(self, first: date, last: date) -> int:
        return int(popcount(self.union(first, last)))

    def windows(self, widths: Sequence[int], first: date, last: date) -> dict[int, Numbers]:
        """By width: distinct people in so many days that end on each day from `first` to `last`."""
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


@dataclass(frozen=True)
class Sets(Generic[Key]):
    """A day's members by name: those of `keys[i]` begin at `starts[i]`. `count` goes with them, if kept."""

    keys: list[Key]
    starts: Numbers  # one more than keys
    members: Numbers
    count: Numbers | None = None

    @property
    def size(self) -> int:
        """Bytes, about."""
        return self.members.nbytes * (2 if self.count is not None else 1) + 200 * len(self.keys)


@dataclass(frozen=True)
class Crowd:
    """Who counts, by member's number, and as which person."""

    person: Numbers
    counts: Flags
    firsts: Flags  # of those who count, the first members of their persons
    left: Flags  # would count, but have withdrawn


EVERYBODY = 0  # the row of all names together
NOBODY = 0  # the place there of member 0, who is nobody


@dataclass(frozen=True)
class Arranged:
    """Members of one day by name, as places in a table with a row for each name and a column for each member.

    Members that are not the first one of their person (a few in a hundred) are entered once more: `others`.
    """

    rows: Numbers  # of each name: its row
    starts: Numbers  # one more than rows
    places: NDArray[np.int32] | Numbers
    count: Numbers | None
    others: Numbers
    other_places: Numbers  # their persons'
    with_first: Flags  # whether the first member of their person is there under the same name

    @property
    def size(self) -> int:
        """Bytes, about."""
        kept = (self.places, self.starts, self.others, self.other_places, self.with_first)
        return sum(values.nbytes for values in kept) + (0 if self.count is None else self.count.nbytes)


def arranged(sets: Sets[Any], rows: Rows, members: Members, width: int, *, everybody: bool) -> Arranged:
    """As `Arranged`. `everybody` adds a set of all of them under the row EVERYBODY."""
    numbers, row = sets.members, rows.of(sets.keys)
    some = np.flatnonzero(np.diff(sets.starts))
    row, starts = row[some], np.append(sets.starts[some], len(numbers))
    if everybody and len(numbers):
        starts = np.append(starts, len(numbers) + len(all_of_them := distinct(numbers)))
        numbers = np.concatenate([numbers, all_of_them])
        row = np.append(row, EVERYBODY)
    of_entry = np.repeat(row, np.diff(starts))
    places = of_entry * width + numbers
    others = np.flatnonzero(members.is_other[numbers])
    other_places = of_entry[others] * width + members.person[numbers[others]]
    ordered = places if len(row) < 2 or (np.diff(row) > 0).all() else np.sort(places)
    found = np.minimum(np.searchsorted(ordered, other_places), max(len(ordered) - 1, 0))
    return Arranged(
        rows=row,
        starts=starts[:-1],
        places=places.astype(np.int32) if len(rows) * width < MOST_INT32 else places,
        count=sets.count,
        others=numbers[others],
        other_places=other_places,
        with_first=ordered[found] == other_places,
    )


class Span(NamedTuple):
    """Distinct people in some days: of each key, of each key on two or more of them, of all keys together.

    A key is deserted where people were there, and all have withdrawn.
    """

    distinct: Numbers
    repeated: Numbers
    together: int
    deserted: Flags
    all_deserted: bool


class People(Generic[Key]):
    """Who did what on which days: distinct people for each key."""

    def __init__(
        self,
        days: list[date],
        arranged: dict[date, Arranged],
        rows: Rows,
        crowd: Crowd,
        width: int,
        *,
        chosen: Callable[[Key], bool] | None = None,
    ) -> None:
        self.days = days
        self._width = width
        self._length = len(rows)
        self._daily = np.zeros((self._length, len(days)), dtype=np.int64)
        self._events = np.zeros_like(self._daily)
        self._deserted = np.zeros(self._daily.shape, dtype=np.bool_)
        self._somebody_left = crowd.left.any()
        self._there: list[_There] = []
        names = rows.items()[: self._length - 1]
        wanted = np.ones(self._length, dtype=np.bool_)
        if chosen is not None:
            wanted[:] = False
            wanted[[row for key, row in names if chosen(key)]] = True
        present = np.zeros(self._length, dtype=np.bool_)
        for column, day in enumerate(days):
            some = arranged.get(day)
            if some is not None and chosen is not None:
                some = _of_rows(some, wanted, width)
            if some is None or not len(some.rows):
                self._there.append(NOBODY_THERE)
                continue
            present[some.rows] = True
            self._there.append(self._counted(some, crowd, column))
        named = sorted((key, row) for key, row in names if present[row])
        self.keys: list[Key] = [key for key, _ in named]
        self._rows = np.array([row for _, row in named], dtype=np.int64)

    def _counted(self, some: Arranged, crowd: Crowd, column: int) -> "_There":
        """The places of a day's people, each person once a row; enters how many they are."""
        member = some.places & (self._width - 1)
        is_first = crowd.firsts.take(member)
        self._daily[some.rows, column] = np.add.reduceat(is_first, some.starts, dtype=np.int32)
        if some.count is not None:
            events = some.count * crowd.counts.take(member)
            self._events[some.rows, column] = np.add.reduceat(events, some.starts)
        more = NOTHING
        person = some.other_places & (self._width - 1)
        alone = crowd.counts[some.others] & ~(some.with_first & crowd.counts[person])
        if alone.any():
            more = distinct(some.other_places[alone])
            np.add.at(self._daily[:, column], more // self._width, 1)
        nobody = self._daily[some.rows, column] == 0
        if self._somebody_left and nobody.any():
            has_left = np.logical_or.reduceat(crowd.left.take(member), some.starts)
            self._deserted[some.rows[nobody & has_left], column] = True
        return _There(some.places, is_first, more)

    def daily(self) -> Numbers:
        """Shape (keys, days)."""
        return self._daily[self._rows]

    def daily_deserted(self) -> Flags:
        """Shape (keys, days): see `Span`."""
        return self._deserted[self._rows]

    def daily_together(self) -> Numbers:
        """Of all keys together."""
        daily: Numbers = self._daily[EVERYBODY]
        return daily

    def daily_all_deserted(self) -> Flags:
        deserted: Flags = self._deserted[EVERYBODY]
        return deserted

    def events(self, first: date, last: date) -> Numbers:
        """Events of these people, of each key, where they are kept."""
        low, high = self._columns(first, last)
        events: Numbers = self._events[self._rows, low:high].sum(axis=1)
        return events

    def distinct(self, first: date, last: date) -> Numbers:
        """Of each key, on any of these days."""
        return self.spans((first, last), repeated=False)[0].distinct

    def spans(self, *spans: tuple[date, date], repeated: bool = True) -> list[Span]:
        """Of several spans at once: of those that begin on the same day only the longest costs time.

        Without `repeated` that is left 0, and it costs half as much.
        """
        found: dict[tuple[date, date], Span] = {}
        for _, some in groupby(sorted(set(spans)), key=itemgetter(0)):
            table = (_Days if repeated else _Seen)(self._length, self._width, len(self.days))
            for span in some:
                low, high = self._columns(*span)
                table.enter(self._there, low, high)
                counts, (together,) = table.distinct(self._rows), table.distinct([EVERYBODY])
                deserted: Flags = np.logical_or.reduce(self._deserted[:, low:high], axis=1)
                found[span] = Span(
                    counts,
                    table.repeated(self._rows),
                    int(together),
                    deserted[self._rows] & (counts == 0),
                    bool(deserted[EVERYBODY] and not together),
                )
        return [found[span] for span in spans]

    def _columns(self, first: date, last: date) -> tuple[int, int]:
        """The columns of these days: from (inclusive) and to (exclusive)."""
        if not self.days:
            return 0, 0
        return max((first - self.days[0]).days, 0), max((last - self.days[0]).days + 1, 0)


def _of_rows(some: Arranged, wanted: Flags, width: int) -> Arranged | None:
    """What there is of these rows, whose names lie side by side."""
    chosen = np.flatnonzero(wanted[some.rows])
    if not len(chosen):
        return None
    low, high = int(chosen[0]), int(chosen[-1]) + 1
    ends = np.append(some.starts, len(some.places))
    part, own = slice(ends[low], ends[high]), wanted[some.other_places // width]
    return Arranged(
        rows=some.rows[low:high],
        starts=some.starts[low:high] - ends[low],
        places=some.places[part],
        count=None if some.count is None else some.count[part],
        others=some.others[own],
        other_places=some.other_places[own],
        with_first=some.with_first[own],
    )


class _There(NamedTuple):
    """The places of a day's people: the `chosen` ones of `places`, and `more`."""

    places: NDArray[np.int32] | Numbers
    chosen: Flags
    more: Numbers

    def each(self) -> tuple[Numbers, Numbers]:
        """All of them. Where the chosen are not few, NOBODY stands for the others: that costs a third.

        Made anew each time: kept for every day, they took more time in page faults than in their making.
        """
        if np.count_nonzero(self.chosen) * 8 < len(self.chosen):
            return self.places[self.chosen].astype(np.int64), self.more
        return (self.places * self.chosen).astype(np.int64), self.more


NOBODY_THERE = _There(NOTHING, np.empty(0, dtype=np.bool_), NOTHING)


class _Seen:
    """For each row and person whether they were there."""

    def __init__(self, length: int, width: int, days: int) -> None:
        self._last = np.zeros((length, width), dtype=self.kind(days))
        self._until, self._is_empty = 0, True

    def kind(self, days: int) -> DTypeLike:
        return np.bool_

    def enter(self, there: list[_There], low: int, high: int) -> None:
        """The columns from `low` (always the same) to `high` (exclusive; not lower than before)."""
        columns = range(max(self._until, low), min(high, len(there)))
        self._enter(there, columns)
        self._until, self._is_empty = max(high, low), self._is_empty and not columns

    def _enter(self, there: list[_There], columns: range) -> None:
        last = self._last.reshape(-1)
        for column in columns:
            for places in there[column].each():
                last[places] = column + 1
        last[NOBODY] = 0

    def distinct(self, rows: Sequence[int] | Numbers) -> Numbers:
        if self._is_empty:  # reading it would cost what filling it does
            return np.zeros(len(rows), dtype=np.int64)
        return np.array([np.count_nonzero(self._last[row]) for row in rows], dtype=np.int64)

    def repeated(self, rows: Sequence[int] | Numbers) -> Numbers:
        return np.zeros(len(rows), dtype=np.int64)


class _Days(_Seen):
    """For each row and person the first and the last day on which they were there: its column and one, or 0.

    Entering days in both directions is cheaper than asking of each place whether it was entered before.
    """

    def __init__(self, length: int, width: int, days: int) -> None:
        super().__init__(length, width, days)
        self._first = np.zeros(self._last.shape, dtype=self._last.dtype)  # touches no memory yet

    def kind(self, days: int) -> DTypeLike:
        return np.uint8 if days < np.iinfo(np.uint8).max else np.uint16  # the smaller, the faster

    def _enter(self, there: list[_There], columns: range) -> None:
        first, is_begun = self._first.reshape(-1), self._until > 0
        super()._enter(there, columns)
        for column in reversed(columns):
            for places in there[column].each():
                first[places[first[places] == 0] if is_begun else places] = column + 1
        first[NOBODY] = 0

    def repeated(self, rows: Sequence[int] | Numbers) -> Numbers:
        """On two or more days."""
        if self._is_empty:
            return np.zeros(len(rows), dtype=np.int64)
        return np.array(
            [np.count_nonzero(self._first[row] != self._last[row]) for row in rows], dtype=np.int64
        )


@dataclass(frozen=True)
class Firsts:
    """People whose first day anywhere was one in the segment, an entry each. Times in µs since 1970."""

    person: Numbers
    day: Numbers  # proleptic ordinal
    first_at: Numbers  # first sign-in anywhere (activity “login” only, as the next two)
    next_at: Numbers  # earliest later one in the segment; 0: none
    first_inside: Flags  # whether the first one was in the segment


def by_first_part(sets: Sets[tuple[str, ...]]) -> Sets[str]:
    """The same by the first part of the names, people once. Counts are kept where no names become one."""
    parts = [key[0] for key in sets.keys]
    keys = sorted(set(parts))
    if len(keys) == len(parts):
        return Sets(parts, sets.starts, sets.members, sets.count)
    number = np.array([keys.index(part) for part in parts], dtype=np.int64)
    pairs = distinct(np.repeat(number, np.diff(sets.starts)) << 32 | sets.members)
    return Sets(keys, np.searchsorted(pairs, np.arange(len(keys) + 1) << 32), pairs & 0xFFFFFFFF)
