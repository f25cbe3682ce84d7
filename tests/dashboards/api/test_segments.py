"""Organizations of few people, and keys of one organization: what they may ask, and what they are shown."""

from datetime import date, timedelta

import pytest
from django.test import Client

from analytics.report_days import report_today, week_of
from consent.keys import issue_key
from consent.pseudonyms import pseudonym
from tests.support.events import activity, feature
from tests.support.rolling import roll_up

pytestmark = pytest.mark.django_db
MONDAY = week_of(report_today()) - timedelta(weeks=2)
ACME, BETA, CORP = (pseudonym("organization", name) for name in ("acme", "beta", "corp"))
REPORTS = ("daily-active-users", "feature-adoption", "endpoint-performance", "retention")


def day(number: int) -> date:
    """A day of two weeks that are over, by its number."""
    return MONDAY + timedelta(days=number)


def asking(organization=""):
    key, _ = issue_key(name="reports", scopes=["reports"], organization_pseudonym=organization)

    def ask(report="daily-active-users", **query):
        return Client().get(f"/api/reports/{report}", query, headers={"x-api-key": key})

    return ask


def active(people, organization, *numbers):
    for user in people:
        for number in numbers or (2,):
            activity(user, day(number), organization_id=organization)
            feature(user, day(number), organization_id=organization)


DAYS = {"from": day(0).isoformat(), "to": day(13).isoformat()}


@pytest.mark.parametrize("report", REPORTS)
def test_an_organization_of_few_people_shows_nothing_zeros_included(report):
    active(range(1, 21), ACME)
    active([30], BETA, 1, 4)
    active(range(40, 47), CORP)
    roll_up()
    answer = asking()(report, org=BETA, **DAYS)
    assert answer.status_code == 400
    assert answer.json()["error"]["parameter"] == "org"
    assert "fewer than 5 people" in answer.json()["error"]["message"]
    assert asking()(report, org=ACME, **DAYS).status_code == 200


def test_nor_does_a_page_of_it(staff):
    active([30], BETA, 1, 4)
    roll_up()
    query = "&".join(f"{name}={value}" for name, value in {**DAYS, "org": BETA}.items())
    for page in ("", "active-users/", "features/", "features/timer/", "endpoints/", "retention/"):
        answer = staff.get(f"/dashboards/{page}?{query}")
        assert b"Fewer than 5 people" in answer.content, page
        assert b"data-figure" not in answer.content
        assert b"&lt;5" not in answer.content


def test_organizations_whose_rest_is_small_are_hidden_too():
    active(range(1, 21), ACME)
    active(range(30, 36), BETA)
    active([50], CORP)
    roll_up()
    ask = asking()
    assert {name: ask(org=name, **DAYS).status_code for name in (ACME, BETA, CORP)} == {
        ACME: 200,
        BETA: 400,
        CORP: 400,
    }, "else one person is the whole without Acme and Beta"


def test_a_key_of_one_organization_gets_whole_weeks_that_are_over():
    active(range(1, 11), ACME, 2, 9)
    roll_up()
    ask = asking(ACME)
    document = ask(range="7d").json()["filters"]
    last = week_of(report_today()) - timedelta(days=1)
    assert (document["from"], document["to"]) == ((last - timedelta(days=6)).isoformat(), last.isoformat())
    assert ask().json()["filters"]["from"] == (last - timedelta(days=27)).isoformat()
    assert ask(**DAYS).status_code == 200
    for first, until in ((1, 13), (0, 12), (2, 2), (0, 20)):
        answer = ask(**{"from": day(first).isoformat(), "to": day(until).isoformat()})
        assert answer.status_code == 400, (first, until)
        assert "whole weeks" in answer.json()["error"]["message"] or until == 20


def test_and_no_figure_of_a_day():
    active(range(1, 11), ACME)
    roll_up()
    ask = asking(ACME)
    document = ask(**DAYS).json()
    assert {row["all"] for row in document["rows"]} == {"hidden"}
    assert document["headline"]["period_users"]["value"] == 10
    weekly = {row["date"]: row["all"] for row in ask(metric="wau", **DAYS).json()["rows"]}
    assert {value for date_, value in weekly.items() if date_ != day(6).isoformat()} == {"hidden", 0}
    assert (weekly[day(6).isoformat()], weekly[day(13).isoformat()]) == (10, 0)
    features = ask("feature-adoption", **DAYS).json()
    assert set(features["trends"]["timer"]) == {"hidden"}
    assert features["rows"][0]["uses"] == 10
