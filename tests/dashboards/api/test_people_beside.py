"""Distinct people, over HTTP: no filter, window or page tells of few people beside another."""

from datetime import date, timedelta

import pytest
from django.test import Client

from analytics.report_days import report_today, week_of
from consent.keys import issue_key
from consent.pseudonyms import pseudonym
from tests.support.events import activity
from tests.support.rolling import roll_up

pytestmark = pytest.mark.django_db
MONDAY = week_of(report_today()) - timedelta(weeks=3)
ACME, BETA = pseudonym("organization", "acme"), pseudonym("organization", "beta")


def day(number: int) -> date:
    """A day of three weeks that are over, by its number."""
    return MONDAY + timedelta(days=number)


@pytest.fixture
def ask():
    key, _ = issue_key(name="reports", scopes=["reports"])

    def get(report="daily-active-users", first=0, last=13, **query):
        query |= {"from": day(first).isoformat(), "to": day(last).isoformat()}
        answer = Client().get(f"/api/reports/{report}", query, headers={"x-api-key": key})
        assert answer.status_code == 200
        return answer.json()

    return get


def on(document, number, column="all"):
    return {row["date"]: row[column] for row in document["rows"]}[day(number).isoformat()]


def test_internal_use_of_few_cannot_be_found_by_leaving_it_out(ask):
    for user in range(1, 11):
        activity(user, day(2))
    activity(99, day(2), is_internal=True)
    roll_up()
    assert on(ask(), 2) == 10
    internal = ask(internal="1")
    assert on(internal, 2) == "hidden", "11 - 10 would be one person"
    assert internal["headline"]["period_users"]["value"] == "hidden"
    assert ask()["headline"]["period_users"]["value"] == 10


def test_an_organization_cannot_be_subtracted_to_leave_few_on_a_day(ask):
    for user in range(1, 11):
        activity(user, day(2), organization_id=ACME)
    activity(30, day(2), organization_id=BETA)
    for user in range(30, 40):
        activity(user, day(4), organization_id=BETA)
    roll_up()
    assert on(ask(), 2) == 11
    assert on(ask(org=ACME), 2) == "hidden"
    assert on(ask(org=BETA), 4) == 10


@pytest.mark.parametrize("metric", ["wau", "mau"])
def test_a_window_does_not_tell_what_its_day_hides(ask, metric):
    for user in range(1, 11):
        activity(user, day(1))
    activity(99, day(2))
    roll_up()
    assert on(ask(), 2) == "<5"
    windows = ask(metric=metric)
    assert on(windows, 1) == 10
    assert {on(windows, number) for number in (2, 3, 4)} == {"hidden"}, "10 and 11 would be one person"


def test_people_of_a_deployment_type_in_the_range_are_a_part_of_all(ask):
    for user in range(1, 11):
        activity(user, day(2))
    activity(99, day(2), deployment_type="self-hosted")
    roll_up()
    assert ask()["headline"]["period_users"]["value"] == 11
    assert ask(deployment="cloud")["headline"]["period_users"]["value"] == "hidden"
    assert ask(deployment="self-hosted")["users_so_far"] == "<5"
