"""People under several filters, over HTTP: no two filters differ by few people, in list and detail alike."""

from datetime import date, timedelta

import pytest
from django.test import Client

from analytics.report_days import report_today, week_of
from consent.keys import issue_key
from consent.pseudonyms import pseudonym
from tests.support.events import activity, endpoint, feature
from tests.support.rolling import roll_up

pytestmark = pytest.mark.django_db
MONDAY = week_of(report_today()) - timedelta(weeks=2)
ACME, BETA = (pseudonym("organization", name) for name in ("acme", "beta"))
MANY, SOME, LONE = range(1, 21), range(30, 37), 99


def day(number: int) -> date:
    """A day of two weeks that are over, by its number."""
    return MONDAY + timedelta(days=number)


DAYS = {"from": day(0).isoformat(), "to": day(13).isoformat()}
KINDS = {"feature-adoption": feature, "endpoint-performance": endpoint}


@pytest.fixture
def ask():
    key, _ = issue_key(name="reports", scopes=["reports"])

    def get(report, **query):
        document = Client().get(f"/api/reports/{report}", {**DAYS, **query}, headers={"x-api-key": key})
        assert document.status_code == 200, document.content
        return document.json()

    return get


def people(document):
    (row,) = document["rows"]
    return row["users"]


def here(report, users, *numbers, **values):
    for user in users:
        for number in numbers or (2,):
            KINDS[report](user, day(number), **values)


@pytest.mark.parametrize("report", KINDS)
def test_people_of_a_deployment_type_cannot_be_subtracted_from_all(ask, report):
    here(report, MANY)
    here(report, SOME, deployment_type="self-hosted")
    here(report, [LONE], deployment_type="unknown")
    roll_up()
    shown = {name: people(ask(report, deployment=name)) for name in ("", "cloud", "self-hosted", "unknown")}
    assert shown == {"": 28, "cloud": 20, "self-hosted": "hidden", "unknown": "<5"}, (
        "28 - 20 - 7 is one person"
    )


@pytest.mark.parametrize("report", KINDS)
def test_people_of_internal_use_cannot_be_subtracted(ask, report):
    here(report, MANY)
    here(report, [LONE], is_internal=True)
    roll_up()
    assert (people(ask(report)), people(ask(report, internal="1"))) == (20, "hidden"), "21 - 20"


@pytest.mark.parametrize("report", KINDS)
def test_nor_those_of_internal_use_of_one_deployment_type(ask, report):
    """20 + 7 without, 26 + 8 with internal use: six more of cloud, one more of self-hosted."""
    here(report, MANY)
    here(report, SOME, deployment_type="self-hosted")
    here(report, range(50, 56), is_internal=True)
    here(report, [LONE], is_internal=True, deployment_type="self-hosted")
    roll_up()
    shown = [
        people(ask(report, deployment=name, internal=internal))
        for internal in ("", "1")
        for name in ("", "cloud", "self-hosted")
    ]
    assert shown == [27, 20, 7, 34, "hidden", "hidden"]


@pytest.mark.parametrize("report", KINDS)
def test_an_organization_cannot_be_subtracted_from_all(ask, report):
    here(report, MANY, organization_id=ACME)
    here(report, [LONE], organization_id=BETA)
    for user in range(60, 70):
        activity(user, day(2), organization_id=BETA)
    roll_up()
    assert (people(ask(report)), people(ask(report, org=ACME))) == (21, "hidden"), "21 - 20"


@pytest.mark.parametrize("report", KINDS)
def test_people_of_two_deployment_types_are_not_counted_by_adding_up(ask, report):
    here(report, [*MANY, LONE])
    here(report, [*SOME, LONE], deployment_type="self-hosted")
    roll_up()
    shown = {name: people(ask(report, deployment=name)) for name in ("", "cloud", "self-hosted")}
    assert shown == {"": 28, "cloud": 21, "self-hosted": "hidden"}, "21 + 8 - 28 is one person on both"


