"""Counts of who was there, remembered between reports. Who it was is looked up only where one is missing."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cached_property

from analytics.rollups.numbers import Numbers
from analytics.rollups.reading.presence import Presence
from analytics.rollups.reading.segments import Segment
from analytics.rollups.reading.snapshot import Snapshot

NUMBER_BYTES = 32  # about


class KeptPresence:
    """Who was active (who signed in, with `activity` “login”) in a segment on some days, as counts."""

    def __init__(
        self,
        snapshot: Snapshot,
        segment: Segment,
        first: date,
        last: date,
        activity: str,
        look_up: Callable[[], Presence],
    ) -> None:
        self._snapshot, self._first, self._last, self._look_up = snapshot, first, last, look_up
        self._what = "presence", segment, activity

    @cached_property
    def _presence(self) -> Presence:
        return self._look_up()

    def windows(self, widths: Sequence[int], first: date, last: date) -> Mapping[int, Numbers]:
        """As `Presence.windows`."""
        windows: Mapping[int, Numbers] = self._snapshot.kept(
            (*self._what, tuple(widths), first, last),
            self._first,
            self._last,
            lambda: self._presence.windows(widths, first, last),
            lambda counts: sum(numbers.nbytes for numbers in counts.values()),
        )
        return windows

    def distinct(self, first: date, last: date) -> int:
        """As `Presence.distinct`."""
        number: int = self._snapshot.kept(
            (*self._what, first, last),
            self._first,
            self._last,
            lambda: self._presence.distinct(first, last),
            lambda _: NUMBER_BYTES,
        )
        return number
