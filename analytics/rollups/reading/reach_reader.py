"""Reading under which filters people count: what suppression marks together. A part of the reader."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

from analytics.report_days import days_between
from analytics.rollups.numbers import Numbers
from analytics.rollups.reading.cache import cache
from analytics.rollups.reading.decoding import decode_members, decode_pairs, decode_sessions
from analytics.rollups.reading.directory import NameNumbers
from analytics.rollups.reading.named_sets import ALL_NAMES, Arranged, NamedSets, arranged, by_first_part
from analytics.rollups.reading.reaches import (
    DayReaches,
    Reaches,
    RowReaches,
    by_day,
    reaches_of_day,
    reaches_of_members,
)
from analytics.rollups.reading.segments import Segment, dimensions_of
from analytics.rollups.reading.slices import Dimensions, Unpacked
from analytics.rollups.reading.snapshot import Snapshot

BY_FIRST_PART = ("feature", "page")
WITH_EVERYBODY = ("endpoint", "error", "timing")  # also counted for all names together


class ReachReader(Snapshot):
    """Who did what, arranged by day, and under which of some segments they count."""

    def _arranged(
        self, kind: str, asked: Dimensions, first: date, last: date, *, by_first: bool
    ) -> tuple[dict[date, Arranged], NameNumbers]:
        width, form = self.members.width, form_of(kind, by_first=by_first)
        rows = cache().rows[form]

        def decode(content: Unpacked) -> Arranged:
            sets: NamedSets[Any] = decode_pairs(content)
            if by_first:
                sets = by_first_part(sets)
            return arranged(sets, rows, self.members, width, everybody=kind in WITH_EVERYBODY)

        return self._contents(kind, asked, first, last, decode, f" {form} {width}"), rows

    def row_reaches(
        self, kind: str, segments: Sequence[Segment], first: date, last: date, names: Sequence[Any]
    ) -> RowReaches:
        """Under which of the segments people count who used a feature, or called an endpoint (`kind`).

        Rows are those of the `names`; the name None stands for all names together.
        """
        asked = dimensions_of(segments)
        arranged_days, numbers = self._arranged(kind, asked, first, last, by_first=kind in BY_FIRST_PART)
        days, reachable = days_between(first, last), self._crowds.reachable(segments)
        width, rows = self.members.width, rows_of(names, numbers)
        return RowReaches(days, arranged_days, rows, len(numbers), width, reachable)

    def daily_reaches(
        self, kind: str, segments: Sequence[Segment], first: date, last: date, names: Sequence[Any]
    ) -> Reaches:
        """The same of each day: shape (names, days, reaches)."""
        width, by_first, reachable = self.members.width, kind == "feature", self._crowds.reachable(segments)
        numbers = cache().rows[form_of(kind, by_first=by_first)]

        def decode(_: date, content: Unpacked) -> DayReaches:
            sets: NamedSets[Any] = decode_pairs(content)
            if by_first:
                sets = by_first_part(sets)
            day = arranged(sets, numbers, self.members, width, everybody=kind in WITH_EVERYBODY)
            return reaches_of_day(day, width, reachable)

        form, asked = f", reaches of {hash(tuple(segments))}", dimensions_of(segments)
        counted = self._contents_of_days(kind, asked, first, last, decode, form, of_people=True)
        return by_day(days_between(first, last), counted, rows_of(names, numbers))

    @property
    def some_have_accounts(self) -> bool:
        """Whether some organization has account reports."""
        return self._crowds.some_have_accounts

    def session_reaches(self, segments: Sequence[Segment], *spans: tuple[date, date]) -> list[Reaches]:
        """Under which of the segments people count who had a session in each span."""
        reachable = self._crowds.reachable(segments)
        first, last = min(first for first, _ in spans), max(last for _, last in spans)
        parts = self._contents("session", dimensions_of(segments), first, last, decode_sessions)
        return [
            reaches_of_members([part[1] for day, part in parts.items() if low <= day <= high], reachable)
            for low, high in spans
        ]

    def active_reaches(
        self, segments: Sequence[Segment], *spans: tuple[date, date], activity: str = "any"
    ) -> list[Reaches]:
        """Under which of the segments people count who were active in each span."""
        kind, reachable = "login" if activity == "login" else "active", self._crowds.reachable(segments)
        first, last = min(first for first, _ in spans), max(last for _, last in spans)
        sets = self._contents(kind, dimensions_of(segments), first, last, decode_members)
        present = []
        for low, high in spans:
            days = [own.sets.members for day, own in sets.items() if low <= day <= high]
            present.append(reaches_of_members(days, reachable))
        return present


def form_of(kind: str, *, by_first: bool) -> str:
    """What names of this kind are numbered by."""
    return f"{kind}, by first part" if by_first else kind


def rows_of(names: Sequence[Any], numbers: NameNumbers) -> Numbers:
    rows = [ALL_NAMES if name is None else int(numbers.of([name])[0]) for name in names]
    return np.array(rows, dtype=np.int64)