@pytest.mark.parametrize("report", KINDS)
def test_groups_that_are_large_enough_are_shown(ask, report):
    here(report, MANY, organization_id=ACME)
    here(report, SOME, deployment_type="self-hosted", organization_id=BETA)
    here(report, range(50, 56), is_internal=True, organization_id=ACME)
    roll_up()
    asked = ({}, {"deployment": "cloud"}, {"internal": "1"}, {"org": ACME}, {"org": ACME, "internal": "1"})
    assert [people(ask(report, **query)) for query in asked] == [27, 20, 33, 20, 26]


def test_what_depends_on_hidden_people_is_hidden_too(ask):
    here("feature-adoption", MANY, 2, 3)
    here("feature-adoption", SOME, 2, 3, deployment_type="self-hosted")
    here("feature-adoption", [LONE], 2, deployment_type="unknown")
    roll_up()
    document = ask("feature-adoption", deployment="self-hosted")
    (row,) = document["rows"]
    hidden = ("users", "share", "uses_per_user", "repeat_users", "change")
    assert {name: row[name] for name in hidden} == {**dict.fromkeys(hidden, "hidden"), "change": None}
    assert row["uses"] == 14, "of published cells"
    assert document["active_users"] == "hidden"
    assert document["trends"]["timer"][2:4] == ["hidden", 7], "on the second day nobody else was there"
    assert ask("feature-adoption", deployment="cloud")["rows"][0]["repeat_users"] == 20


def test_people_of_two_days_cannot_be_subtracted(ask):
    """All of them come under both filters; of self-hosted, two come back."""
    here("feature-adoption", MANY, 2, 3)
    here("feature-adoption", SOME, 2, deployment_type="self-hosted")
    here("feature-adoption", SOME[:2], 3, deployment_type="self-hosted")
    roll_up()
    repeated = {
        name: ask("feature-adoption", deployment=name)["rows"][0]["repeat_users"]
        for name in ("", "cloud", "self-hosted")
    }
    assert repeated == {"": 22, "cloud": "hidden", "self-hosted": "<5"}, "22 - 20"


def test_list_and_detail_hide_the_same(ask, staff):
    for report in KINDS:
        here(report, MANY)
        here(report, SOME, deployment_type="self-hosted")
        here(report, [LONE], deployment_type="unknown")
    roll_up()
    query = {**DAYS, "deployment": "self-hosted"}
    page = staff.get("/dashboards/features/timer/", query).context["report"]
    assert str(page.users_so_far) == str(page.users.value) == str(page.days[2].users) == "hidden"
    whole = staff.get("/dashboards/features/timer/", DAYS).context["report"]
    assert [str(row.users) for row in whole.deployments] == ["20", "hidden", "<5"]
    detail = staff.get("/dashboards/endpoints/detail/", {**query, "endpoint": "/a", "method": "GET"})
    page = detail.context["report"]
    assert str(page.total.users) == str(page.headline.users) == str(page.days[2].users) == "hidden"
    assert page.total.requests == 7
    day_of_list = ask("endpoint-performance", deployment="self-hosted")["days"][2]
    assert (day_of_list["users"], day_of_list["requests"]) == ("hidden", 7)


def test_a_range_is_marked_as_its_days_are(ask):
    here("feature-adoption", MANY)
    here("feature-adoption", SOME, deployment_type="self-hosted")
    here("feature-adoption", [LONE], deployment_type="unknown")
    roll_up()
    for name, shown in {"": 28, "cloud": 20, "self-hosted": "hidden", "unknown": "<5"}.items():
        document = ask("daily-active-users", deployment=name)
        assert (document["users_so_far"], document["rows"][2]["all"]) == (shown, shown)
        assert ask("feature-adoption", deployment=name)["active_users"] == shown


