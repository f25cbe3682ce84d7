"""People by feature outlive their rows: of days, weeks and months, without small groups."""

from datetime import UTC, date, datetime

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from analytics import partitions
from analytics.reports.catalogue import ACTIVE_USERS
from analytics.reports.cells import Withheld
from analytics.reports.features import feature_report
from analytics.reports.sealed_days import last_sealed_day
from analytics.reports.suppression import suppress_feature
from analytics.storage import pruning
from tests.support.events import activity, feature, filters
from tests.support.rolling import roll_up

pytestmark = pytest.mark.django_db
TODAY, NOW = date(2025, 12, 15), datetime(2025, 12, 15, 15, tzinfo=UTC)
MONDAY, STRADDLING = date(2025, 10, 6), date(2025, 10, 27)
HIDDEN, GONE = "hidden", "not kept"


@pytest.fixture(autouse=True)
def _room(db, settings, monkeypatch):
    settings.EVENT_RETENTION_MONTHS = 1
    partitions.ensure(partitions.Month(2025, 9), partitions.Month(2025, 12))
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)


def rounded(share):
    return share if isinstance(share, str) else round(share, 4)


def used(users, day, name="timer", **values):
    for user in users:
        feature(user, day, name=name, **values)


def prune():
    roll_up()
    with transaction.atomic(using="analytics"):
        pruning.prune(now=NOW)


@pytest.fixture
def api(client):
    client.force_login(User.objects.create_user("mira", is_staff=True))

    def asked(first, last, **more):
        query = {"from": first, "to": last, **more}
        rows = client.get("/api/reports/feature-adoption", query).json()["rows"]
        return {row["feature"]: (row["users"], rounded(row["share"])) for row in rows}

    return asked


def test_a_week_a_month_and_a_day_keep_their_people(api):
    used(range(1, 7), MONDAY)
    used(range(7, 13), date(2025, 10, 9))
    used(range(20, 30), date(2025, 10, 22))
    for user in range(50, 58):
        activity(user, date(2025, 10, 10))
    roll_up()
    before = [api("2025-10-06", "2025-10-12"), api("2025-10-01", "2025-10-31"), api(MONDAY, MONDAY)]
    prune()
    after = [api("2025-10-06", "2025-10-12"), api("2025-10-01", "2025-10-31"), api(MONDAY, MONDAY)]
    assert before == after
    assert after == [{"timer": (12, 0.6)}, {"timer": (22, 0.7333)}, {"timer": (6, 1.0)}]
    assert api("2025-10-06", "2025-10-13") == {"timer": (GONE, GONE)}, "of other days nobody knows"
    assert api("2025-10-06", "2025-10-12", deployment="cloud") == {"timer": (GONE, GONE)}


def test_the_week_in_which_the_dropped_time_ends_is_counted_whole(api):
    used(range(1, 7), date(2025, 10, 30))
    used(range(7, 13), date(2025, 11, 1))
    prune()
    assert api("2025-10-27", "2025-11-02") == {"timer": (12, 1.0)}


def test_small_groups_are_left_out(api):
    used(range(1, 5), MONDAY, "rare")
    used(range(1, 11), MONDAY, "spread")
    used(range(8, 13), date(2025, 10, 8), "spread")
    used(range(1, 11), MONDAY, "timer")
    prune()
    week = api("2025-10-06", "2025-10-12")
    assert week["timer"] == (10, 0.8333)
    assert week["spread"] == (HIDDEN, HIDDEN), "12, of whom 10 on Monday: two others came later"
    assert "rare" not in week, "nor what few people did"
    month = api("2025-10-01", "2025-10-31")
    assert (month["timer"][0], month["spread"][0]) == (10, HIDDEN)


def test_a_month_does_not_tell_of_few_beside_its_weeks(api):
    used(range(1, 6), MONDAY)
    used(range(6, 11), date(2025, 10, 7))
    used([*range(6, 11), 50, 51], date(2025, 10, 14))
    prune()
    assert api("2025-10-06", "2025-10-12")["timer"][0] == 10
    assert api("2025-10-01", "2025-10-31")["timer"] == (HIDDEN, HIDDEN)


def test_the_page_of_a_feature_shows_them(client):
    used(range(1, 7), MONDAY)
    used(range(7, 13), date(2025, 10, 9))
    prune()
    query = {"from_": "2025-10-06", "to": "2025-10-12"}
    asked = filters(TODAY, last_sealed_day(), **query)
    report = suppress_feature(feature_report(asked, "timer", published=True))
    assert (report.users.value, report.share.value, report.users_so_far, report.active_users) == (
        12,
        1.0,
        12,
        12,
    )
    assert {report.repeat_users.value, report.actions[0].users} == {Withheld.GONE}
    client.force_login(User.objects.create_user("mira", is_staff=True))
    for page in ("features", "features/timer"):
        answer = client.get(f"/dashboards/{page}/?from=2025-10-06&to=2025-10-12")
        assert (answer.status_code, b"12" in answer.content) == (200, True)


def test_days_keep_every_deployment_type_that_is_large_enough():
    for user in range(1, 11):
        activity(user, MONDAY)
        activity(user + 100, MONDAY, deployment_type="self-hosted")
    for user in range(200, 203):
        activity(user, MONDAY, deployment_type="unknown")
    for user in range(1, 8):
        activity(user, date(2025, 10, 8))
    activity(300, date(2025, 10, 8), deployment_type="self-hosted")
    prune()
    asked = filters(TODAY, last_sealed_day(), from_="2025-10-06", to="2025-10-08")
    first, _, third = ACTIVE_USERS.shown(asked).days
    assert first[1:5] == (23, Withheld.HIDDEN, 10, Withheld.HIDDEN)
    assert third[1:5] == (8, Withheld.HIDDEN, Withheld.HIDDEN, 0)
