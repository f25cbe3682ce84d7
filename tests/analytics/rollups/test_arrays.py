"""Histograms, packing and arrays: the numbers below the roll-ups, without a database."""

import itertools

import numpy as np
import pytest

from analytics.rollups import histogram
from analytics.rollups.layout import CELLS, DEPLOYMENT_TYPES, PIECES, cell_of, is_internal_cell, piece_of
from analytics.rollups.numbers import NEVER, decode_array, distinct, length_of_array, since_1970
from analytics.rollups.packing import pack, unpack


def bucket(ms):
    return int(histogram.buckets_of(np.array([ms]))[0])


def test_every_doubling_of_ten_milliseconds_is_an_edge():
    for doubling in range(-10, 20):
        edge = 10.0 * 2.0**doubling
        assert (bucket(edge), bucket(np.nextafter(edge, 0))) == (35 * doubling, 35 * doubling - 1)


def test_nothing_and_what_is_beyond_every_bucket():
    assert [bucket(ms) for ms in (0.0, 9e-17)] == [histogram.ZERO] * 2
    assert histogram.ZERO < bucket(1e-16) < bucket(1e-15)
    assert bucket(1e300) == histogram.HIGHEST
    assert histogram.values_of(np.array([histogram.ZERO])).tolist() == [0.0]


def test_a_buckets_value_is_within_one_per_cent():
    durations = np.exp(np.random.default_rng(1).uniform(-5, 20, 10_000))
    values = histogram.values_of(histogram.buckets_of(durations))
    assert np.abs(values / durations - 1).max() < 0.01


def test_a_place_is_one_row_and_one_bucket():
    for row, own in itertools.product((0, 1, 1000), (histogram.ZERO, -1, 0, histogram.HIGHEST)):
        place = histogram.place_of(np.array([row]), np.array([own]))
        assert (histogram.row_of(place)[0], histogram.bucket_of(place)[0]) == (row, own)


def test_percentiles_lie_between_neighbours_as_in_postgresql():
    durations = [np.array([10.0, 20.0, 40.0, 80.0]), np.array([5.0])]
    places = np.concatenate(
        [histogram.place_of(row + 1, histogram.buckets_of(d)) for row, d in enumerate(durations)]
    )
    until = histogram.up_to(np.ones(len(places), dtype=np.int64))
    assert until.tolist() == [0, 1, 2, 3, 4, 5]
    shares = [0.0, 0.5, 0.75, 1.0]
    measured = histogram.percentiles(places, until, np.array([1, 2, 3]), shares)
    exact = np.percentile(histogram.values_of(histogram.buckets_of(durations[0])), [0, 50, 75, 100])
    assert measured[0] == pytest.approx(exact)
    assert measured[1] == pytest.approx([5.0] * 4, rel=0.01)
    assert np.isnan(measured[2]).all()


@pytest.mark.parametrize(
    "values",
    [
        [],
        [0, 255],
        [0, 256],
        [65_535],
        [65_536],
        [2**32 - 1],
        [2**32],
        [-128, 127],
        [-129],
        [-1, 2**31],
        [-(2**62), 2**62],
    ],
)
def test_whole_numbers_are_packed_and_come_back(values):
    names, bitmap, arrays = unpack(pack([("a", "b")], b"bits", one=np.array(values, dtype=np.int64)))
    assert (names, bitmap, arrays["one"].tolist()) == ([("a", "b")], b"bits", values)
    assert arrays["one"].dtype == np.int64


def test_fractions_stay_fractions_and_small_numbers_take_little_room():
    _, _, arrays = unpack(pack(total=np.array([0.1, np.nan, -1e300])))
    assert arrays["total"].tolist()[::2] == [0.1, -1e300]
    noise = np.random.default_rng(2).integers(0, 256, 10_000)
    assert len(pack(one=noise)) < 11_000 < len(pack(one=noise + 250)) < 22_000


def test_distinct_values_ascend():
    assert distinct(np.array([3, 1, 3, 2, 1])).tolist() == [1, 2, 3]
    assert distinct(np.array([], dtype=np.int64)).tolist() == []


def test_an_infinite_time_stays_one_and_others_count_from_1970():
    assert since_1970(np.array([NEVER, 0, -946_684_800_000_000])).tolist() == [NEVER, 946_684_800_000_000, 0]


def test_arrays_that_postgresql_sends(db):
    from django.db import connections

    with connections["analytics"].cursor() as cursor:
        cursor.execute("SELECT array_send(ARRAY[1, -2]::int8[]), array_send(ARRAY[true, false, true])")
        numbers, flags = cursor.fetchone()
    assert decode_array(numbers, ">i8").tolist() == [1, -2]
    assert decode_array(flags, "?").tolist() == [True, False, True]
    assert (length_of_array(numbers, ">i8"), length_of_array(flags, "?")) == (2, 3)


def test_cells_are_two_of_each_deployment_type():
    cells = [cell_of(name, is_internal=internal) for name in DEPLOYMENT_TYPES for internal in (False, True)]
    assert cells == list(range(CELLS))
    assert [is_internal_cell(cell) for cell in cells] == [False, True] * 3
    assert piece_of("uses", 3) == piece_of("uses", 3 + PIECES) != piece_of("uses", 4)