def test_people_of_two_deployment_types_are_not_found_by_adding_up_a_day(ask):
    here("feature-adoption", [*MANY, LONE])
    here("feature-adoption", [*SOME, LONE], deployment_type="self-hosted")
    roll_up()
    for metric in ("dau", "wau", "mau"):
        row = ask("daily-active-users", metric=metric)["rows"][2]
        assert (row["all"], row["cloud"], row["self_hosted"]) == (28, 21, "hidden"), "21 + 8 - 28"


def test_a_window_shows_the_same_in_every_range(ask):
    """Somebody new on a day of few people, long before: 21 in 28 days since, and 20 until then."""
    here("feature-adoption", MANY, *range(-56, 14, 7))
    here("feature-adoption", [1, 2, LONE], -45)
    here("feature-adoption", [LONE], *range(-42, 14, 7))
    roll_up()

    def shown(first):
        asked = {"from": day(first).isoformat(), "metric": "mau", "compare": "0"}
        return {row["date"]: row["all"] for row in ask("daily-active-users", **asked)["rows"]}

    whole, late = shown(-50), shown(0)
    assert whole[day(-46).isoformat()] == 20
    assert late == {name: whole[name] for name in late} == dict.fromkeys(late, "hidden"), "21 - 20"


def came(users, first, *later, **values):
    """New people of a day, and the days after it on which they came back."""
    for user in users:
        for number in (first, *later):
            activity(user, day(number), **values)


def new_people(document):
    return [row["users"] for row in document["rows"] if row["cohort"] == "week"], document["headline"][
        "new_users"
    ]


def test_new_people_of_a_deployment_type_cannot_be_subtracted_from_all(ask):
    came(MANY, 1, 3)
    came(SOME, 1, 3, deployment_type="self-hosted")
    came([LONE], 1, 3, deployment_type="unknown")
    roll_up()
    shown = {name: new_people(ask("retention", deployment=name)) for name in ("", "cloud", "self-hosted")}
    assert shown == {"": ([28, 0], 28), "cloud": ([20, 0], 20), "self-hosted": (["hidden", 0], "hidden")}


def test_nor_those_who_came_back(ask):
    came(MANY, 1, 3)
    came(SOME, 1, deployment_type="self-hosted")
    for user in SOME[:2]:
        activity(user, day(3), deployment_type="self-hosted")
    roll_up()
    assert ask("retention")["headline"]["retained"] == 22
    cloud = ask("retention", deployment="cloud")
    assert cloud["headline"]["new_users"] == 20
    assert (cloud["headline"]["retained"], cloud["headline"]["rate"]) == ("hidden", "hidden"), "22 - 20"
    assert cloud["curve"][1]["on_day"] == "hidden"


def test_nor_those_of_internal_use_or_of_an_organization(ask):
    came(MANY, 1, 3, organization_id=ACME)
    came([LONE], 1, 3, is_internal=True, organization_id=BETA)
    came(range(60, 70), 2, 9, organization_id=BETA, deployment_type="self-hosted")
    roll_up()
    asked = ({}, {"internal": "1"}, {"org": ACME}, {"org": ACME, "internal": "1"})
    assert [new_people(ask("retention", **query))[1] for query in asked] == [30, "hidden", 20, 20]


def seen(users, **values):
    for user in users:
        activity(user, day(2), session=f"session-{user}", **values)
        feature(user, day(2), name="page_view", event_metadata={"page.path": "/help"}, **values)


def test_people_of_sessions_and_pages_cannot_be_subtracted(ask):
    seen(MANY)
    seen(SOME, deployment_type="self-hosted")
    seen([LONE], deployment_type="unknown")
    roll_up()

    def told(deployment):
        sessions = ask("daily-active-users", deployment=deployment)["sessions"]
        (page,) = sessions["pages"]
        names = ("users", "signed_in", "sessions", "sign_ins_per_user")
        return [*(sessions[name]["value"] for name in names), page["users"], page["views"]]

    assert told("") == [28, 28, 28, 1.0, 28, 28]
    assert told("cloud") == [20, 20, 20, 1.0, 20, 20]
    assert told("self-hosted") == ["hidden"] * 6, "28 - 20 - 7 is one person"
