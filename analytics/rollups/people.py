"""Sets of people by day, as bits (a set for each day) and as numbers (a set for each name and day)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from analytics.rollups.histogram import Numbers

Words = NDArray[np.uint64]
Flags = NDArray[np.bool_]
Key = TypeVar("Key")


def popcount(words: Words, axis: int = -1) -> Numbers:
    """How many bits are set along an axis."""
    counts: Numbers = np.bitwise_count(words).sum(axis=axis, dtype=np.int64)
    return counts


def to_words(numbers: Numbers, words: int) -> Words:
    """A bit for each of the numbers."""
    flags = np.zeros(words * 64, dtype=np.bool_)
    flags[numbers] = True
    return np.packbits(flags, bitorder="little").view(np.uint64)


def to_numbers(words: Words) -> Numbers:
    """The numbers whose bits are set, ascending."""
    return np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little"))


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
        return np.bitwise_or.reduce(self.span(first, last), axis=0)

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
    """Numbers of one day by name: those of `keys[i]` begin at `starts[i]`. `count` goes with them, if kept."""

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
    several: Flags | None  # by person: with several members that count; None: nobody


class People(Generic[Key]):
    """Who did what on which days: distinct people for each key."""

    def __init__(self, days: list[date], sets: dict[date, Sets[Key]], crowd: Crowd, only: Key | None) -> None:
        self.days = days
        used = {key for some in sets.values() for key in some.keys} if only is None else {only}
        self.keys: list[Key] = sorted(used)  # type: ignore[type-var]
        self._width = len(crowd.person)
        self._gather(sets, crowd)

    def _gather(self, sets: dict[date, Sets[Key]], crowd: Crowd) -> None:
        """Slices by key, then by day: `_persons[_starts[i] : _starts[i + 1]]` is one of `_key[i]` and `_day[i]`."""
        number = {key: place for place, key in enumerate(self.keys)}
        slices = []
        for column, day in enumerate(self.days):
            if (some := sets.get(day)) is None:
                continue
            starts = some.starts.tolist()
            for place, key in enumerate(some.keys):
                if (own := number.get(key)) is not None and starts[place + 1] > starts[place]:
                    slices.append((own, column, some, starts[place], starts[place + 1]))
        slices.sort(key=lambda one: one[:2])
        self._key = np.array([one[0] for one in slices], dtype=np.int64)
        self._day = np.array([one[1] for one in slices], dtype=np.int64)
        nothing = np.empty(0, dtype=np.int64)
        members = np.concatenate([nothing, *(some.members[start:end] for _, _, some, start, end in slices)])
        counted = [some.count[start:end] for _, _, some, start, end in slices if some.count is not None]
        sizes = np.array([end - start for *_, start, end in slices], dtype=np.int64)
        counts = crowd.counts[members]
        which = np.repeat(np.arange(len(slices)), sizes)[counts]
        self._persons = crowd.person[members[counts]]
        self._events = np.concatenate([nothing, *counted])[counts] if counted else None
        self._totals = (
            np.bincount(which, weights=self._events, minlength=len(slices)).astype(np.int64)
            if self._events is not None
            else None
        )
        if crowd.several is not None:
            which = self._once(which, crowd.several)
        self._sizes = np.bincount(which, minlength=len(slices))
        self._starts = np.concatenate([[0], np.cumsum(self._sizes)])
        self._bounds = np.searchsorted(self._key, np.arange(len(self.keys) + 1))

    def _once(self, which: Numbers, several: Flags) -> Numbers:
        """Leave one entry a slice to people who are there with several members; the slice of each entry."""
        places = np.flatnonzero(several[self._persons])
        code = which[places] * self._width + self._persons[places]
        order = np.argsort(code, kind="stable")
        again = order[1:][code[order[1:]] == code[order[:-1]]]
        keep = np.ones(len(which), dtype=np.bool_)
        keep[places[again]] = False
        self._persons = self._persons[keep]
        return which[keep]

    def _columns(self, first: date, last: date) -> tuple[int, int]:
        """The columns of these days: from (inclusive) and to (exclusive)."""
        if not self.days:
            return 0, 0
        return max((first - self.days[0]).days, 0), max((last - self.days[0]).days + 1, 0)

    def _of_key(self, place: int, low: int, high: int) -> tuple[int, int]:
        """The first and the last slice (exclusive) of a key that lie in these columns."""
        begin, end = self._bounds[place], self._bounds[place + 1]
        days = self._day[begin:end]
        return begin + int(np.searchsorted(days, low)), begin + int(np.searchsorted(days, high))

    def daily(self) -> Numbers:
        """Shape (keys, days)."""
        counts = np.zeros((len(self.keys), len(self.days)), dtype=np.int64)
        counts[self._key, self._day] = self._sizes
        return counts

    def distinct(self, first: date, last: date) -> Numbers:
        """Of each key, on any of these days."""
        low, high = self._columns(first, last)
        seen = np.zeros(self._width, dtype=np.bool_)
        counts = np.zeros(len(self.keys), dtype=np.int64)
        for place in range(len(self.keys)):
            begin, end = self._of_key(place, low, high)
            persons = self._persons[self._starts[begin] : self._starts[end]]
            if end - begin == 1:
                counts[place] = len(persons)
            elif len(persons):
                seen[persons] = True
                counts[place] = np.count_nonzero(seen)
                seen[:] = False
        return counts

    def repeated(self, first: date, last: date) -> Numbers:
        """Of each key, on two or more of these days."""
        low, high = self._columns(first, last)
        seen, again = np.zeros((2, self._width), dtype=np.bool_)
        counts = np.zeros(len(self.keys), dtype=np.int64)
        for place in range(len(self.keys)):
            begin, end = self._of_key(place, low, high)
            if end - begin < 2:
                continue
            for start, stop in zip(
                self._starts[begin:end].tolist(), self._starts[begin + 1 : end + 1].tolist(), strict=True
            ):
                persons = self._persons[start:stop]
                again[persons[seen[persons]]] = True
                seen[persons] = True
            counts[place] = np.count_nonzero(again)
            seen[:] = False
            again[:] = False
        return counts

    def together(self, first: date, last: date) -> int:
        """Distinct people of all keys."""
        low, high = self._columns(first, last)
        inside = np.repeat((self._day >= low) & (self._day < high), self._sizes)
        return len(np.unique(self._persons[inside])) if len(inside) else 0

    def daily_together(self) -> Numbers:
        """The same for each day."""
        code = np.unique(np.repeat(self._day, self._sizes) * self._width + self._persons)
        return np.bincount(code // self._width, minlength=len(self.days))

    def events(self, first: date, last: date) -> Numbers:
        """Events of these people, of each key, where they are kept."""
        if self._totals is None:
            raise ValueError("of these it is not kept how often")
        low, high = self._columns(first, last)
        inside = (self._day >= low) & (self._day < high)
        return np.bincount(self._key[inside], weights=self._totals[inside], minlength=len(self.keys)).astype(
            np.int64
        )


@dataclass(frozen=True)
class Firsts:
    """People whose first day anywhere was one in the segment, an entry each. Times in µs since 1970."""

    person: Numbers
    day: Numbers  # proleptic ordinal
    first_at: Numbers  # first sign-in anywhere (activity “login” only, as the next two)
    next_at: Numbers  # earliest later one in the segment; 0: none
    first_inside: Flags  # whether the first one was in the segment


def merged(sets: Sets[tuple[str, ...]], part: slice) -> Sets[Any]:
    """The same by a part of the keys: people of several keys once. Counts are left out."""
    parts = [key[part] for key in sets.keys]
    keys = sorted(set(parts))
    number = np.array([keys.index(key) for key in parts], dtype=np.int64)
    key = np.repeat(number, np.diff(sets.starts))
    pairs = np.unique(key << 32 | sets.members)
    starts = np.searchsorted(pairs, np.arange(len(keys) + 1) << 32)
    return Sets(keys, starts, pairs & 0xFFFFFFFF)
