"""Reading whether people under a filter by dimensions may be shown beside the same people under others.

A part of the reader. Everything is decided by person and column (`beside.py`); only flags are handed on.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from django.db.backends.utils import CursorWrapper

from analytics.report_days import days_between
from analytics.rollups.layout import KEY_SHIFT, SETS_OF_MEMBERS, sliced
from analytics.rollups.numbers import NOTHING, Flags, Numbers, distinct
from analytics.rollups.reading.beside import (
    ComparedColumns,
    CountedPeople,
    Figures,
    SlicedDay,
    Values,
    implied,
    values_of,
)
from analytics.rollups.reading.cache import cache
from analytics.rollups.reading.decoding import size_of
from analytics.rollups.reading.directory import NameNumbers
from analytics.rollups.reading.named_sets import ALL_NAMES
from analytics.rollups.reading.reach_reader import (
    BY_FIRST_PART,
    WITH_EVERYBODY,
    ReachReader,
    form_of,
    rows_of,
)
from analytics.rollups.reading.reaches import Span
from analytics.rollups.reading.segments import Segment, Withdrawn
from analytics.rollups.reading.slices import SLICE, DaySlices, Unpacked

PERSON = (1 << KEY_SHIFT) - 1
MOST_CELLS = 1 << 22  # of a table of rows and people: 32 MiB


class HiddenRows(NamedTuple):
    """The rows of a day whose people are hidden."""

    rows: Numbers

    @property
    def size(self) -> int:
        """Bytes."""
        return self.rows.nbytes


class SlicedDays(NamedTuple):
    """Who did what (`kind`) on some days, by slice; `slices` of those that are counted by dimensions."""

    kind: str
    entries: Mapping[date, SlicedDay]
    slices: Mapping[date, DaySlices]

    def of(self, days: Iterable[date]) -> "SlicedDays":
        return self._replace(entries={day: self.entries[day] for day in days if day in self.entries})


class BesideReader(ReachReader):
    """Which figures of people are hidden under a filter by dimensions."""

    def __init__(self, cursor: CursorWrapper, withdrawn: Withdrawn) -> None:
        super().__init__(cursor, withdrawn)
        self._groups_inside: dict[Segment, Flags] = {}
        self._bits_of_members: dict[ComparedColumns, Numbers] = {}
        self._bits_of_slices: dict[tuple[ComparedColumns, date], Numbers] = {}

    def hidden_on_days(
        self, kind: str, asked: Segment, first: date, last: date, names: Sequence[Any]
    ) -> Flags:
        """Of who used a feature, called an endpoint … (`kind`) on each day: shape (names, days).

        The name None stands for all names together; of `active` and `login`, there is no other.
        """
        days = days_between(first, last)
        sliced_days = self._sliced(kind, first, last)
        hidden_days: dict[date, HiddenRows] = cache().contents(
            self._versions_of_people(first, last),
            ("beside", kind, asked),
            lambda some: self._beside(asked, sliced_days.of(some)),
            size_of,
        )
        rows = self._rows(kind, names)
        hidden = np.zeros((len(rows), len(days)), dtype=np.bool_)
        for column, day in enumerate(days):
            if (own := hidden_days.get(day)) is not None:
                hidden[:, column] = np.isin(rows, own.rows)
        return hidden

    def _beside(self, asked: Segment, days: SlicedDays) -> dict[date, HiddenRows]:
        hidden: dict[date, list[Numbers]] = {day: [NOTHING] for day in days.entries}
        days_of: dict[ComparedColumns, list[date]] = defaultdict(list)
        for day in days.entries:
            for columns in self._questions(asked, days.of([day])):
                days_of[columns].append(day)
        for columns, some in days_of.items():
            figures, rows = Figures(columns), []
            for day in some:
                counted = self._counted_people(days, day, columns)
                row = distinct(counted.key >> KEY_SHIFT)
                rows.append(row)
                figures.add(np.searchsorted(row, counted.key >> KEY_SHIFT), counted.bits, len(row))
            for day, row, flags in zip(some, rows, figures.hidden(), strict=True):
                hidden[day].append(row[flags])
        return {day: HiddenRows(distinct(np.concatenate(rows))) for day, rows in hidden.items()}

    def hidden_in_spans(
        self,
        kind: str,
        asked: Segment,
        spans: Sequence[Span],
        names: Sequence[Any],
        repeated: Sequence[Span] = (),
    ) -> dict[tuple[Span, bool], Flags]:
        """The same in each span: by name. And (True) of those who were there on two or more days, or of those
        who were not, in the spans that are `repeated`."""
        rows = self._rows(kind, names)
        hidden = {
            (span, twice): np.zeros(len(rows), dtype=np.bool_) for span in spans for twice in (False, True)
        }
        for span in dict.fromkeys(spans):
            days = self._sliced(kind, *span)
            for columns in self._questions(asked, days):
                figures = Figures(columns)
                for seen, again in self._seen(days, columns, rows, repeated=span in repeated):
                    figures.add_table(seen)
                    if again is not None:
                        figures.add_table(again)
                        figures.add_table(seen & ~again)
                flags = figures.hidden()
                if span not in repeated:
                    hidden[span, False] |= np.concatenate(flags)
                    continue
                hidden[span, False] |= np.concatenate(flags[::3])
                hidden[span, True] |= np.concatenate(flags[1::3]) | np.concatenate(flags[2::3])
        return hidden

    def _seen(
        self, days: SlicedDays, columns: ComparedColumns, rows: Numbers, *, repeated: bool
    ) -> Iterator[tuple[Numbers, Numbers | None]]:
        """In which columns each person was, by row, and in which on two or more days; some rows at a time."""
        width = self.members.width
        at_once = max(MOST_CELLS // width, 1)
        for start in range(0, len(rows), at_once):
            some = rows[start : start + at_once]
            place_of = np.full(int(rows.max(initial=0)) + 2, -1)
            place_of[some] = np.arange(len(some))
            seen = np.zeros((len(some), width), dtype=np.int64)
            again = np.zeros_like(seen) if repeated else None
            for day in days.entries:
                counted = self._counted_people(days, day, columns, some)
                place = place_of[np.minimum(counted.key >> KEY_SHIFT, len(place_of) - 1)]
                chosen = place >= 0
                place, person, bits = place[chosen], (counted.key & PERSON)[chosen], counted.bits[chosen]
                if again is not None:
                    again[place, person] |= seen[place, person] & bits
                seen[place, person] |= bits
            yield seen, again

    def hidden_in_windows(
        self, kind: str, asked: Segment, first: date, last: date, widths: Sequence[int]
    ) -> dict[int, Flags]:
        """Of who was active (signed in, of `kind` “login”) in the windows that end on each day: by width."""
        hidden: dict[int, Flags] = self.kept(
            ("windows beside", kind, asked, tuple(widths)),
            first - timedelta(days=max(widths) - 1),
            last,
            lambda: self._hidden_in_windows(kind, asked, first, last, widths),
            lambda flags: sum(own.nbytes for own in flags.values()),
        )
        return hidden

    def _hidden_in_windows(
        self, kind: str, asked: Segment, first: date, last: date, widths: Sequence[int]
    ) -> dict[int, Flags]:
        before = first - timedelta(days=max(widths) - 1)
        days, versions = self._sliced(kind, before, last), self._versions_of_people(before, last)
        hidden = {width: np.zeros((last - first).days + 1, dtype=np.bool_) for width in widths}
        by_width = {
            width: {
                day: [one for one in days_between(day - timedelta(days=width - 1), day) if one in versions]
                for day in days_between(first, last)
            }
            for width in widths
        }
        for columns in self._questions(asked, days):
            counted: dict[date, CountedPeople] = {}
            for width, windows in by_width.items():
                flags = cache().contents(
                    {day: tuple((one, versions[one]) for one in own) for day, own in windows.items() if own},
                    ("window beside", width, kind, columns),
                    partial(self._windows, days, columns, windows, counted),
                    lambda _: 1,
                )
                hidden[width] |= np.array([bool(flags.get(day)) for day in windows], dtype=np.bool_)
        return hidden

    def _windows(
        self,
        days: SlicedDays,
        columns: ComparedColumns,
        windows: Mapping[date, Sequence[date]],
        counted: dict[date, CountedPeople],
        asked: Sequence[date],
    ) -> dict[date, bool]:
        """Of the windows that end on the days `asked`. `counted` is filled by day."""
        for day in {day for last in asked for day in windows[last] if day in days.entries} - counted.keys():
            counted[day] = self._counted_people(days, day, columns)
        figures, seen = Figures(columns), np.zeros((1, self.members.width), dtype=np.int64)
        for last in asked:
            seen[:] = 0
            for day in windows[last]:
                if (own := counted.get(day)) is not None:
                    seen[0, own.key] |= own.bits
            figures.add_table(seen)
        return dict(zip(asked, (bool(flags[0]) for flags in figures.hidden()), strict=True))

    def values_between(self, first: date, last: date) -> Values:
        """The values of each dimension on these days, those of the most slices first."""
        return values_of(self._slices(first, last).values())

    # --- columns, and who is in them ------------------------------------------------------------

    def _questions(self, asked: Segment, days: SlicedDays) -> list[ComparedColumns]:
        """The columns of each dimension asked for: beside the values of the others, and beside all that
        follows from them."""
        slices = {day: days.slices[day] for day in days.entries if day in days.slices}
        inside, groups = [], [NOTHING]
        in_segment = self._inside(asked.of_members)
        for day, own in slices.items():
            flags = own.inside(asked.dimensions)
            if flags.any():
                inside.append((own, np.flatnonzero(flags)))
                entered = days.entries[day]
                group = self._crowds.everybody.group[entered.member[flags[entered.slice]]]
                groups.append(distinct(group[in_segment[group]]))
        if not inside:
            return []  # nobody
        followed = implied(asked, inside, self.groups, distinct(np.concatenate(groups)))
        values = values_of(slices.values())
        return [
            ComparedColumns.beside(question, name, values)
            for question in dict.fromkeys((asked, followed))
            for name, _ in asked.dimensions
        ]

    def _inside(self, segment: Segment) -> Flags:
        """By group: whether it counts in a segment without dimensions. Groups of organizations with account
        reports count in none of all organizations: their figures are known."""
        if segment not in self._groups_inside:
            own = segment.groups(self.groups)
            self._groups_inside[segment] = own if segment.organization else own & ~self._crowds.has_account
        return self._groups_inside[segment]

    def _bits(self, columns: ComparedColumns) -> Numbers:
        """By member: in which columns they may count."""
        if columns not in self._bits_of_members:
            everybody, of_group = self._crowds.everybody, columns.bits_of_groups(self._inside)
            self._bits_of_members[columns] = np.where(everybody.counts, of_group[everybody.group], 0)
        return self._bits_of_members[columns]

    def _counted_people(
        self, days: SlicedDays, day: date, columns: ComparedColumns, rows: Numbers | None = None
    ) -> CountedPeople:
        """In which columns each person of a day is, by row; of `rows` at least, if given."""
        entries, person_of = days.entries[day], self._crowds.everybody.person
        with_everybody = days.kind in WITH_EVERYBODY and (rows is None or ALL_NAMES in rows)
        if rows is not None and not with_everybody:
            entries = entries.of(np.isin(entries.row, rows))
        if (columns, day) not in self._bits_of_slices:
            self._bits_of_slices[columns, day] = columns.bits_of_slices(days.slices.get(day))
        of_slice, of_member = self._bits_of_slices[columns, day], self._bits(columns)
        bits = of_slice[entries.slice] & of_member[entries.member]
        inside = np.flatnonzero(bits)
        bits, person = bits[inside], person_of[entries.member[inside]]
        key = entries.row[inside].astype(np.int64) << KEY_SHIFT | person
        if with_everybody:
            key, bits = np.concatenate([key, person]), np.concatenate([bits, bits])
        order = np.argsort(key, kind="stable")
        key, bits = key[order], bits[order]
        starts = np.flatnonzero(np.diff(key, prepend=-1))
        return CountedPeople(key[starts], np.bitwise_or.reduceat(bits, starts) if len(key) else bits)

    def _sliced(
        self, kind: str, first: date, last: date, rows: NameNumbers | None = None, form: str = ""
    ) -> SlicedDays:
        """Who did what. `rows`: the numbers of whole names (of this `form`), instead of those of figures."""
        by_first = kind in BY_FIRST_PART and rows is None
        rows = cache().rows[form_of(kind, by_first=by_first)] if rows is None else rows
        slices = self._slices(first, last)

        def fetch(days: list[date]) -> dict[date, SlicedDay]:
            divided = [day for day in days if day in slices and len(slices[day].values) > 1]
            whole = [day for day in days if day not in divided]
            return {day: decode(content, is_divided=False) for day, content in self._read(kind, whole)} | {
                day: decode(content, is_divided=True) for day, content in self._read(sliced(kind), divided)
            }

        def decode(content: Unpacked, *, is_divided: bool) -> SlicedDay:
            if "member" in content.arrays:  # sessions
                member = content.arrays["member"]
                own = content.arrays[SLICE] if is_divided else np.zeros_like(member)
                return _sliced_day(np.zeros_like(member), own, member)
            number, member = content.numbers >> KEY_SHIFT, content.numbers & PERSON
            if kind in SETS_OF_MEMBERS:
                return _sliced_day(np.zeros_like(member), number, member)
            names = [name[:-1] if is_divided else name for name in content.names]
            own = np.array([int(name[-1]) if is_divided else 0 for name in content.names], dtype=np.int64)
            row = rows.of([name[0] for name in names] if by_first else names)
            return _sliced_day(row[number], own[number], member)

        entries = cache().contents(self._versions_of(first, last), ("by slice", kind, form), fetch, size_of)
        return SlicedDays(kind, entries, slices)

    def _rows(self, kind: str, names: Sequence[Any]) -> Numbers:
        return rows_of(names, cache().rows[form_of(kind, by_first=kind in BY_FIRST_PART)])


def _sliced_day(row: Numbers, own: Numbers, member: Numbers) -> SlicedDay:
    return SlicedDay(row.astype(np.int32), own.astype(np.int16), member.astype(np.int32))
