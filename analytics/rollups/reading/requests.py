"""Counts and histograms by name and day: uses of features, requests of endpoints, sessions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.rollups.histogram import (
    BUCKETS,
    PER_DOUBLING,
    bucket_of,
    percentiles,
    place_of,
    row_of,
    up_to,
)
from analytics.rollups.numbers import NEVER, NOTHING, Flags, Floats, Numbers
from analytics.rollups.reading.directory import NameNumbers
from analytics.rollups.reading.named_sets import ALL_NAMES
from analytics.rollups.reading.published import BY_DAY, DAYS_OF_LEVEL, WITHHELD, Levels

Name = tuple[str, str]
HEAT_BUCKETS = 12  # below 10 ms, then one for each doubling
ERRORS_FROM = 5  # status class


class Counted(NamedTuple):
    """The entries of one day: `row` is the row of an entry's name, `group` its cell or group."""

    arrays: dict[str, NDArray[Any]]

    @property
    def size(self) -> int:
        """Bytes, about."""
        return sum(values.nbytes for values in self.arrays.values())


def merged(parts: Sequence[Mapping[date, Counted]]) -> dict[date, Counted]:
    """The entries of each day from several pieces."""
    days: dict[date, list[Counted]] = {}
    for part in parts:
        for day, entries in part.items():
            days.setdefault(day, []).append(entries)
    return {
        day: Counted(
            {name: np.concatenate([piece.arrays[name] for piece in pieces]) for name in pieces[0].arrays}
        )
        if len(pieces) > 1
        else pieces[0]
        for day, pieces in days.items()
    }


class Histograms(NamedTuple):
    """Durations of one day: how many (`counts`) lie at each of `places` (row and bucket), which ascend."""

    places: Numbers
    counts: Numbers

    @property
    def size(self) -> int:
        """Bytes."""
        return self.places.nbytes + self.counts.nbytes


def histograms(latency: Counted, groups: Flags) -> Histograms:
    """Histograms of the entries in these groups, by name and of all names together."""
    chosen = groups[latency.arrays["group"]]
    row, bucket, count = (latency.arrays[name][chosen] for name in ("row", "bucket", "count"))
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
    if levels is None:
        return DayDurations(histograms(latency, groups), None)
    by_day = levels(day, latency.arrays["row"], latency.arrays["group"]) == BY_DAY
    if by_day.all():
        return DayDurations(histograms(latency, groups), None)
    rest = {name: values[~by_day] for name, values in latency.arrays.items()}
    published = {name: values[by_day] for name, values in latency.arrays.items()}
    return DayDurations(histograms(Counted(published), groups), Counted(rest))


