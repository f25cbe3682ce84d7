"""Account reports: an organization's own totals, however few its people are, and what is hidden for them."""

from datetime import date, timedelta

import pytest
from django.test import Client

from analytics.report_days import report_today, week_of
from consent.decisions.recording import record_decision
from consent.keys import issue_key
from consent.models import Level, Method, State, SubjectKind
from consent.pseudonyms import pseudonym
from tests.support.events import endpoint, feature
from tests.support.rolling import roll_up

pytestmark = pytest.mark.django_db
MONDAY = week_of(report_today()) - timedelta(weeks=2)
ACME, BETA, CORP = (pseudonym("organization", name) for name in ("acme", "beta", "corp"))


def day(number: int) -> date:
    """A day of two weeks that are over, by its number."""
    return MONDAY + timedelta(days=number)


DAYS = {"from": day(0).isoformat(), "to": day(13).isoformat()}
OWN = ("daily-active-users", "feature-adoption", "endpoint-performance")


def decide(organization=ACME, state=State.GRANTED, level=Level.ACCOUNT):
    record_decision(
        kind=SubjectKind.ORGANIZATION,
        subject=organization,
        state=state,
        level=level,
        actor="tests",
        method=Method.COMMAND,
    )


def answer(report, bound="", **query):
    key, _ = issue_key(name="reports", scopes=["reports"], organization_pseudonym=bound)
    return Client().get(f"/api/reports/{report}", {**DAYS, **query}, headers={"x-api-key": key})


def ask(report, **query):
    response = answer(report, **query)
    assert response.status_code == 200, response.content
    return response.json()


def here(users, organization, *numbers, times=1, **values):
    for user in users:
        for number in numbers or (2,):
            for _ in range(times):
                feature(user, day(number), organization_id=organization, **values)
                endpoint(user, day(number), organization_id=organization, **values)


@pytest.fixture
def small():
    """Acme, of three people, beside an organization of many."""
    here(range(1, 4), ACME, 2, 3, times=2)
    here(range(10, 30), BETA)
    roll_up()


@pytest.mark.usefixtures("small")
def test_staff_see_the_own_totals_of_an_organization_that_allows_it():
    for report in OWN:
        assert answer(report, org=ACME).status_code == 400
    decide()
    (row,) = ask("feature-adoption", org=ACME)["rows"]
    assert [row[name] for name in ("users", "uses", "repeat_users", "share")] == [3, 12, 3, 1.0]
    (row,) = ask("endpoint-performance", org=ACME)["rows"]
    assert (row["requests"], row["users"], row["mean_ms"]) == (12, 3, 10.0)
    document = ask("daily-active-users", org=ACME)
    assert document["users_so_far"] == 3
    assert [shown["all"] for shown in document["rows"][:5]] == [0, 0, 3, 3, 0]
    assert answer("retention", org=ACME).status_code == 400, "of people who come back nothing is said"


@pytest.mark.usefixtures("small")
def test_on_pages_too(staff):
    decide()
    query = {**DAYS, "org": ACME}
    for page in ("", "active-users/", "features/"):
        assert b"Fewer than 5 people" not in staff.get(f"/dashboards/{page}", query).content, page
    report = staff.get("/dashboards/features/timer/", query).context["report"]
    assert (report.users_so_far, report.uses_so_far, report.days[2].users) == (3, 12, 3)
    detail = staff.get("/dashboards/endpoints/detail/", {**query, "endpoint": "/a", "method": "GET"})
    assert (detail.context["report"].total.requests, detail.context["report"].total.users) == (12, 3)
    overview = staff.get("/dashboards/", query).context["report"]
    assert overview.active_users.users_so_far == 3
    assert overview.features.rows[0].uses == 12


@pytest.mark.usefixtures("small")
def test_until_it_takes_that_back():
    decide()
    assert answer("feature-adoption", org=ACME).status_code == 200
    decide(level=Level.DETAILED)
    assert answer("feature-adoption", org=ACME).status_code == 400


@pytest.mark.usefixtures("small")
def test_its_own_key_gets_whole_weeks_of_enough_people_as_before():
    decide()
    for report in OWN:
        assert answer(report, bound=ACME).status_code == 400
    assert answer("feature-adoption", bound=ACME, **{"from": day(1).isoformat()}).status_code == 400


@pytest.mark.parametrize("others", [1, 4])
def test_the_whole_is_hidden_where_the_rest_would_be_few(others):
    here(range(1, 11), ACME)
    here(range(20, 20 + others), BETA)
    roll_up()
    assert ask("feature-adoption")["rows"][0]["users"] == 10 + others
    decide()
    (row,) = ask("feature-adoption")["rows"]
    assert (row["users"], row["uses"], row["share"]) == ("hidden", "hidden", "hidden")
    assert ask("feature-adoption", org=ACME)["rows"][0]["users"] == 10
    (row,) = ask("endpoint-performance")["rows"]
    assert (row["users"], row["requests"]) == ("hidden", "hidden")
    for metric in ("dau", "wau", "mau"):
        document = ask("daily-active-users", metric=metric)
        assert document["rows"][2]["all"] == "hidden", metric
        assert document["users_so_far"] == document["headline"]["period_users"]["value"] == "hidden"


def test_nor_is_another_organization_shown_that_would_uncover_it():
    here(range(1, 10), ACME)
    here(range(20, 30), BETA)
    here([40], CORP)
    roll_up()
    assert ask("feature-adoption", org=BETA)["rows"][0]["users"] == 10
    decide()
    assert ask("feature-adoption")["rows"][0]["users"] == 20
    assert answer("feature-adoption", org=BETA).status_code == 400, "20 - 9 - 10 is Corp's one person"


def test_the_whole_stays_where_nobody_or_enough_are_left():
    here(range(1, 4), ACME)
    here(range(20, 30), BETA)
    here(range(1, 8), ACME, 3)
    roll_up()
    decide()
    document = ask("daily-active-users")
    assert [row["all"] for row in document["rows"][2:5]] == [13, 7, 0]
    assert ask("feature-adoption")["rows"][0]["users"] == 17
