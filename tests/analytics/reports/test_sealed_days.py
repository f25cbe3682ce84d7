"""Reports of days whose rows were dropped: what was kept is shown, and nothing else is made up."""

import csv
from datetime import UTC, date, datetime

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from analytics import partitions
from analytics.models import FeatureUsage
from analytics.reports.active_users import active_users_report
from analytics.reports.cells import Withheld
from analytics.reports.endpoints import endpoint_report, endpoints_report
from analytics.reports.features import feature_report, features_report
from analytics.reports.parameters import FilterError
from analytics.reports.retention import retention_report
from analytics.reports.sealed_days import last_sealed_day
from analytics.reports.sessions import sessions_report
from analytics.reports.suppression import (
    suppress_active_users,
    suppress_endpoint,
    suppress_endpoints,
    suppress_feature,
    suppress_features,
)
from analytics.storage import pruning
from tests.support.events import activity, endpoint, feature, filters, person
from tests.support.rolling import roll_up

pytestmark = pytest.mark.django_db
TODAY = date(2025, 11, 25)
NOW = datetime(2025, 11, 25, 15, tzinfo=UTC)
BUSY, QUIET, OPEN = date(2025, 9, 10), date(2025, 9, 11), date(2025, 10, 2)


@pytest.fixture(autouse=True)
def _september_is_gone(db, settings):
    """Six people on one day of September, two on another; afterwards the six and somebody new."""
    settings.EVENT_RETENTION_MONTHS = 1
    partitions.ensure(partitions.Month(2025, 9), partitions.Month(2025, 11))
    for user in range(6):
        activity(user + 1, BUSY)
        feature(user + 1, BUSY)
        endpoint(user + 1, BUSY, ms=100.0 * (user + 1))
        feature(user + 1, OPEN)
        endpoint(user + 1, OPEN, ms=1000.0)
    for user in range(2):
        activity(user + 1, QUIET)
        feature(user + 1, QUIET)
        endpoint(user + 1, QUIET, path="/rare")
    endpoint("anon:" + "0" * 27, QUIET, path="/of-nobody")
    feature(7, OPEN)
    roll_up()
    with transaction.atomic(using="analytics"):
        pruning.prune(now=NOW)
    roll_up()


def asked(**query):
    return filters(TODAY, last_sealed_day(), **query)


def test_active_users_of_a_sealed_day_are_those_that_were_kept():
    question = asked(from_="2025-09-01", to="2025-10-05")
    report = suppress_active_users(active_users_report(question, published=True))
    totals = {day.day: day.total for day in report.days}
    assert (totals[BUSY], totals[QUIET], totals[OPEN]) == (6, Withheld.HIDDEN, 7)
    assert report.period_users.value is None, "who came on both sides is not known any more"


def test_of_an_organization_nothing_was_kept():
    report = active_users_report(asked(from_="2025-09-01", to="2025-10-05", org=person(999)))
    totals = {day.day: day.total for day in report.days}
    assert (totals[BUSY], totals[OPEN]) == (Withheld.GONE, 7)


def test_windows_that_reach_into_sealed_days_were_kept_too():
    report = active_users_report(asked(from_="2025-10-01", to="2025-10-05", metric="mau"))
    assert {day.day: day.total for day in report.days}[date(2025, 10, 1)] == 6


def test_durations_of_sealed_days_are_read_like_others_but_for_their_people():
    question = asked(from_="2025-09-01", to="2025-10-05")
    assert "days up to 30 Sep 2025 are sealed" in question.sealed_label
    report = suppress_endpoints(endpoints_report(question, published=True))
    rows = {row.endpoint: (row.requests, row.users) for row in report.rows}
    assert rows == {"/a": (12, Withheld.GONE), "/of-nobody": (1, Withheld.GONE)}
    days = {day.day: (day.requests, day.users) for day in report.days}
    assert (days[BUSY], days[QUIET], days[OPEN]) == ((6, Withheld.GONE), (1, Withheld.GONE), (6, 6))
    assert (report.total.requests, report.total.users) == (13, Withheld.GONE)
    one = suppress_endpoint(
        endpoint_report(asked(from_="2025-09-01", to="2025-09-30"), "/a", "GET", published=True)
    )
    assert (one.total.requests, one.total.mean_ms, one.total.users) == (6, 350.0, Withheld.GONE)
    assert one.total.p95_ms == pytest.approx(575, rel=0.01)
    assert sum(cell.requests for cell in one.latency) == 6


