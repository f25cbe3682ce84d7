"""Small groups under filters by dimensions: what is shown, and what is hidden beside other values."""

import pytest
from django.test import Client

from analytics.rollups.reading import reader as rollups
from tests.dashboards.conftest import days_ago, feature_used, people

pytestmark = pytest.mark.django_db


def used(version: str, *users: str, days: int = 1, feature: str = "export") -> None:
    feature_used(*users, feature=feature, at=days_ago(days), metadata={"app_version": version, "app": "web"})


def told(client: Client, report: str = "feature-adoption", **query: str) -> dict[str, list[object]]:
    """People and uses of each feature."""
    answer = client.get(f"/api/reports/{report}", {"compare": "0", **query})
    assert answer.status_code == 200, answer.json()
    return {row["feature"]: [row["users"], row["uses"]] for row in answer.json()["rows"]}


def test_large_values_that_overlap_are_shown_exactly(staff: Client) -> None:
    everybody = people(90)
    used("1.0", *everybody[:60])
    used("2.0", *everybody[50:], days=2)
    used("3.0", *everybody[58:70], days=3)

    shown = [told(staff, app_version=version)["export"] for version in ("1.0", "2.0", "3.0")]
    assert shown == [[60, 60], [40, 40], [12, 12]]
    assert told(staff)["export"] == [90, 112]
    active = staff.get("/api/reports/daily-active-users", {"app_version": "2.0", "metric": "wau"}).json()
    assert max(row["all"] for row in active["rows"]) == 40


def test_a_value_is_hidden_if_it_would_give_the_rest_away(staff: Client) -> None:
    everybody = people(60)
    used("1.0", *everybody[:40])
    used("2.0", *everybody[40:57])
    used("3.0", *everybody[57:])

    assert told(staff)["export"] == [60, 60]
    assert told(staff, app_version="1.0")["export"] == [40, 40]
    assert told(staff, app_version="2.0")["export"] == ["hidden", "hidden"]
    (headline,) = [
        staff.get("/api/reports/retention", {"app_version": "2.0"}).json()["headline"]["new_users"]
    ]
    assert headline == "hidden"


@pytest.mark.parametrize("report", ["errors", "timings", "daily-active-users"])
def test_a_value_is_hidden_in_its_deployment_type_whatever_was_asked_before(
    staff: Client, report: str
) -> None:
    own = people(60, "hosted")
    hosted = [("1.0", own[:40]), ("2.0", own[40:57]), ("3.0", own[57:])]
    for version, deployment, users in [
        ("2.0", "cloud", people(20)),
        *((version, "self-hosted", users) for version, users in hosted),
    ]:
        metadata = {"app_version": version, "page.path": "/a", "error.type": "KeyError", "duration_ms": 9}
        feature_used(*users, feature="page_view", deployment=deployment, metadata=metadata)

    def users(deployment: str) -> object:
        query = {"app_version": "2.0", "deployment": deployment}
        answer = staff.get(f"/api/reports/{report}", query).json()
        (row,) = answer["sessions"]["pages"] if "sessions" in answer else answer["rows"]
        return row["users"]

    with rollups.reading():  # no day is built again in between
        assert [users("cloud"), users("self-hosted")] == [20, "hidden"]


def test_values_of_few_people_show_nothing(staff: Client) -> None:
    used("1.0", *people(20))
    used("9.9", *people(3, "few"))

    for query in ({"app_version": "9.9"}, {"app_version": "9.9", "app": "web"}):
        answer = staff.get("/api/reports/feature-adoption", query)
        assert answer.status_code == 400
        assert answer.json()["error"]["parameter"] in query
        assert "fewer than 5 people" in answer.json()["error"]["message"]
        assert "Too few people" in staff.get("/dashboards/features/", query).content.decode()
    assert told(staff, app_version="4.0") == {}  # nobody


def test_nothing_is_hidden_without_a_threshold(staff: Client, settings) -> None:
    settings.SUPPRESS_BELOW = 0
    used("1.0", *people(20))
    used("9.9", *people(1, "few"), feature="secret")

    assert told(staff, app_version="9.9") == {"secret": [1, 1]}
    assert told(staff, app_version="1.0") == {"export": [20, 20]}
