"""One snapshot of the roll-ups, as `reader.py` asks it: decoded contents come from the process's cache."""

from collections.abc import Callable, Hashable, Iterator
from datetime import date
from typing import Any

import numpy as np
from django.conf import settings
from django.db.backends.utils import CursorWrapper

from analytics.rollups.layout import SETS_OF_MEMBERS, SLICES, sliced
from analytics.rollups.reading.cache import cache
from analytics.rollups.reading.decoding import size_of
from analytics.rollups.reading.segments import Crowds, Withdrawn
from analytics.rollups.reading.slice_sizes import DayValues, ValueSize, day_values, values_of
from analytics.rollups.reading.slices import (
    DaySlices,
    Dimensions,
    Unpacked,
    decode_slices,
    part_of,
    unpacked,
)

VERSIONS = """
SELECT day, version FROM analytics_rolledday WHERE day BETWEEN %s AND %s AND events > 0 ORDER BY day
"""
SEALED_UNTIL = "SELECT max(day) FROM analytics_rolledday WHERE state = 'sealed'"
CONTENTS = "SELECT day, content FROM analytics_rollup WHERE kind = %s AND day = ANY(%s)"


class Snapshot:
    """One snapshot of the data: members, groups, and what days hold, each read once."""

    def __init__(self, cursor: CursorWrapper, withdrawn: Withdrawn) -> None:
        self._cursor = cursor
        self.members, self.groups = cache().top_up(cursor)
        version = self.members.version, self.groups.version, withdrawn, settings.SUPPRESS_BELOW
        self._crowds = cache().crowds(version, lambda: self._crowds_without(withdrawn))
        self._versions: dict[tuple[date, date], dict[date, int]] = {}

    def _crowds_without(self, withdrawn: Withdrawn) -> Crowds:
        members, groups = self.members, self.groups
        left = np.zeros(len(members), dtype=np.bool_)
        left[cache().withdrawn_members(self._cursor, members, withdrawn.users)] = True
        if withdrawn.organizations:
            has_withdrawn = np.array([name in withdrawn.organizations for name in groups.organization])
            left |= has_withdrawn[members.group]
        return Crowds(members, groups, left, withdrawn.with_accounts)

    def _versions_of(self, first: date, last: date) -> dict[date, int]:
        if (first, last) not in self._versions:
            self._cursor.execute(VERSIONS, [first, last])
            self._versions[first, last] = dict(self._cursor.fetchall())
        return self._versions[first, last]

    def _versions_of_people(self, first: date, last: date) -> dict[date, Hashable]:
        """The versions of what follows from these days and from who counts: others whenever the same sets may
        hold other people."""
        who = self._crowds.version, self.groups.version
        return {day: (version, *who) for day, version in self._versions_of(first, last).items()}

    def _contents(
        self,
        kind: str,
        asked: Dimensions,
        first: date,
        last: date,
        decode: Callable[[Unpacked], Any],
        form: str = "",
    ) -> dict[date, Any]:
        """The contents of this kind by day, decoded, from the process's cache or the database.

        Of the dimensions `asked`, only what has all of their values, as if there were nothing else.
        """

        return self._contents_of_days(kind, asked, first, last, lambda _, content: decode(content), form)

    def _contents_of_days(
        self,
        kind: str,
        asked: Dimensions,
        first: date,
        last: date,
        decode: Callable[[date, Unpacked], Any],
        form: str,
        *,
        of_people: bool = False,
    ) -> dict[date, Any]:
        """The same, where decoding depends on the day (`of_people`: and on who counts)."""

        def fetch(days: list[date]) -> dict[date, Any]:
            if not asked:
                return {day: decode(day, content) for day, content in self._read(kind, days)}
            slices = self._slices(first, last)
            inside = {day: slices[day].inside(asked) for day in days if day in slices}
            whole = [day for day in days if day in inside and inside[day].all()]
            part = [day for day in days if day in inside and not inside[day].all() and inside[day].any()]
            return {day: decode(day, content) for day, content in self._read(kind, whole)} | {
                day: decode(day, part_of(kind, content, inside[day]))
                for day, content in self._read(sliced(kind), part)
            }

        versions = (self._versions_of_people if of_people else self._versions_of)(first, last)
        return cache().contents(versions, (kind + form, asked), fetch, size_of)

    def _read(self, kind: str, days: list[date]) -> Iterator[tuple[date, Unpacked]]:
        if not days:
            return
        self._cursor.execute(CONTENTS, [kind, days])
        for day, content in self._cursor.fetchall():
            yield day, unpacked(bytes(content), of_members=kind in SETS_OF_MEMBERS)

    def _slices(self, first: date, last: date) -> dict[date, DaySlices]:
        """By which dimensions each day is counted, and its slices."""

        def fetch(days: list[date]) -> dict[date, DaySlices]:
            self._cursor.execute(CONTENTS, [SLICES, days])
            return {day: decode_slices(bytes(content)) for day, content in self._cursor.fetchall()}

        return cache().contents(self._versions_of(first, last), SLICES, fetch, size_of)

    def values_of_dimensions(self, first: date, last: date) -> dict[str, dict[str, ValueSize]]:
        """By dimension: the values that occur on these days, '' where it was not reported."""

        def fetch(days: list[date]) -> dict[date, DayValues]:
            slices = self._slices(first, last)
            return day_values({day: slices[day] for day in days if day in slices}, self._read)

        values = cache().contents(self._versions_of(first, last), "values of dimensions", fetch, size_of)
        return values_of(values.values())

    def kept(
        self,
        what: Hashable,
        first: date,
        last: date,
        make: Callable[[], Any],
        size: Callable[[Any], int] = size_of,
        *,
        at: Hashable = None,
    ) -> Any:
        """What follows from these days and from who counts, from the process's cache or made now.

        `what` names everything else that it depends on, and `at` the time, if it depends on that: then only
        the latest is remembered. Whoever gets it must not change it.
        """
        days = tuple(self._versions_of(first, last).items())
        version = self.members.version, self.groups.version, self._crowds.version, days, at

        def fetch(firsts: list[date]) -> dict[date, Any]:
            return dict.fromkeys(firsts, make())

        return cache().contents({first: version}, (what, last), fetch, size)[first]

    @property
    def sealed_until(self) -> date | None:
        """The last sealed day."""
        self._cursor.execute(SEALED_UNTIL)
        last: date | None = self._cursor.fetchone()[0]
        return last

    def begin(self, first: date, last: date) -> date:
        """The first of these days that was ever built; before it there is nothing to read."""
        return min(self._versions_of(first, last), default=last)
