"""What people did, over HTTP: no two filters, ranges or pages differ by what few people did."""

import re
from datetime import date, timedelta

import pytest
from django.test import Client

from analytics.report_days import report_today, week_of
from consent.keys import issue_key
from consent.pseudonyms import pseudonym
from tests.support.events import endpoint, feature
from tests.support.rolling import roll_up

pytestmark = pytest.mark.django_db
MONDAY = week_of(report_today()) - timedelta(weeks=3)
NUMBER_37 = re.compile(r">\s*37\b|\b37 (uses|requests)")
MANY, LONE = range(1, 11), 99


def day(number: int) -> date:
    """A day of three weeks that are over, by its number."""
    return MONDAY + timedelta(days=number)


@pytest.fixture
def ask():
    key, _ = issue_key(name="reports", scopes=["reports"])

    def get(report, first=0, last=20, **query):
        query |= {"from": day(first).isoformat(), "to": day(last).isoformat()}
        return Client().get(f"/api/reports/{report}", query, headers={"x-api-key": key}).json()

    return get


def used(people, number=2, times=1, **values):
    for user in people:
        for _ in range(times):
            feature(user, day(number), **values)


def uses(document):
    (row,) = document["rows"]
    return row["uses"]


def test_a_deployment_type_cannot_be_subtracted_from_all(ask):
    used(MANY)
    used([LONE], times=37, deployment_type="self-hosted")
    roll_up()
    assert uses(ask("feature-adoption", deployment="cloud")) == 10
    assert uses(ask("feature-adoption")) == 10, "47 - 10 would be what one person did"
    assert ask("feature-adoption")["rows"][0]["few_more"] is True
    assert ask("feature-adoption", deployment="cloud")["rows"][0]["few_more"] is False


def test_internal_use_of_one_person_cannot_be_subtracted(ask):
    used(MANY)
    used([LONE], times=37, is_internal=True)
    roll_up()
    assert uses(ask("feature-adoption", internal="1")) == uses(ask("feature-adoption")) == 10


def test_requests_errors_and_durations_of_one_person_cannot_be_subtracted(ask):
    for user in MANY:
        endpoint(user, day(2), ms=10.0)
    endpoint(LONE, day(2), ms=9000.0, status=500, deployment_type="unknown")
    roll_up()
    for query in ({}, {"deployment": "cloud"}, {"internal": "1"}):
        document = ask("endpoint-performance", **query)
        (row,) = document["rows"]
        assert (row["requests"], row["errors"], row["mean_ms"]) == (10, 0, 10.0), query
        assert document["total"]["requests"] == 10
        assert document["total"]["p99_ms"] == pytest.approx(10, rel=0.01)


def test_two_ranges_do_not_differ_by_what_a_day_hides(ask):
    used(MANY, 1)
    used([LONE], 2, times=37)
    used(MANY, 3)
    roll_up()
    assert uses(ask("feature-adoption", 1, 2)) == uses(ask("feature-adoption", 1, 1)) == 10
    assert uses(ask("feature-adoption", 0, 3)) == 20
    assert ask("feature-adoption", 2, 2)["rows"][0]["uses"] == "hidden"


def test_few_people_a_day_are_shown_as_the_rest_of_their_week(ask):
    for number in range(3):
        used(range(10 * number, 10 * number + 3), number)
    used(MANY, 4)
    roll_up()
    assert uses(ask("feature-adoption", 0, 6)) == 19, "nine people in the rest of the week"
    assert uses(ask("feature-adoption", 0, 4)) == 10, "a part of the week has the days alone"
    assert ask("feature-adoption", 0, 6)["rows"][0]["few_more"] is False
    assert uses(ask("feature-adoption", 0, 13)) == 19


def test_few_people_a_week_are_shown_with_those_of_four_weeks(ask):
    first = (MONDAY.toordinal() - 1) // 28 * 28 + 1 - MONDAY.toordinal() - 28
    for week in range(3):
        used(range(10 * week, 10 * week + 2), first + 7 * week)
    roll_up()
    assert uses(ask("feature-adoption", first, first + 27)) == 6
    assert uses(ask("feature-adoption", first, first + 20)) == "hidden"
    assert uses(ask("feature-adoption", first - 1, first + 29)) == 6


def test_an_action_of_few_is_shown_in_the_total_and_not_by_subtraction(staff):
    used(MANY)
    used(range(1, 6), action="paused")
    used([LONE], action="secret", times=37)
    roll_up()
    page = staff.get(f"/dashboards/features/timer/?from={day(0)}&to={day(20)}").content.decode()
    assert not NUMBER_37.search(page)
    assert "secret" in page


ACME, BETA, CORP = (pseudonym("organization", name) for name in ("acme", "beta", "corp"))


def test_what_is_left_beside_the_shown_organizations_is_enough(ask):
    used(range(1, 21), organization_id=ACME)
    used(range(30, 36), organization_id=BETA)
    used([LONE], times=37, organization_id=CORP)
    used(range(100, 106), name="other", organization_id=CORP)
    roll_up()
    of = {name: uses(ask("feature-adoption", org=name, feature="timer")) for name in (ACME, BETA)}
    assert of == {ACME: 20, BETA: "hidden"}, "else 63 - 20 - 6 would be one person's"
    assert uses(ask("feature-adoption", feature="timer")) == 63


def test_list_and_detail_of_an_endpoint_show_the_same(ask, staff):
    for user in MANY:
        endpoint(user, day(2), path="/y")
    for _ in range(37):
        endpoint(LONE, day(2), path="/x")
    roll_up()
    document = ask("endpoint-performance")
    rows = {row["endpoint"]: row["requests"] for row in document["rows"]}
    assert rows == {"/x": "hidden", "/y": 10}
    assert document["total"]["requests"] == 10
    query = f"from={day(0)}&to={day(20)}&method=GET"
    detail = staff.get(f"/dashboards/endpoints/detail/?endpoint=/y&{query}").content.decode()
    assert "<b>10</b>" in detail
    rare = staff.get(f"/dashboards/endpoints/detail/?endpoint=/x&{query}").content.decode()
    assert not NUMBER_37.search(rare)


def test_uses_per_user_is_a_least_number_where_uses_of_few_are_left_out(ask, staff):
    used(MANY, times=3)
    used([LONE], times=37, deployment_type="self-hosted")
    roll_up()
    (row,) = ask("feature-adoption")["rows"]
    assert (row["users"], row["uses"], row["few_more"]) == (11, 30, True)
    assert row["uses_per_user"] == pytest.approx(30 / 11), "of what is shown: it tells nothing more"
    page = staff.get(f"/dashboards/features/?from={day(0)}&to={day(20)}").content.decode()
    assert "≥ 2.7" in page
    assert (
        "≥ 3.0"
        not in staff.get(
            f"/dashboards/features/?from={day(0)}&to={day(20)}&deployment=cloud"
        ).content.decode()
    )