class Joined:
    """The entries of several days that pass a filter, each with its day's column.

    With `levels`, entries that their day does not publish are kept apart, as `rest`.
    """

    def __init__(
        self,
        days: list[date],
        counted: Mapping[date, Counted],
        groups: Flags,
        rows_asked: Flags,
        *names: str,
        levels: Levels | None = None,
    ) -> None:
        parts: dict[str, list[NDArray[Any]]] = {name: [NOTHING] for name in ("row", "day", "level", *names)}
        for column, day in enumerate(days):
            if (entries := counted.get(day)) is None:
                continue
            chosen = np.flatnonzero(groups[entries.arrays["group"]] & rows_asked[entries.arrays["row"]])
            parts["day"].append(np.full(len(chosen), column))
            for name in ("row", *names):
                parts[name].append(entries.arrays[name][chosen])
            if levels is not None:
                parts["level"].append(levels(day, parts["row"][-1], entries.arrays["group"][chosen]))
        self._columns = {name: np.concatenate(values) for name, values in parts.items()}
        self._shape = len(rows_asked), len(days)
        self.rest = Unpublished.nothing(len(rows_asked))
        if levels is not None:
            by_day = self["level"] == BY_DAY
            rest = {name: values[~by_day] for name, values in self._columns.items()}
            self.rest = Unpublished(rest, len(rows_asked), days)
            self._columns = {name: values[by_day] for name, values in self._columns.items()}
        self._place = self["row"] * len(days) + self["day"]

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._columns[name]

    def sums(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Sums by row and day."""
        length = self._shape[0] * self._shape[1]
        sums = np.bincount(self._place, weights=values, minlength=length).astype(np.float64)
        return sums.reshape(self._shape)

    def counts(self, values: NDArray[Any]) -> Numbers:
        """The same, for whole numbers."""
        return self.sums(values).astype(np.int64)


class Unpublished:
    """Entries that their day does not publish. Those of a block count where all of the block is asked for."""

    def __init__(self, columns: dict[str, NDArray[Any]], length: int, days: Sequence[date]) -> None:
        self._columns, self.length = columns, length
        level = columns["level"]
        ordinal = np.array([day.toordinal() for day in days], dtype=np.int64)[columns["day"]]
        width = DAYS_OF_LEVEL[level]
        before = (ordinal - 1) % np.maximum(width, 1)
        self._begin, self._end = columns["day"] - before, columns["day"] - before + width
        self._begin[level == WITHHELD] = NEVER

    @classmethod
    def nothing(cls, length: int) -> "Unpublished":
        return cls({"row": NOTHING, "day": NOTHING, "level": NOTHING}, length, [])

    def __len__(self) -> int:
        return len(self._columns["row"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._columns.get(name, NOTHING)

    def inside(self, low: int, high: int) -> Flags:
        """Which entries are of blocks that lie in the columns from `low` to `high` (exclusive)."""
        inside: Flags = (self._begin >= low) & (self._begin < NEVER) & (self._end <= high)
        return inside

    def left_out(self, low: int, high: int) -> Flags:
        """By row: whether it has an entry in these columns that does not count."""
        day = self["day"]
        left_out = np.zeros(self.length, dtype=np.bool_)
        left_out[self["row"][(day >= low) & (day < high) & ~self.inside(low, high)]] = True
        return left_out

    def sums(self, values: NDArray[Any], low: int, high: int) -> NDArray[np.float64]:
        """Sums by row of what counts in these columns."""
        inside = self.inside(low, high)
        sums = np.bincount(self["row"][inside], weights=values[inside], minlength=self.length)
        return sums.astype(np.float64)

    @property
    def rows(self) -> Flags:
        """By row: whether it has an entry."""
        rows = np.zeros(self.length, dtype=np.bool_)
        rows[self["row"]] = True
        return rows


def _columns(days: Sequence[date], first: date, last: date) -> tuple[int, int]:
    """The columns of these days: from (inclusive) and to (exclusive)."""
    if not days:
        return 0, 0
    return max((first - days[0]).days, 0), max((last - days[0]).days + 1, 0)


def _asked_for(rows: NameNumbers, only: Any) -> Flags:
    """By row: whether it is asked for. `only` is a name, or the first part of names."""
    asked = np.ones(len(rows), dtype=np.bool_)
    if only is not None:
        asked[:] = False
        asked[[row for name, row in rows.items() if row < len(asked) and only in (name, name[0])]] = True
    return asked


def _named(rows: NameNumbers, chosen: Flags) -> tuple[list[Name], Numbers]:
    """The names whose rows are chosen, sorted, and these rows."""
    named = sorted((name, row) for name, row in rows.items() if row < len(chosen) and chosen[row])
    return [name for name, _ in named], np.array([row for _, row in named], dtype=np.int64)


@dataclass(frozen=True)
class Uses:
    """How often features were used. `daily` has the shape (keys, days); a key is feature and action.

    With `levels`, `daily` holds what the days publish, and `totals` what blocks do, too.
    """

    keys: list[Name]
    days: list[date]
    daily: Numbers
    _rest: Unpublished
    _rows: Numbers

    @classmethod
    def of(
        cls,
        days: list[date],
        counted: Mapping[date, Counted],
        groups: Flags,
        rows: NameNumbers,
        feature: str | None = None,
        levels: Levels | None = None,
    ) -> "Uses":
        joined = Joined(days, counted, groups, _asked_for(rows, feature), "count", levels=levels)
        daily = joined.counts(joined["count"])
        keys, chosen = _named(rows, (daily.sum(axis=1) > 0) | joined.rest.rows)
        return cls(keys, days, daily[chosen], joined.rest, chosen)

    def totals(self, first: date, last: date) -> tuple[Numbers, Flags]:
        """By key: uses on these days, and whether some are left out."""
        low, high = _columns(self.days, first, last)
        uses = self.daily[:, low:high].sum(axis=1)
        if not len(self._rest):
            return uses, np.zeros(len(uses), dtype=np.bool_)
        more = self._rest.sums(self._rest["count"], low, high).astype(np.int64)
        return uses + more[self._rows], self._rest.left_out(low, high)[self._rows]

    def left_out_on(self) -> Flags:
        """Shape (keys, days): whether uses of a day are not in `daily`."""
        left_out = np.zeros((self._rest.length, len(self.days)), dtype=np.bool_)
        left_out[self._rest["row"], self._rest["day"]] = True
        return left_out[self._rows]


class Durations(NamedTuple):
    """Histograms by day, and the entries of those that their day does not publish."""

    by_day: Mapping[date, Histograms]
    rest: Mapping[date, Counted]


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
    ) -> None:
        self.days = days
        rows_asked = _asked_for(rows, only)
        names = "status", "count", "known", "total_ms"
        joined = Joined(days, requests, groups, rows_asked, *names, levels=levels)
        counts = joined.counts(joined["count"])
        self.keys, self._rows = _named(rows, (counts.sum(axis=1) > 0) | joined.rest.rows)
        self.requests = counts[self._rows]
        self.errors = joined.counts(np.where(joined["status"] >= ERRORS_FROM, joined["count"], 0))[self._rows]
        self.known = joined.counts(joined["known"])[self._rows]
        self.duration_ms = joined.sums(joined["total_ms"])[self._rows]
        self._by_status, self._length = joined, len(rows_asked)
        self._latency = [durations.by_day.get(day) for day in days]
        slow = Joined(days, durations.rest, groups, rows_asked, "bucket", "count", levels=levels)
        self._latency_rest = slow.rest
        if only is not None:
            self._latency = [
                day_latency and _of_rows(day_latency, self._rows) for day_latency in self._latency
            ]

    def totals(self, first: date, last: date) -> RequestTotals:
        """What the requests of some days add up to."""
        low, high = _columns(self.days, first, last)
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
                low, high = _columns(self.days, *span)
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
        joined, (low, high) = self._by_status, _columns(self.days, first, last)
        chosen = (joined["day"] >= low) & (joined["day"] < high)
        inside = joined.rest.inside(low, high)
        columns = (
            [*joined[name][chosen].tolist(), *joined.rest[name][inside].tolist()]
            for name in ("row", "status", "count")
        )
        by_row: dict[int, dict[str, int]] = {row: {} for row in self._rows.tolist()}
        for row, status, count in zip(*columns, strict=True):
            name = f"{status}xx" if status >= 0 else "none"
            by_row[row][name] = by_row[row].get(name, 0) + count
        return list(by_row.values())

    def heat(self, first: date, last: date) -> Numbers:
        """Exact counts, shape (keys, days, HEAT_BUCKETS): `days` are those from `first` to `last`."""
        low, high = _columns(self.days, first, last)
        counts = np.zeros((self._length, min(high, len(self.days)) - low, HEAT_BUCKETS), dtype=np.int64)
        for column, day in enumerate(self._latency[low:high]):
            if day is not None:
                coarse = np.clip(bucket_of(day.places) // PER_DOUBLING + 1, 0, HEAT_BUCKETS - 1)
                np.add.at(counts[:, column], (row_of(day.places), coarse), day.counts)
        return counts[self._rows]


def _of_rows(day_latency: Histograms, rows: Numbers) -> Histograms:
    """The histograms of a single row (or of none), which are then those of all names, too."""
    if not len(rows):
        return Histograms(NOTHING, NOTHING)
    low, high = np.searchsorted(day_latency.places, [rows[0] * BUCKETS, (rows[0] + 1) * BUCKETS])
    own_places = day_latency.places[low:high]
    together = own_places + (ALL_NAMES - rows[0]) * BUCKETS
    return Histograms(np.concatenate([together, own_places]), np.tile(day_latency.counts[low:high], 2))
