"""Who did what on which days: the different people of each feature, endpoint or page."""

from collections.abc import Callable, Hashable, Sequence
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Generic, NamedTuple

import numpy as np

from analytics.rollups.numbers import NOTHING, Flags, Numbers, distinct
from analytics.rollups.reading.directory import NameNumbers
from analytics.rollups.reading.named_sets import ALL_NAMES, Arranged, Key, of_rows
from analytics.rollups.reading.seen import NO_PLACES, DayPlaces, SeenOnDays, SeenPeople
from analytics.rollups.reading.segments import Crowd
from analytics.small_groups import are_enough


class SpanPeople(NamedTuple):
    """Distinct people on some days: of each key, of each key on two or more days, and of all keys together.

    A key is deserted when people were there but all of them have withdrawn. `only_few` (where asked for):
    people of no key that has enough of them.
    """

    distinct: Numbers
    repeated: Numbers
    together: int
    deserted: Flags
    all_deserted: bool
    only_few: int = 0


class KeptSpans(NamedTuple):
    """Some spans' people, as they are remembered between reports."""

    spans: list[SpanPeople]

    @property
    def size(self) -> int:
        """Bytes, about."""
        return sum(span.distinct.nbytes + span.repeated.nbytes + span.deserted.nbytes for span in self.spans)


Keep = Callable[[Hashable, Callable[[], KeptSpans]], KeptSpans]


def _keep_nothing(_: Hashable, make: Callable[[], KeptSpans]) -> KeptSpans:
    return make()


class People(Generic[Key]):
    """Who did what on which days: distinct people for each key."""

    def __init__(
        self,
        days: list[date],
        arranged: dict[date, Arranged],
        rows: NameNumbers,
        crowd: Crowd,
        width: int,
        *,
        chosen: Callable[[Key], bool] | None = None,
        keep: Keep = _keep_nothing,
    ) -> None:
        self.days = days
        self._keep = keep
        self._width = width
        self._length = len(rows)
        self._daily = np.zeros((self._length, len(days)), dtype=np.int64)
        self._events = np.zeros_like(self._daily)
        self._deserted = np.zeros(self._daily.shape, dtype=np.bool_)
        self._somebody_left = crowd.left.any()
        self._places: list[DayPlaces] = []
        names = rows.items()[: self._length - 1]
        rows_asked = np.ones(self._length, dtype=np.bool_)
        if chosen is not None:
            rows_asked[:] = False
            rows_asked[[row for key, row in names if chosen(key)]] = True
        present = np.zeros(self._length, dtype=np.bool_)
        for column, day in enumerate(days):
            day_sets = arranged.get(day)
            if day_sets is not None and chosen is not None:
                day_sets = of_rows(day_sets, rows_asked, width)
            if day_sets is None or not len(day_sets.rows):
                self._places.append(NO_PLACES)
                continue
            present[day_sets.rows] = True
            self._places.append(self._counted(day_sets, crowd, column))
        named = sorted((key, row) for key, row in names if present[row])
        self.keys: list[Key] = [key for key, _ in named]
        self._rows = np.array([row for _, row in named], dtype=np.int64)

    def _counted(self, day_sets: Arranged, crowd: Crowd, column: int) -> DayPlaces:
        """The places of a day's people, each person once in a row; notes how many there are."""
        member = day_sets.places & (self._width - 1)
        is_first = crowd.firsts.take(member)
        self._daily[day_sets.rows, column] = np.add.reduceat(is_first, day_sets.starts, dtype=np.int32)
        if day_sets.count is not None:
            events = day_sets.count * crowd.counts.take(member)
            self._events[day_sets.rows, column] = np.add.reduceat(events, day_sets.starts)
        more = NOTHING
        person = day_sets.other_places & (self._width - 1)
        not_counted_yet = crowd.counts[day_sets.others] & ~(day_sets.with_first & crowd.counts[person])
        if not_counted_yet.any():
            more = distinct(day_sets.other_places[not_counted_yet])
            np.add.at(self._daily[:, column], more // self._width, 1)
        nobody = self._daily[day_sets.rows, column] == 0
        if self._somebody_left and nobody.any():
            has_left = np.logical_or.reduceat(crowd.left.take(member), day_sets.starts)
            self._deserted[day_sets.rows[nobody & has_left], column] = True
        return DayPlaces(day_sets.places, is_first, more)

    def daily(self) -> Numbers:
        """Shape (keys, days)."""
        return self._daily[self._rows]

    def daily_deserted(self) -> Flags:
        """Shape (keys, days): see `SpanPeople`."""
        return self._deserted[self._rows]

    def daily_together(self) -> Numbers:
        """Of all keys together."""
        daily: Numbers = self._daily[ALL_NAMES]
        return daily

    def daily_all_deserted(self) -> Flags:
        deserted: Flags = self._deserted[ALL_NAMES]
        return deserted

    def events(self, first: date, last: date) -> Numbers:
        """How many events these people caused, by key, where that is stored."""
        low, high = self._columns(first, last)
        events: Numbers = self._events[self._rows, low:high].sum(axis=1)
        return events

    def distinct(self, first: date, last: date) -> Numbers:
        """Of each key, on any of these days."""
        return self.spans((first, last), repeated=False)[0].distinct

    def spans(
        self, *spans: tuple[date, date], repeated: bool = True, only_few: bool = False
    ) -> list[SpanPeople]:
        """Several spans at once. Of spans that begin on the same day only the longest costs time.

        Without `repeated`, that count stays 0, at half the cost.
        """
        what = spans, repeated, only_few
        return self._keep(what, lambda: KeptSpans(self._spans(*what))).spans

    def _spans(self, spans: Sequence[tuple[date, date]], repeated: bool, only_few: bool) -> list[SpanPeople]:
        by_span: dict[tuple[date, date], SpanPeople] = {}
        for _, beginning_together in groupby(sorted(set(spans)), key=itemgetter(0)):
            table = (SeenOnDays if repeated else SeenPeople)(self._length, self._width, len(self.days))
            for span in beginning_together:
                low, high = self._columns(*span)
                table.enter(self._places, low, high)
                counts, (together,) = table.distinct(self._rows), table.distinct([ALL_NAMES])
                deserted: Flags = np.logical_or.reduce(self._deserted[:, low:high], axis=1)
                by_span[span] = SpanPeople(
                    counts,
                    table.repeated(self._rows),
                    int(together),
                    deserted[self._rows] & (counts == 0),
                    bool(deserted[ALL_NAMES] and not together),
                    self._only_few(table, counts, int(together)) if only_few else 0,
                )
        return [by_span[span] for span in spans]

    def _only_few(self, table: SeenPeople, counts: Numbers, together: int) -> int:
        shown = np.zeros(self._width, dtype=np.bool_)
        for row in self._rows[are_enough(counts)]:
            shown |= table.last(row) > 0
        return together - int(np.count_nonzero(shown))

    def deserted(self, first: date, last: date) -> Flags:
        """By key: whether people were there on these days who have withdrawn, on a day without others."""
        low, high = self._columns(first, last)
        deserted: Flags = np.logical_or.reduce(self._deserted[self._rows, low:high], axis=1)
        return deserted

    def _columns(self, first: date, last: date) -> tuple[int, int]:
        """The columns of these days: from (inclusive) and to (exclusive)."""
        if not self.days:
            return 0, 0
        return max((first - self.days[0]).days, 0), max((last - self.days[0]).days + 1, 0)
