"""Counts and histograms by name and day: uses of features, requests of endpoints, sessions."""

from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.rollups.histogram import PER_DOUBLING, Floats, Numbers, percentiles
from analytics.rollups.people import Flags

Name = tuple[str, str]
HEAT_BUCKETS = 12  # below 10 ms, then one for each doubling
ERRORS_FROM = 5  # status class


class Counted(NamedTuple):
    """Arrays of one day; `key` indexes `keys`."""

    keys: list[Name]
    arrays: dict[str, NDArray[Any]]

    @property
    def size(self) -> int:
        """Bytes, about."""
        return sum(values.nbytes for values in self.arrays.values()) + 200 * len(self.keys)


class Joined:
    """The entries of several days that pass a filter, with the numbers of their keys and days."""

    def __init__(
        self, days: list[date], counted: dict[date, Counted], groups: Flags, keys: list[Name], *names: str
    ) -> None:
        number = {key: place for place, key in enumerate(keys)}
        parts: dict[str, list[NDArray[Any]]] = {name: [] for name in ("key", "day", *names)}
        for column, day in enumerate(days):
            if (some := counted.get(day)) is None or not some.keys:
                continue
            own = np.array([number.get(key, -1) for key in some.keys], dtype=np.int64)
            key = own[some.arrays["key"]]
            chosen = np.flatnonzero(groups[some.arrays["group"]] & (key >= 0))
            parts["key"].append(key[chosen])
            parts["day"].append(np.full(len(chosen), column))
            for name in names:
                parts[name].append(some.arrays[name][chosen])
        self.columns = {
            name: np.concatenate([np.empty(0, dtype=np.int64), *values]) for name, values in parts.items()
        }

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    def within(self, low: int, high: int) -> slice:
        """The entries of the columns from `low` to `high` (exclusive): they are in order of days."""
        low, high = np.searchsorted(self["day"], [low, high]).tolist()
        return slice(low, high)


def all_keys(counted: dict[date, Counted], groups: Flags, only: Any = None) -> list[Name]:
    """The keys that have entries in these groups; `only` chooses by the key, or by its first part."""
    found: set[Name] = set()
    for some in counted.values():
        inside = np.bincount(some.arrays["key"][groups[some.arrays["group"]]], minlength=len(some.keys)) > 0
        found |= {key for key, there in zip(some.keys, inside.tolist(), strict=True) if there}
    return sorted(key for key in found if only is None or only in (key, key[0]))


