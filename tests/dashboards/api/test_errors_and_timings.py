"""Errors and timings over HTTP: as JSON, as a file, on their pages, and for a customer's own key."""

import csv
import io
from datetime import timedelta

import pytest
from django.test import Client

from analytics.report_days import report_today, week_of
from consent.keys import issue_key
from tests.support.events import endpoint, feature, person
from tests.support.pages import one_line
from tests.support.rolling import roll_up

pytestmark = pytest.mark.django_db
TUESDAY = week_of(report_today()) - timedelta(days=6)  # of the last week that is over


def failed(version: str) -> dict[str, object]:
    return {"error.type": "KeyError", "code.function.name": "app.jobs.run", "app_version": version}


@pytest.fixture(autouse=True)
def _met(db: None) -> None:
    """Eight people met an error in a function and waited for a page, one of them met another one."""
    for user in range(1, 9):
        version = "2.0.0" if user < 8 else "1.9.0"
        feature(user, TUESDAY, name="error", action="failed", event_metadata=failed(version))
        endpoint(user, TUESDAY, path="/a", status=500, event_metadata={"error.type": "500"})
        measured = {"duration_ms": 10 * user, "memory_mb": 64, "app_version": "2.0.0"}
        feature(user, TUESDAY, name="render", action="timed", event_metadata=measured)
    for _ in range(37):
        rare = {"error.type": "SecretError", "duration_ms": 3737}
        feature(9, TUESDAY, name="secret", action="failed", event_metadata=rare)
    roll_up()


@pytest.fixture
def ask():
    def get(report: str, *, organization: str = "", **query: str):
        key, _ = issue_key(name="reports", scopes=["reports"], organization_pseudonym=organization)
        return Client().get(f"/api/reports/{report}", query, headers={"x-api-key": key})

    return get


def test_errors_as_json_and_as_a_file(ask) -> None:
    document = ask("errors").json()
    day = TUESDAY.isoformat()
    seen = {"users": 8, "occurrences": 8, "first_seen": day, "last_seen": day, "few_more": False}
    assert [{name: row[name] for name in ("error_type", "place", *seen)} for row in document["rows"]] == [
        {"error_type": "500", "place": "GET /a", **seen},
        {"error_type": "KeyError", "place": "app.jobs.run", **seen},
        {
            "error_type": "SecretError",
            "place": "secret",
            "users": "<5",
            **dict.fromkeys(("occurrences", "first_seen", "last_seen"), "hidden"),
            "few_more": False,
        },
    ]
    assert document["headline"] == {"users": "hidden", "occurrences": 16}, "9 - 8 is one person"
    assert set(document["definitions"]) >= {"errors", "error_place", "error_seen"}
    (one,) = ask("errors", error_type="KeyError").json()["rows"]
    assert one["place"] == "app.jobs.run"
    rows = list(csv.DictReader(io.StringIO(ask("errors", format="csv").content.decode())))
    assert [row["last_seen"] for row in rows] == [day, day, "hidden"]


def test_timings_as_json(ask) -> None:
    document = ask("timings").json()
    common, rare = document["rows"]
    told = {"name": "render", "calls": 8, "mean_ms": 45.0, "memory_mb": 64, "users": 8}
    assert {name: common[name] for name in told} == told
    assert common["p50_ms"] == pytest.approx(45, rel=0.01)
    hidden = {"name": "secret/failed", "users": "<5", "calls": "hidden", "mean_ms": "hidden"}
    assert {name: rare[name] for name in hidden} == hidden
    assert document["total"]["p99_ms"] < 100
    assert [day["calls"] for day in document["days"] if day["day"] == TUESDAY.isoformat()] == [8]


def test_pages_show_the_same(staff) -> None:
    errors = one_line(staff.get("/dashboards/errors/"))
    assert "KeyError" in errors
    assert "app.jobs.run" in errors
    assert "SecretError" in errors
    assert ">37<" not in errors
    timings = one_line(staff.get("/dashboards/timings/"))
    assert "64 MB" in timings
    assert "3.74 s" not in timings
    for page in ("errors", "timings"):
        assert "match these filters" in one_line(staff.get(f"/dashboards/{page}/?deployment=unknown"))


def test_a_customer_s_key_gets_no_single_day(ask) -> None:
    errors = ask("errors", organization=person(999), range="7d").json()
    assert {(row["first_seen"], row["last_seen"]) for row in errors["rows"]} == {("hidden", "hidden")}
    assert [row["occurrences"] for row in errors["rows"]] == [8, 8, "hidden"]
    assert {day["occurrences"] for day in errors["days"]} == {"hidden"}
    timings = ask("timings", organization=person(999), range="7d").json()
    assert timings["rows"][0]["calls"] == 8
    assert {day["calls"] for day in timings["days"]} == {"hidden"}


def test_rows_by_the_values_of_a_dimension(ask, staff) -> None:
    def parts() -> dict[str, dict[str, object]]:
        rows = {row["error_type"]: row["by"] for row in ask("errors", by="app_version").json()["rows"]}
        return {part["value"]: part for part in rows["KeyError"]}

    assert {value: part["users"] for value, part in parts().items()} == {"2.0.0": "hidden"}, "8 - 7 is one"
    for user in range(11, 17):
        feature(user, TUESDAY, name="error", action="failed", event_metadata=failed("1.9.0"))
    roll_up()
    assert {value: part["users"] for value, part in parts().items()} == {"2.0.0": 7, "1.9.0": 7}
    for value, part in parts().items():
        (alone,) = ask("errors", app_version=value, error_type="KeyError").json()["rows"]
        assert {name: alone[name] for name in part if name != "value"} | {"value": value} == part
    (timing, _) = ask("timings", by="app_version").json()["rows"]
    assert [(part["value"], part["calls"], part["memory_mb"]) for part in timing["by"]] == [("2.0.0", 8, 64)]
    assert ask("errors").json()["rows"][0]["by"] == []
    assert "“by” must be one of" in ask("errors", by="colour").content.decode()
    file = csv.DictReader(io.StringIO(ask("errors", by="app_version", format="csv").content.decode()))
    told = {(row["by"], row["users"]) for row in file if row["error_type"] == "KeyError"}
    assert told == {("", "14"), ("2.0.0", "7"), ("1.9.0", "7")}
    page = one_line(staff.get("/dashboards/errors/"))
    assert "Users by version" in page
    assert '<th scope="col" class="num">2.0.0</th>' in page
