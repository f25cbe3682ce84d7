"""Histograms of durations: 35 buckets to each doubling, so that a bucket's value is at most 1 % off.

Every doubling of 10 ms is an edge (`LATENCY_EDGES_MS` of the reports), so that coarse buckets are exact. Many
histograms are held in one array: each has a *row*, and `place_of` a row and a bucket is one number.
"""

from collections.abc import Sequence

import numpy as np

from analytics.rollups.numbers import Floats, Numbers

PER_DOUBLING = 35
UNIT_MS = 10.0
ZERO = -2000  # the bucket of no duration at all; the smallest positive double is in one of its own above
LOWEST, HIGHEST = ZERO, 2000
BUCKETS = 4096  # places of a row: a power of two
MIDDLE = BUCKETS // 2  # the place of bucket 0


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


def place_of(rows: Numbers | int, buckets: Numbers) -> Numbers:
    """One number for a row and a bucket of it."""
    return rows * BUCKETS + (buckets + MIDDLE)


def row_of(places: Numbers) -> Numbers:
    return places // BUCKETS


def bucket_of(places: Numbers) -> Numbers:
    return (places & (BUCKETS - 1)) - MIDDLE


def up_to(counts: Numbers) -> Numbers:
    """How many durations lie before each place; the last entry counts all of them."""
    until = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=until[1:])
    return until


def percentiles(places: Numbers, until: Numbers, rows: Numbers, shares: Sequence[float]) -> Floats:
    """Percentiles of the histograms in these rows: shape (rows, shares), NaN where a histogram is empty.

    `places` ascend; at each there are as many durations as `until` (see `up_to`) grows by. Between two
    neighbouring durations it interpolates as PostgreSQL's `percentile_cont` does.
    """
    starts, ends = (np.searchsorted(places, edge * BUCKETS) for edge in (rows, rows + 1))
    before, size = until[starts], until[ends] - until[starts]
    values = np.full((len(rows), len(shares)), np.nan)
    some = size > 0
    for column, share in enumerate(shares):
        position = share * (size[some] - 1)
        low = np.floor(position).astype(np.int64)
        near = [
            values_of(bucket_of(places[np.searchsorted(until, before[some] + rank, side="right") - 1]))
            for rank in (low, np.ceil(position).astype(np.int64))
        ]
        values[some, column] = near[0] + (near[1] - near[0]) * (position - low)
    return values
