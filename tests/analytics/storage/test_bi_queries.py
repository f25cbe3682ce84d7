"""The queries that BI tools already run: unchanged, and equal to the reports where they should be.

The data holds what the two count differently (internal use, people without an id, withdrawals,
cohorts whose days are not over), so that each difference is asserted, not left to chance.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connections

from analytics import partitions
from analytics.reports.active_users import active_users_report
from analytics.reports.endpoints import endpoints_report
from analytics.reports.features import features_report
from analytics.reports.retention import retention_report
from consent.models import State, TelemetryUser
from tests.support.events import activity, endpoint, feature, filters, person

QUERIES = Path(__file__).parents[2] / "queries"
NOBODY = "anon:" + "0" * 27
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_up")]


def run(name):
    """The rows of a query, exactly as its file has it."""
    with connections["analytics"].cursor() as cursor:
        cursor.execute((QUERIES / f"{name}.sql").read_text().replace("%", "%%"), [])
        return cursor.fetchall()


@pytest.fixture
def now():
    """The database's day, which is what the queries' CURRENT_DATE means."""
    with connections["analytics"].cursor() as cursor:
        cursor.execute("SELECT now(), current_setting('TimeZone')")
        moment, zone = cursor.fetchone()
    assert zone == "UTC"
    partitions.ensure_for(moment, 3)
    return moment.astimezone(UTC)


def days_before(now: datetime, days: float) -> datetime:
    """Noon of that day, but never later than `now`."""
    moment = now - timedelta(days=days)
    return min(moment.replace(hour=12, minute=0, second=0, microsecond=0), now)


def since(now, days):
    """The filters for `>= CURRENT_DATE - INTERVAL 'days'`: that many days, and today."""
    today = now.date()
    first = today - timedelta(days=days)
    return {"today": today, "from_": first.isoformat(), "to": today.isoformat(), "compare": "0"}


@pytest.fixture
def signed_in(now):
    """Sign-ins of 40 people over 60 days, on two deployment types."""
    for user in range(1, 41):
        kind = "cloud" if user % 3 else "self-hosted"
        for day in range(user % 7, 60, 3 + user % 11):
            activity(user, days_before(now, day), deployment_type=kind)
            feature(user, days_before(now, day), name="ab"[user % 2], deployment_type=kind)


def test_daily_active_users_agree_on_sign_ins(now, signed_in):
    feature(50, days_before(now, 1))  # no sign-in
    report = active_users_report(filters(**since(now, 30), activity="login"))
    by_day = {day.day: day for day in report.days}
    rows = run("daily_active_users")
    assert len(rows) > 40
    for day, deployment, users in rows:
        assert getattr(by_day[day], deployment.replace("-", "_")) == users
    assert sum(day.cloud + day.self_hosted + day.unknown for day in report.days) == sum(
        row[2] for row in rows
    )


def test_daily_active_users_differ_by_internal_use_and_people_without_an_id(now):
    day = days_before(now, 2)
    activity(1, day)
    activity(2, day, is_internal=True)
    activity(NOBODY, day)
    activity(3, day)
    TelemetryUser.objects.create(pseudonym=person(3), state=State.DENIED)
    assert [row[2] for row in run("daily_active_users")] == [4]

    def counted(**query):
        return max(day.total for day in active_users_report(filters(**since(now, 30), **query)).days)

    assert counted(activity="login") == 1, "neither internal use, nor people without an id, nor who withdrew"
    assert counted(activity="login", internal="1") == 2


def test_feature_adoption_agrees(now, signed_in):
    rows = run("feature_adoption")
    assert len(rows) == 4
    for deployment in ("cloud", "self-hosted"):
        report = features_report(filters(**since(now, 30), deployment=deployment))
        assert {(row.feature, deployment, row.users, row.uses) for row in report.rows} == {
            row for row in rows if row[1] == deployment
        }


def test_feature_adoption_differs_by_who_has_no_id(now):
    feature(1, days_before(now, 1))
    feature(NOBODY, days_before(now, 1))
    feature(2, days_before(now, 1), is_internal=True)
    assert run("feature_adoption") == [("timer", "cloud", 3, 3)]
    (row,) = features_report(filters(**since(now, 30))).rows
    assert (row.users, row.uses) == (1, 2), "uses without an id are uses, of nobody"


def test_endpoint_performance_agrees(now):
    for number in range(200):
        endpoint(
            number % 9 + 1 if number % 5 else NOBODY,
            days_before(now, number % 8),
            path="/abc"[: 2 + number % 3],
            method="GET" if number % 2 else "POST",
            ms=float(number**2 % 977),
            status=500 if number % 17 == 0 else 200,
        )
    report = endpoints_report(filters(**since(now, 7)))
    rows = run("endpoint_performance")
    assert len(rows) == len(report.rows) == 6
    by_name = {(row.endpoint, row.method): row for row in report.rows}
    for path, method, mean, p95, requests, errors in rows:
        row = by_name[path, method]
        assert (row.requests, row.errors) == (requests, errors)
        assert row.mean_ms == pytest.approx(mean)
        assert row.p95_ms == pytest.approx(p95, rel=0.01)


def test_endpoint_performance_differs_by_internal_use(now):
    endpoint(1, days_before(now, 1), ms=10)
    endpoint(2, days_before(now, 1), ms=99, is_internal=True)
    ((_, _, _, _, requests, _),) = run("endpoint_performance")
    assert requests == 2
    assert endpoints_report(filters(**since(now, 7))).total.requests == 1
    assert endpoints_report(filters(**since(now, 7), internal="1")).total.requests == 2


def retained(now, **query):
    return retention_report(filters(**since(now, 30), definition="login_window", **query), now=now).headline


def test_retention_agrees_over_mature_cohorts(now):
    for user in range(1, 31):
        first = 8 + user % 25
        if first > 30:
            activity(user, days_before(now, 45))  # an old user: neither counts them
        activity(user, days_before(now, first) - timedelta(hours=2))
        if user % 3 == 0:
            activity(user, days_before(now, first - user % 7))
        if user % 10 == 0:
            activity(user, days_before(now, 0))
    ((total, again, rate),) = run("seven_day_retention")
    headline = retained(now)
    assert total > 20
    assert (headline.new_users, headline.immature, headline.retained) == (total, 0, again)
    assert 100 * headline.rate == pytest.approx(float(rate), abs=0.005)


def test_retention_differs_by_those_whose_seven_days_are_not_over(now):
    activity(1, days_before(now, 20))
    activity(1, days_before(now, 15))
    activity(2, days_before(now, 3))  # could still come back
    activity(3, days_before(now, 4))
    activity(3, days_before(now, 2))  # did, but its days are not over either
    assert run("seven_day_retention")[0][:2] == (3, 2)
    assert retained(now) == (3, 2, 1, 1, 1.0)


def test_retention_differs_by_internal_use_and_people_without_an_id(now):
    activity(1, days_before(now, 20))
    activity(2, days_before(now, 20), is_internal=True)
    activity(NOBODY, days_before(now, 20))
    activity(NOBODY, days_before(now, 19))
    assert run("seven_day_retention")[0][:2] == (3, 1)
    assert retained(now)[:4] == (1, 0, 1, 0)
    assert retained(now, internal="1").new_users == 2


def test_a_first_sign_in_as_internal_is_not_a_first_one_to_the_report(now):
    """The query takes the earliest sign-in of all; the report the earliest that counts."""
    activity(1, days_before(now, 25), is_internal=True)
    activity(1, days_before(now, 12))
    assert run("seven_day_retention")[0][:2] == (1, 0)
    assert retained(now)[:4] == (1, 0, 1, 0)
    activity(1, days_before(now, 20), is_internal=True)
    assert run("seven_day_retention")[0][:2] == (1, 1)
    assert retained(now)[:4] == (1, 0, 1, 0)
