"""Requests of endpoints: counts and percentiles by endpoint and method, and day."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.rollups.histogram import BUCKETS, PER_DOUBLING, bucket_of, percentiles, place_of, row_of, up_to
from analytics.rollups.numbers import NOTHING, Flags, Floats, Numbers
from analytics.rollups.reading.counted import Counted, Joined, Name, asked_for, columns, named
from analytics.rollups.reading.directory import NameNumbers
from analytics.rollups.reading.durations import Durations, of_row
from analytics.rollups.reading.named_sets import ALL_NAMES
from analytics.rollups.reading.published import Levels

HEAT_BUCKETS = 12  # below 10 ms, then one for each doubling
ERRORS_FROM = 5  # status class


class RequestTotals(NamedTuple):
    """Of some days, by key. `left_out`: whether more is withheld."""

    requests: Numbers
    errors: Numbers
    known: Numbers
    duration_ms: NDArray[np.float64]
    left_out: Flags


class Requests:
    """Requests by endpoint and method. Durations in milliseconds, percentiles within 1 %, NaN where none.

    With `levels`, what is by day is what the days publish; spans and totals have what blocks publish, too.
    """

    def __init__(
        self,
        days: list[date],
        requests: Mapping[date, Counted],
        groups: Flags,
        durations: Durations,
        rows: NameNumbers,
        only: Name | None,
        levels: Levels | None = None,
        more: Sequence[str] = (),
    ) -> None:
        """`more`: other arrays of the entries, which `total_of` may be asked for."""
        self.days = days
        rows_asked = asked_for(rows, only)
        names = "status", "count", "known", "total_ms", *more
        joined = Joined(days, requests, groups, rows_asked, *names, levels=levels)
        counts = joined.counts(joined["count"])
        self.keys, self._rows = named(rows, (counts.sum(axis=1) > 0) | joined.rest.rows)
        self.requests = counts[self._rows]
        self.errors = joined.counts(np.where(joined["status"] >= ERRORS_FROM, joined["count"], 0))[self._rows]
        self.known = joined.counts(joined["known"])[self._rows]
        self.duration_ms = joined.sums(joined["total_ms"])[self._rows]
        self._by_status, self._length = joined, len(rows_asked)
        self._latency = [durations.by_day.get(day) for day in days]
        slow = Joined(days, durations.rest, groups, rows_asked, "bucket", "count", levels=levels)
        self._latency_rest = slow.rest
        if only is not None:
            self._latency = [day_latency and of_row(day_latency, self._rows) for day_latency in self._latency]

    def totals(self, first: date, last: date) -> RequestTotals:
        """What the requests of some days add up to."""
        low, high = columns(self.days, first, last)
        requests, errors, known = (
            numbers[:, low:high].sum(axis=1) for numbers in (self.requests, self.errors, self.known)
        )
        totals = RequestTotals(
            requests,
            errors,
            known,
            duration_ms=self.duration_ms[:, low:high].sum(axis=1),
            left_out=np.zeros(len(self.keys), dtype=np.bool_),
        )
        rest = self._by_status.rest
        if not len(rest):
            return totals
        errors = np.where(rest["status"] >= ERRORS_FROM, rest["count"], 0)
        for numbers, more in zip(
            totals[:4], (rest["count"], errors, rest["known"], rest["total_ms"]), strict=True
        ):
            numbers += rest.sums(more, low, high)[self._rows].astype(numbers.dtype)
        return totals._replace(left_out=rest.left_out(low, high)[self._rows])

    def total_of(self, name: str, first: date, last: date) -> Floats:
        """What another array of the entries adds up to on some days, by key."""
        low, high = columns(self.days, first, last)
        rest = self._by_status.rest
        total: Floats = self._by_status.sums(self._by_status[name])[:, low:high].sum(axis=1)
        return (total + rest.sums(rest[name], low, high))[self._rows]

    def left_out_on(self) -> Flags:
        """Shape (keys, days): whether requests of a day are not published by it."""
        rest = self._by_status.rest
        left_out = np.zeros((self._length, len(self.days)), dtype=np.bool_)
        left_out[rest["row"], rest["day"]] = True
        return left_out[self._rows]

    def spans(self, shares: Sequence[float], *spans: tuple[date, date]) -> list[tuple[Floats, Floats]]:
        """Percentiles in some spans, of each key and of all keys: shapes (keys, shares) and (shares,).

        Of spans that begin on the same day only the longest costs time.
        """
        by_span = {}
        for _, beginning_together in groupby(sorted(set(spans)), key=itemgetter(0)):
            total, until = np.zeros(self._length * BUCKETS, dtype=np.int64), None
            for span in beginning_together:
                low, high = columns(self.days, *span)
                for day in self._latency[low if until is None else until : high]:
                    if day is not None:
                        total[day.places] += day.counts
                until = max(high, low)
                with_rest = self._with_rest(total, low, high)
                places = np.flatnonzero(with_rest)
                rows = np.append(self._rows, ALL_NAMES)
                measured = percentiles(places, up_to(with_rest[places]), rows, shares)
                by_span[span] = measured[:-1], measured[-1]
        return [by_span[span] for span in spans]

    def _with_rest(self, total: Numbers, low: int, high: int) -> Numbers:
        """The histograms with those of the blocks in these columns."""
        rest = self._latency_rest
        inside = rest.inside(low, high)
        if not inside.any():
            return total
        row, bucket, count = (rest[name][inside] for name in ("row", "bucket", "count"))
        place = np.concatenate([place_of(ALL_NAMES, bucket), place_of(row, bucket)])
        more = np.bincount(place, weights=np.concatenate([count, count]), minlength=len(total))
        with_rest: Numbers = total + more.astype(np.int64)
        return with_rest

    @cached_property
    def _daily(self) -> tuple[Numbers, Numbers]:
        """Places of all days, each day's moved `_length` rows past the day before; `up_to` their counts."""
        stride = self._length * BUCKETS
        measured_days = [(column, day) for column, day in enumerate(self._latency) if day is not None]
        places = np.concatenate([NOTHING, *(day.places for _, day in measured_days)])
        end = 0
        for column, day in measured_days:
            begin, end = end, end + len(day.places)
            places[begin:end] += column * stride
        return places, up_to(np.concatenate([NOTHING, *(day.counts for _, day in measured_days)]))

    def daily_percentiles(self, shares: Sequence[float]) -> Floats:
        """Shape (keys, days, shares)."""
        rows = np.arange(len(self.days))[:, np.newaxis] * self._length + self._rows  # about in order: faster
        by_day = percentiles(*self._daily, rows.ravel(), shares)
        return by_day.reshape(len(self.days), len(self.keys), len(shares)).swapaxes(0, 1)

    def daily_percentiles_together(self, shares: Sequence[float]) -> Floats:
        """Of all keys: shape (days, shares)."""
        rows = ALL_NAMES + np.arange(len(self.days)) * self._length
        return percentiles(*self._daily, rows, shares)

    def statuses(self, first: date, last: date) -> list[dict[str, int]]:
        """Requests of each key by status class: “2xx”, “none”."""
        joined, (low, high) = self._by_status, columns(self.days, first, last)
        chosen = (joined["day"] >= low) & (joined["day"] < high)
        inside = joined.rest.inside(low, high)
        lists = (
            [*joined[name][chosen].tolist(), *joined.rest[name][inside].tolist()]
            for name in ("row", "status", "count")
        )
        by_row: dict[int, dict[str, int]] = {row: {} for row in self._rows.tolist()}
        for row, status, count in zip(*lists, strict=True):
            name = f"{status}xx" if status >= 0 else "none"
            by_row[row][name] = by_row[row].get(name, 0) + count
        return list(by_row.values())

    def heat(self, first: date, last: date) -> Numbers:
        """Exact counts, shape (keys, days, HEAT_BUCKETS): `days` are those from `first` to `last`."""
        low, high = columns(self.days, first, last)
        counts = np.zeros((self._length, min(high, len(self.days)) - low, HEAT_BUCKETS), dtype=np.int64)
        for column, day in enumerate(self._latency[low:high]):
            if day is not None:
                coarse = np.clip(bucket_of(day.places) // PER_DOUBLING + 1, 0, HEAT_BUCKETS - 1)
                np.add.at(counts[:, column], (row_of(day.places), coarse), day.counts)
        return counts[self._rows]
