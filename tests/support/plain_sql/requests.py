"""Requests as columns of numbers, and what is measured of any group of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.reports.endpoint_counts import Name, RequestMeasures
from tests.support.plain_sql.columns import Flags, Numbers, joined, numbered, small_numbers

PERCENTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True)
class Requests:
    """One request per entry."""

    names: list[Name]
    number: Numbers  # index into `names`
    day: Numbers
    duration_ms: NDArray[np.float64]  # NaN where none was sent
    failed: Flags
    person: Numbers  # 0 for nobody who counts

    @classmethod
    def of(cls, rows: Sequence[tuple[str, str, bytes, bytes, bytes, bytes]]) -> "Requests":
        """From rows of endpoint, method, and four arrays."""
        return cls(
            names=[(row[0], row[1]) for row in rows],
            number=numbered([row[2] for row in rows], ">i2"),
            day=joined([row[2] for row in rows], ">i2", np.int64),
            duration_ms=joined([row[3] for row in rows], ">f8", np.float64),
            failed=joined([row[4] for row in rows], "?", np.bool_),
            person=small_numbers(joined([row[5] for row in rows], ">i8", np.int64)),
        )

    def measured(self, key: Numbers, chosen: Flags) -> dict[int, RequestMeasures]:
        """The measures of each group of chosen requests with the same key."""
        order = self._by_duration[chosen[self._by_duration]]
        order = order[np.argsort(key[order], kind="stable")]
        groups, starts, sizes = np.unique(key[order], return_index=True, return_counts=True)
        if not len(groups):
            return {}
        durations = self.duration_ms[order]  # ascending within a group, NaN last
        is_known = ~np.isnan(durations)
        known = np.add.reduceat(is_known, starts, dtype=np.int64)
        sums = np.add.reduceat(np.where(is_known, durations, 0.0), starts)
        errors = np.add.reduceat(self.failed[order], starts, dtype=np.int64)
        users = _users(key[order], self.person[order], groups)
        percentiles = [_percentile(durations, starts, known, share) for share in PERCENTILES]
        return {
            int(group): RequestMeasures(
                int(sizes[i]),
                int(errors[i]),
                float(sums[i] / known[i]) if known[i] else None,
                (float(p50), float(p95), float(p99)) if known[i] else (None, None, None),
                int(users[i]),
            )
            for i, (group, p50, p95, p99) in enumerate(zip(groups, *percentiles, strict=True))
        }

    @cached_property
    def _by_duration(self) -> Numbers:
        return np.argsort(self.duration_ms, kind="stable")


def _users(key: Numbers, person: Numbers, groups: Numbers) -> Numbers:
    """Distinct people of each group."""
    named = person > 0
    width = int(person.max(initial=0)) + 1
    once = np.unique(key[named] * width + person[named]) // width
    return np.searchsorted(once, groups, side="right") - np.searchsorted(once, groups, side="left")


def _percentile(ascending: NDArray[np.float64], starts: Numbers, sizes: Numbers, share: float) -> Any:
    """Interpolates between the two nearest values, like `percentile_cont`."""
    position = share * (np.maximum(sizes, 1) - 1)
    low = np.floor(position).astype(np.int64)
    below, above = ascending[starts + low], ascending[starts + np.ceil(position).astype(np.int64)]
    return below + (above - below) * (position - low)