def _matrix(of: Joined, values: NDArray[Any] | None, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Sums by key and day."""
    place = of["key"] * shape[1] + of["day"]
    return np.bincount(place, weights=values, minlength=shape[0] * shape[1]).reshape(shape)


def _whole(sums: NDArray[np.float64]) -> Numbers:
    return sums.astype(np.int64)


@dataclass(frozen=True)
class Uses:
    """How often; `daily` has the shape (keys, days), a key is feature and action."""

    keys: list[Name]
    days: list[date]
    daily: Numbers

    @classmethod
    def of(cls, days: list[date], counted: dict[date, Counted], groups: Flags, feature: str | None) -> "Uses":
        keys = all_keys(counted, groups, feature)
        joined = Joined(days, counted, groups, keys, "count")
        return cls(keys, days, _whole(_matrix(joined, joined["count"], (len(keys), len(days)))))


class Requests:
    """Requests by endpoint and method. Durations in milliseconds, percentiles within 1 %, NaN where none."""

    def __init__(
        self,
        days: list[date],
        requests: dict[date, Counted],
        latency: dict[date, Counted],
        groups: Flags,
        only: Name | None,
    ) -> None:
        self.days = days
        self.keys = all_keys(requests, groups, only)
        shape = len(self.keys), len(days)
        self._by_status = Joined(days, requests, groups, self.keys, "status", "count", "known", "total_ms")
        of = self._by_status
        failed = np.where(of["status"] >= ERRORS_FROM, of["count"], 0)
        self.requests = _whole(_matrix(of, of["count"], shape))
        self.errors = _whole(_matrix(of, failed, shape))
        self.known = _whole(_matrix(of, of["known"], shape))
        self.duration_ms = _matrix(of, of["total_ms"], shape)
        self._latency = Joined(days, latency, groups, self.keys, "bucket", "count")
        self._lowest = int(self._latency["bucket"].min(initial=0))
        self._buckets = int(self._latency["bucket"].max(initial=0)) - self._lowest + 1

    def _columns(self, first: date, last: date) -> tuple[int, int]:
        if not self.days:
            return 0, 0
        return max((first - self.days[0]).days, 0), max((last - self.days[0]).days + 1, 0)

    def percentiles(self, shares: list[float], first: date, last: date) -> Floats:
        """Shape (keys, shares)."""
        chosen = self._latency.within(*self._columns(first, last))
        return self._percentiles(self._latency["key"][chosen], chosen, len(self.keys), shares)

    def percentiles_together(self, shares: list[float], first: date, last: date) -> Floats:
        """Of all keys: shape (shares,)."""
        chosen = self._latency.within(*self._columns(first, last))
        nothing = np.zeros(chosen.stop - chosen.start, dtype=np.int64)
        return self._percentiles(nothing, chosen, 1, shares)[0]

    def daily_percentiles(self, shares: list[float]) -> Floats:
        """Shape (keys, days, shares)."""
        days = len(self.days)
        of = self._latency
        # In order of day, key and bucket, as the entries are kept: nothing has to be added up.
        histograms = of["day"] * len(self.keys) + of["key"]
        order = np.arange(len(histograms))
        if (np.diff(histograms) < 0).any():
            order = np.lexsort((of["bucket"], histograms))
        starts = np.searchsorted(histograms[order], np.arange(days * len(self.keys)))
        if not len(histograms):
            return np.full((len(self.keys), days, len(shares)), np.nan)
        found = percentiles(of["count"][order], starts, of["bucket"][order], shares)
        return found.reshape(days, len(self.keys), len(shares)).swapaxes(0, 1)

    def daily_percentiles_together(self, shares: list[float]) -> Floats:
        """Of all keys: shape (days, shares)."""
        return self._percentiles(self._latency["day"], slice(None), len(self.days), shares)

    def _percentiles(self, which: Numbers, chosen: slice, length: int, shares: list[float]) -> Floats:
        """Of histograms that are added up from the chosen entries, by their number in `which`."""
        if not length:
            return np.empty((0, len(shares)))
        place = which * self._buckets + self._latency["bucket"][chosen] - self._lowest
        counts = np.bincount(place, weights=self._latency["count"][chosen], minlength=length * self._buckets)
        buckets = np.tile(np.arange(self._buckets) + self._lowest, length)
        return percentiles(_whole(counts), np.arange(length) * self._buckets, buckets, shares)

    def statuses(self, first: date, last: date) -> list[dict[str, int]]:
        """Requests of each key by status class: “2xx”, “none”."""
        found: list[dict[str, int]] = [{} for _ in self.keys]
        of = self._by_status
        chosen = of.within(*self._columns(first, last))
        entries = (of[name][chosen].tolist() for name in ("key", "status", "count"))
        for key, status, count in zip(*entries, strict=True):
            name = f"{status}xx" if status >= 0 else "none"
            found[key][name] = found[key].get(name, 0) + count
        return found

    def heat(self, first: date, last: date) -> Numbers:
        """Exact counts, shape (keys, days, HEAT_BUCKETS): `days` are those from `first` to `last`."""
        low, high = self._columns(first, last)
        of = self._latency
        chosen = of.within(low, high)
        coarse = np.clip(of["bucket"][chosen] // PER_DOUBLING + 1, 0, HEAT_BUCKETS - 1)
        days = min(high, len(self.days)) - low
        place = (of["key"][chosen] * days + of["day"][chosen] - low) * HEAT_BUCKETS + coarse
        shape = len(self.keys), days, HEAT_BUCKETS
        counts = np.bincount(place, weights=of["count"][chosen], minlength=int(np.prod(shape)))
        return _whole(counts).reshape(shape)


class Sessions(NamedTuple):
    """Sessions that have a part in the days, and sign-ins, of identified people."""

    users: int
    sessions: int
    median_seconds: float | None
    sign_ins: int
    signed_in: int
