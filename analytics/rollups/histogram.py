"""Durations by bucket: 35 to each doubling, a ratio of 1.02, so that a bucket's value is at most 1 % off.

Every doubling of 10 ms is an edge (`LATENCY_EDGES_MS` of the reports), so that coarse buckets are exact.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]

PER_DOUBLING = 35
UNIT_MS = 10.0
ZERO = -2000  # the bucket of no duration at all; the smallest positive double is in one of its own above
LOWEST, HIGHEST = ZERO, 2000


def buckets_of(duration_ms: Floats) -> Numbers:
    """The bucket of each duration (not negative; below 10⁻¹⁶ ms is none). Bucket 0 begins at 10 ms."""
    positive = np.maximum(duration_ms / UNIT_MS, 1e-17)
    mantissa, exponent = np.frexp(positive)  # in [0.5, 1), so that doublings are exact
    part = np.minimum(np.floor(np.log2(mantissa * 2) * PER_DOUBLING), PER_DOUBLING - 1)
    bucket = (exponent.astype(np.int64) - 1) * PER_DOUBLING + part.astype(np.int64)
    return np.where(duration_ms < 1e-16, ZERO, np.clip(bucket, LOWEST + 1, HIGHEST))


def values_of(buckets: Numbers) -> Floats:
    """The value (ms) that stands for each bucket: as far, relatively, from one edge as from the other."""
    ratio = 2 ** (1 / PER_DOUBLING)
    middle = 2 * ratio / (1 + ratio)
    return np.where(buckets == ZERO, 0.0, UNIT_MS * np.exp2(buckets / PER_DOUBLING) * middle)


def percentiles(
    counts: Numbers, starts: Numbers, ends: Numbers, buckets: Numbers, shares: Sequence[float]
) -> Floats:
    """Of several histograms: shape (histograms, shares), NaN where one is empty.

    `counts[i]` durations lie in `buckets[i]`; the entries of a histogram run from one of `starts` to before
    one of `ends`, in ascending buckets. Between two neighbours as `percentile_cont` does it.
    """
    until = np.concatenate([[0], np.cumsum(counts)])
    before, size = until[starts], until[ends] - until[starts]
    found = np.full((len(starts), len(shares)), np.nan)
    some = size > 0
    for column, share in enumerate(shares):
        position = share * (size[some] - 1)
        low = np.floor(position).astype(np.int64)
        near = [
            values_of(buckets[np.searchsorted(until, before[some] + rank, side="right") - 1])
            for rank in (low, np.ceil(position).astype(np.int64))
        ]
        found[some, column] = near[0] + (near[1] - near[0]) * (position - low)
    return found
