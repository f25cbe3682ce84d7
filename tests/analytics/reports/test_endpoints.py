"""Endpoint performance: percentiles, errors and days."""

import numpy as np
import pytest

from analytics.reports.endpoints import endpoint_report, endpoints_report
from analytics.reports.suppression import suppress_endpoints
from tests.support.events import ago, endpoint, filters, make_partitions

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_up")]
NOBODY = "anon:" + "0" * 27


@pytest.fixture(autouse=True)
def _months(db):
    make_partitions()


def near(ms):
    """As close as percentiles must be."""
    return pytest.approx(ms, rel=0.01)


def test_mean_and_errors_are_exact_and_percentiles_within_one_per_cent():
    durations = [float(ms) for ms in (3, 9, 27, 81, 243, 729, 1000)]
    for number, ms in enumerate(durations):
        endpoint(number + 1, ago(1 + number % 3), ms=ms, status=503 if number < 2 else 404)
    (row,) = endpoints_report(filters()).rows
    assert (row.requests, row.errors, row.users) == (7, 2, 7)
    assert row.error_rate == pytest.approx(2 / 7)
    assert row.mean_ms == pytest.approx(np.mean(durations))
    for percentile, shown in ((50, row.p50_ms), (95, row.p95_ms), (99, row.p99_ms)):
        assert shown == near(np.percentile(durations, percentile))


def test_the_total_is_of_all_requests_not_of_percentiles():
    for ms in (1, 2, 3):
        endpoint(1, ago(1), path="/fast", ms=ms)
    endpoint(1, ago(1), path="/slow", ms=1000)
    report = endpoints_report(filters())
    assert report.total.p50_ms == near(2.5)
    assert report.total == report.headline._replace(
        previous_p95_ms=None, change=None, compared_users=report.total.compared_users
    )


def test_methods_are_apart_and_requests_of_nobody_are_shown():
    endpoint(NOBODY, ago(1), method="POST")
    endpoint(1, ago(1))
    rows = {(row.method, row.identified) for row in endpoints_report(filters()).rows}
    assert rows == {("POST", False), ("GET", True)}


def test_missing_durations_and_statuses_are_left_out_of_what_needs_them():
    endpoint(1, ago(1), ms=None, status=None)
    endpoint(1, ago(1), ms=40.0)
    (row,) = endpoints_report(filters()).rows
    assert (row.requests, row.errors, row.mean_ms, row.p95_ms) == (2, 0, 40.0, near(40.0))


def test_today_is_in_the_rows_and_not_in_the_headline():
    endpoint(1, ago(0), ms=500)
    endpoint(1, ago(1), ms=100)
    endpoint(2, ago(36), ms=50)
    report = endpoints_report(filters())
    assert (report.total.requests, report.headline.requests, report.previous.requests) == (2, 1, 1)
    assert report.rows[0].change == pytest.approx(1.0, abs=0.02)  # 100 ms against 50 ms: without today
    assert [day.p95_ms for day in report.days[-2:]] == [near(100), near(500)]
    assert report.rows[0].trend[-2:] == (near(100), near(500))
    assert report.days[-1].complete is False


def test_one_endpoint_in_detail():
    for ms, status in ((5, 200), (15, 204), (15, 404), (700, 500)):
        endpoint(1, ago(1), ms=ms, status=status)
    endpoint(1, ago(1), path="/other")
    report = endpoint_report(filters(), "/a", "GET")
    assert report.total.requests == 4
    assert [tuple(row) for row in report.statuses] == [("2xx", 2), ("4xx", 1), ("5xx", 1)]
    assert [(cell.bucket, cell.requests) for cell in report.latency] == [(0, 1), (1, 2), (7, 1)]
    assert endpoint_report(filters(), "/a", "PUT") is None


def test_rows_follow_the_column_asked_for():
    for path, ms in (("/b", 1), ("/c", 3), ("/d", 2)):
        for user in range(1, 7):
            endpoint(user, ago(1), path=path, ms=ms)

    def order(sort):
        return [
            row.endpoint
            for row in suppress_endpoints(endpoints_report(filters(sort=sort), published=True)).rows
        ]

    assert order("-p95") == ["/c", "/d", "/b"]
    assert order("p95") == ["/b", "/d", "/c"]
    assert order("") == ["/b", "/c", "/d"]
