"""Reading what people did, and how much of it is published. A part of the reader."""

from collections.abc import Callable
from datetime import date
from functools import partial

import numpy as np

from analytics.rollups.layout import PEOPLE_OF, piece_of, sliced
from analytics.rollups.numbers import Flags, Numbers
from analytics.rollups.reading.beside_reader import BesideReader
from analytics.rollups.reading.blocks import blocks_of
from analytics.rollups.reading.cache import cache
from analytics.rollups.reading.counted import Counted, merged
from analytics.rollups.reading.decoding import decode_counted, decode_pairs, size_of
from analytics.rollups.reading.directory import NameNumbers
from analytics.rollups.reading.published import (
    BY_DAY,
    WITHHELD,
    DayCells,
    Entries,
    Levels,
    Published,
    cells_of_day,
    organizations_of_day,
)
from analytics.rollups.reading.published_slices import DayBlocks, SlicedEntries, blocks_by_slice, key_of
from analytics.rollups.reading.segments import Segment
from analytics.rollups.reading.slices import SLICE, DaySlices, Unpacked

PARTED = "uses"  # of which a name's first part is published before the whole names: features before actions


class PublishedReader(BesideReader):
    """What people did, by cell or by group, and the levels at which it is published."""

    def _counted(
        self,
        kind: str,
        segment: Segment,
        first: date,
        last: date,
        rows: NameNumbers,
        *,
        published: bool,
        by_part: bool = False,
    ) -> tuple[dict[date, Counted], Flags]:
        """Entries by cell (by group, if an organization is asked for), and which cells lie in the segment."""

        asked = segment.dimensions

        def everything(piece: str) -> dict[date, Counted]:
            return self._contents(piece, asked, first, last, partial(decode_counted, rows=rows))

        read: Callable[[str], dict[date, Counted]] = everything
        if asked and published:
            read = self._published_slices(kind, segment, first, last, rows, by_part=by_part)
        if segment.organization:
            groups = segment.groups(self.groups)
            pieces = {piece_of(kind, group) for group in np.flatnonzero(groups).tolist()}
            return merged([read(piece) for piece in sorted(pieces)]), groups
        return read(kind), segment.cells()

    def _levels(
        self,
        kind: str,
        segment: Segment,
        first: date,
        last: date,
        rows: NameNumbers,
        *,
        by_part: bool = False,
    ) -> Levels:
        """Which entries of a kind of events are published."""
        everybody, of_features = self._crowds.everybody, kind == PARTED
        select = organizations_of_day if segment.organization else cells_of_day

        def decode(_: date, content: Unpacked) -> DayCells:
            sets = decode_pairs(content)
            row = np.repeat(rows.of(sets.keys), np.diff(sets.starts))
            top = rows.firsts()[row] if of_features else row
            return select(Entries(top, row, sets.members), everybody)

        kind = PEOPLE_OF[kind]
        form, asked = f", {select.__name__}", segment.dimensions
        days = self._contents_of_days(kind, asked, first, last, decode, form, of_people=True)
        what = f"{kind}{form} {asked}"
        blocks = blocks_of(days, self._versions_of_people(first, last), self.sealed_until, what)
        published = Published(days, blocks, rows.firsts() if of_features else rows.own())
        return partial(published.levels, by_part=by_part)

    def _published_slices(
        self, kind: str, segment: Segment, first: date, last: date, rows: NameNumbers, *, by_part: bool
    ) -> Callable[[str], dict[date, Counted]]:
        """Reads a piece of a kind: the entries of the slices that the filter asks for, each with its level.

        `by_part`: published by the whole name.
        """
        asked, slices = segment.dimensions, self._slices(first, last)
        blocks = self._blocks(PEOPLE_OF[kind], segment, first, last, rows, by_part=by_part)
        inside = {day: own.inside(asked) for day, own in slices.items()}
        known = [day for day, flags in inside.items() if flags.any()]
        divided = [day for day in known if len(inside[day]) > 1]

        def entries(day: date, content: Unpacked) -> Counted:
            counted = decode_counted(content, rows)
            number = counted.arrays.pop(SLICE, np.zeros_like(counted.arrays["row"]))
            own = counted.chosen(inside[day][number])
            name, number = own.arrays["row"], number[inside[day][number]]
            name = name if by_part or kind != PARTED else rows.firsts()[name]
            key = key_of(name, own.arrays["group"].astype(np.int64), number.astype(np.int64))
            own.arrays["level"] = _levels(blocks.get(day), key, slices[day], segment)
            return own

        def read(piece: str) -> dict[date, Counted]:
            def fetch(days: list[date]) -> dict[date, Counted]:
                whole = [day for day in days if day in known and day not in divided]
                part = [day for day in days if day in divided]
                return {
                    day: entries(day, content)
                    for some, own in ((whole, piece), (part, sliced(piece)))
                    for day, content in self._read(own, some)
                }

            what = "published by slice", piece, by_part, bool(segment.organization), asked
            return cache().contents(self._versions_of_people(first, last), what, fetch, size_of)

        return read

    def _blocks(
        self, kind: str, segment: Segment, first: date, last: date, rows: NameNumbers, *, by_part: bool
    ) -> dict[date, DayBlocks]:
        """`kind`: that of the people who decide."""
        of_organizations, everybody = bool(segment.organization), self._crowds.everybody
        entries = self._sliced(kind, first, last, rows, "whole names").entries
        slices = self._slices(first, last)

        def make(days: list[date]) -> dict[date, DayBlocks]:
            made = {}
            for day in days:
                if day not in slices or (own := entries.get(day)) is None:
                    continue
                row, number, member = (values.astype(np.int64) for values in own)
                top = rows.firsts()[row] if kind == PEOPLE_OF[PARTED] else row
                part = everybody.group[member] if of_organizations else row if by_part else top
                divided = SlicedEntries(top, part, number, member)
                made[day] = blocks_by_slice(
                    divided, slices[day].values, everybody, of_organizations=of_organizations
                )
            return made

        what = "blocks by slice", kind, by_part, of_organizations
        return cache().contents(self._versions_of_people(first, last), what, make, size_of)


def _levels(blocks: DayBlocks | None, key: Numbers, slices: DaySlices, segment: Segment) -> Numbers:
    """By entry: whether its day publishes it under the filter."""
    if blocks is None:
        return np.full(len(key), BY_DAY)
    depth = max(slices.dimensions.index(name) for name, _ in segment.dimensions) + 1
    levels: Numbers = np.where(blocks.reach(key, depth), BY_DAY, WITHHELD)
    return levels
