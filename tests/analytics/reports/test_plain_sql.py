"""The reference: what it counts with numpy is what counting one by one gives."""

from datetime import date, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analytics.reports.endpoint_counts import PERCENTILES
from tests.support.plain_sql.columns import counted, small_numbers
from tests.support.plain_sql.presence import Presence
from tests.support.plain_sql.requests import Requests

FIRST = date(2026, 3, 1)
LENGTH = 20
days_of_people = st.lists(
    st.tuples(*[st.sets(st.integers(0, LENGTH - 1)) for _ in range(3)]), min_size=1, max_size=12
)


def presence_of(people):
    bits = np.zeros((3, len(people), LENGTH), dtype=np.bool_)
    for number, own in enumerate(people):
        for deployment, days in enumerate(own):
            bits[deployment, number, list(days)] = True
    packed = np.packbits(bits, axis=2)
    by_deployment = dict(zip(("cloud", "self-hosted", "unknown"), packed, strict=True))
    return Presence(
        first=FIRST, length=LENGTH, by_deployment=by_deployment, anywhere=np.bitwise_or.reduce(packed)
    )


@given(days_of_people, st.integers(-9, LENGTH - 1))
def test_windows_count_people_once(people, low):
    last = FIRST + timedelta(days=LENGTH - 1)
    seen = presence_of(people)
    cloud, everywhere = (
        seen.windows(name, [1, 7], FIRST + timedelta(days=low), last) for name in ("cloud", "")
    )

    for place, width in enumerate((1, 7)):
        for index, day in enumerate(range(low, LENGTH)):
            window = set(range(day - width + 1, day + 1))
            assert cloud[place][index] == sum(bool(own[0] & window) for own in people)
            assert everywhere[place][index] == sum(bool(set.union(*own) & window) for own in people)


@given(st.lists(st.integers(-3, 3)))
def test_small_numbers_keep_people_apart_and_nobody_zero(hashes):
    numbers = small_numbers(np.array(hashes, dtype=np.int64)).tolist()

    assert all((number == 0) == (one == 0) for number, one in zip(numbers, hashes, strict=True))
    assert len(set(zip(numbers, hashes, strict=True))) == len(set(hashes)) == len(set(numbers))
    assert max(numbers, default=0) <= len(set(hashes))


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 9))))
def test_combinations_are_counted(pairs):
    first, second = np.array(pairs, dtype=np.int64).reshape(-1, 2).T

    assert {tuple(key): count for key, count in counted(first, second)} == {
        pair: pairs.count(pair) for pair in pairs
    }


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2), st.one_of(st.none(), st.floats(0, 1e6)), st.booleans(), st.integers(0, 3)
        )
    )
)
def test_a_group_of_requests_is_measured_as_one_would_by_hand(rows):
    number, duration, failed, person = zip(*rows, strict=True) if rows else ((), (), (), ())
    requests = Requests(
        names=[("/a", "GET"), ("/b", "GET"), ("/c", "GET")],
        number=np.array(number, dtype=np.int64),
        day=np.zeros(len(rows), dtype=np.int64),
        duration_ms=np.array([np.nan if ms is None else ms for ms in duration], dtype=np.float64),
        failed=np.array(failed, dtype=np.bool_),
        person=np.array(person, dtype=np.int64),
    )
    measured = requests.measured(requests.number, np.ones(len(rows), dtype=np.bool_))

    assert set(measured) == set(number)
    for group, found in measured.items():
        own = [row for row in rows if row[0] == group]
        known = [row[1] for row in own if row[1] is not None]
        assert (found.requests, found.errors) == (len(own), sum(row[2] for row in own))
        assert found.users == len({row[3] for row in own if row[3]})
        if not known:
            assert (found.mean, found.percentiles) == (None, (None, None, None))
            continue
        assert found.mean is not None
        np.testing.assert_allclose(found.mean, np.mean(known), rtol=1e-9)
        np.testing.assert_allclose(found.percentiles, np.quantile(known, PERCENTILES), rtol=1e-9, atol=1e-6)
