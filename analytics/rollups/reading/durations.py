"""Durations of requests as histograms by name and day."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

import numpy as np

from analytics.rollups.histogram import BUCKETS, place_of
from analytics.rollups.numbers import NOTHING, Flags, Numbers
from analytics.rollups.reading.counted import Counted
from analytics.rollups.reading.named_sets import ALL_NAMES
from analytics.rollups.reading.published import BY_DAY, Levels


class Histograms(NamedTuple):
    """Durations of one day: how many (`counts`) lie at each of `places` (row and bucket), which ascend."""

    places: Numbers
    counts: Numbers

    @property
    def size(self) -> int:
        """Bytes."""
        return self.places.nbytes + self.counts.nbytes


def histograms(latency: Counted) -> Histograms:
    """Histograms of the entries, by name and of all names together."""
    row, bucket, count = (latency.arrays[name] for name in ("row", "bucket", "count"))
    place = np.concatenate([place_of(ALL_NAMES, bucket), place_of(row, bucket)])
    places, which = np.unique(place, return_inverse=True)
    counts = np.bincount(which, weights=np.concatenate([count, count]), minlength=len(places))
    return Histograms(places, counts.astype(np.int64))


class DayDurations(NamedTuple):
    """Of one day: histograms, and the entries that the day does not publish (None: none)."""

    histograms: Histograms
    rest: Counted | None

    @property
    def size(self) -> int:
        """Bytes."""
        return self.histograms.size + (0 if self.rest is None else self.rest.size)


def divided_by_day(day: date, latency: Counted, groups: Flags, levels: Levels | None) -> DayDurations:
    """The durations of a day in these groups: what the day publishes (all without `levels`), and the rest."""
    inside = latency.chosen(groups[latency.arrays["group"]])
    if levels is None:
        return DayDurations(histograms(inside), None)
    by_day = inside.levels(day, levels) == BY_DAY
    if by_day.all():
        return DayDurations(histograms(inside), None)
    return DayDurations(histograms(inside.chosen(by_day)), inside.chosen(~by_day))


class Durations(NamedTuple):
    """Histograms by day, and the entries of those that their day does not publish."""

    by_day: Mapping[date, Histograms]
    rest: Mapping[date, Counted]


def of_row(day_latency: Histograms, rows: Numbers) -> Histograms:
    """The histograms of a single row (or of none), which are then those of all names, too."""
    if not len(rows):
        return Histograms(NOTHING, NOTHING)
    low, high = np.searchsorted(day_latency.places, [rows[0] * BUCKETS, (rows[0] + 1) * BUCKETS])
    own_places = day_latency.places[low:high]
    together = own_places + (ALL_NAMES - rows[0]) * BUCKETS
    return Histograms(np.concatenate([together, own_places]), np.tile(day_latency.counts[low:high], 2))
