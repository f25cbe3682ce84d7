"""Timings: calls, percentiles and memory of features that say how long they took."""

import numpy as np
import pytest

from analytics.reports.cells import Withheld
from analytics.reports.suppression import suppress_timings
from analytics.reports.timings import timings_report
from tests.support.events import ago, endpoint, feature, filters, make_partitions

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_up")]
HIDDEN, FEW = Withheld.HIDDEN, Withheld.FEW


@pytest.fixture(autouse=True)
def _months(db):
    make_partitions()


def timed(user, day, ms, memory=None, *, name="render", action="timed"):
    metadata = {"duration_ms": ms} | ({} if memory is None else {"memory_mb": memory})
    return feature(user, day, name=name, action=action, event_metadata=metadata)


def shown(**query):
    return suppress_timings(timings_report(filters(**query), published=True))


def test_means_are_exact_and_percentiles_within_one_per_cent():
    durations = [float(ms) for ms in (3, 9, 27, 81, 243, 729, 1000)]
    for number, ms in enumerate(durations):
        timed(number + 1, ago(1 + number % 3), ms, 100 * number if number else None)
    timed(1, ago(1), 5, name="export", action="pdf")
    feature(1, ago(1), name="render", action="timed")
    feature(1, ago(1), event_metadata={"memory_mb": 5})
    endpoint(1, ago(1), event_metadata={"duration_ms": 7})
    row, other = timings_report(filters()).rows
    assert (row.name, row.calls, row.users, other.name) == ("render", 7, 7, "export/pdf")
    assert row.mean_ms == pytest.approx(np.mean(durations))
    for percentile, value in ((50, row.p50_ms), (95, row.p95_ms), (99, row.p99_ms)):
        assert value == pytest.approx(np.percentile(durations, percentile), rel=0.01)
    assert row.memory_mb == pytest.approx(350), "the mean of those that were sent"
    assert other.memory_mb is None


def test_today_is_in_the_rows_and_not_in_the_headline():
    timed(1, ago(0), 500)
    timed(1, ago(1), 100)
    timed(2, ago(36), 50)
    report = timings_report(filters())
    assert (report.total.calls, report.headline.calls, report.previous.calls) == (2, 1, 1)
    assert report.rows[0].change == pytest.approx(1.0, abs=0.02)
    assert [day.calls for day in report.days[-2:]] == [1, 1]


def test_what_few_people_ran_shows_its_name_alone():
    for user in range(1, 7):
        timed(user, ago(2), 10, 64)
    for user in range(1, 5):
        timed(user, ago(2), 9000, 4096, name="secret")
    common, rare = shown().rows
    assert (common.calls, common.mean_ms, common.memory_mb, common.users) == (6, 10, 64, 6)
    assert (rare.name, rare.users) == ("secret", FEW)
    measures = rare.calls, rare.mean_ms, rare.p50_ms, rare.p95_ms, rare.p99_ms, rare.memory_mb
    assert set(measures) == {HIDDEN}
    assert shown().total.p99_ms == pytest.approx(10, rel=0.01)
    assert shown(sort="-memory").rows[0].name == "render"


def test_memory_of_few_is_in_no_mean():
    for user in range(1, 7):
        timed(user, ago(2), 10, 64)
    timed(1, ago(5), 10, 4096)
    (row,) = shown().rows
    assert (row.calls, row.memory_mb) == (6, 64)