def test_uses_of_sealed_days_are_kept_and_their_people_by_day_alone():
    report = suppress_features(features_report(asked(from_="2025-09-01", to="2025-10-05"), published=True))
    (row,) = report.rows
    assert (row.uses, row.users, row.share, report.active_users) == (
        13,
        Withheld.GONE,
        Withheld.GONE,
        Withheld.GONE,
    )
    trend = dict(zip(report.days, row.trend, strict=True))
    assert (trend[BUSY], trend[QUIET], trend[OPEN]) == (6, Withheld.HIDDEN, 7)
    one = suppress_feature(
        feature_report(asked(from_="2025-09-01", to="2025-09-30"), "timer", published=True)
    )
    days = {day.day: (day.users, day.uses) for day in one.days}
    assert (days[BUSY], days[QUIET]) == ((6, 6), (Withheld.HIDDEN, 0))
    assert [(row.action, row.users, row.uses) for row in one.actions] == [("started", Withheld.GONE, 6)]
    assert (one.users.value, one.uses.value, one.users_so_far) == (6, 6, 6), "of a whole month"
    cloud = suppress_features(
        features_report(asked(from_="2025-09-01", to="2025-09-30", deployment="cloud"), published=True)
    )
    assert set(cloud.rows[0].trend) == {Withheld.GONE}, "people of sealed days are of all deployment types"


def test_a_small_group_of_open_days_hides_what_it_is_added_to():
    query = {"from_": "2025-09-01", "to": "2025-10-05"}
    report = suppress_features(features_report(asked(**query, deployment="cloud"), published=True))
    assert report.rows[0].uses == 13
    FeatureUsage.objects.filter(timestamp__date=OPEN).exclude(user_id=person(1)).delete()
    roll_up()
    (row,) = suppress_features(features_report(asked(**query), published=True)).rows
    assert row.uses is Withheld.HIDDEN


def test_what_was_not_kept_of_a_filter_is_left_out():
    for query in ({"org": person(999)}, {"internal": "1"}):
        report = features_report(asked(from_="2025-09-01", to="2025-10-05", **query))
        assert (report.filters.first, report.rows[0].users) == (date(2025, 10, 1), 7)
        with pytest.raises(FilterError, match="2025-10-01 or later"):
            endpoints_report(asked(from_="2025-09-01", to="2025-09-20", **query))


def test_sessions_are_of_open_days_alone():
    assert sessions_report(asked(from_="2025-09-01", to="2025-10-05")) is not None
    assert sessions_report(asked(from_="2025-09-01", to="2025-09-30")) is None


@pytest.mark.parametrize("to", ["2025-09-20", "2025-10-05"])
def test_pages_and_exports_of_sealed_days(client, to):
    client.force_login(User.objects.create_user("mira", is_staff=True))
    days = f"from=2025-09-01&to={to}"
    detail = f"endpoints/detail/?endpoint=/a&method=GET&{days}"
    lists = [f"{page}/?{days}" for page in ("active-users", "features", "features/timer", "endpoints")]
    for address in (*lists, detail):
        answer = client.get(f"/dashboards/{address}")
        assert (address, answer.status_code) == (address, 200)
        assert b"are sealed: their daily totals are kept" in answer.content
        assert (b"not kept" in answer.content) == (address in lists[1:])
    for report in ("daily-active-users", "feature-adoption", "endpoint-performance"):
        for form in ("json", "csv"):
            answer = client.get(f"/api/reports/{report}?{days}&format={form}")
            assert (report, form, answer.status_code) == (report, form, 200)
            if form == "csv":
                header, *lines = csv.reader(answer.content.decode().splitlines())
                assert {line[header.index("asked_sealed_until")] for line in lines} == {"2025-09-30"}


def test_nothing_is_compared_with_sealed_days():
    assert asked(from_="2025-10-01", to="2025-10-30").compare is False
    assert asked(from_="2025-11-01", to="2025-11-20").compare is True


def test_who_was_there_before_is_not_new():
    report = retention_report(asked(from_="2025-10-01", to="2025-10-30"), now=NOW)
    assert report.headline.new_users == 1
