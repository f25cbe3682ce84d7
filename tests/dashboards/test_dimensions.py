"""Filters by dimensions, as staff meet them: choices, addresses, exports, and days still to be counted."""

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from analytics.models import EndpointUsage, FeatureUsage, RolledDay, UserActivity
from analytics.report_days import report_today
from analytics.reports.endpoints import endpoints_report
from analytics.rollups.building import build
from analytics.rollups.reading import reader as rollups
from consent.keys import issue_key
from dashboards.api.exports import EXPORTS
from tests.dashboards.conftest import days_ago, feature_used, people, pseudonym, requested, signed_in
from tests.support.declaring import collect
from tests.support.events import filters, installation
from tests.support.pages import one_line
from tests.support.rolling import roll_up

pytestmark = pytest.mark.django_db
ASKED = "app=web&environment=%7Bnone%7D"
PAGES = ("", "active-users/", "features/", "endpoints/", "errors/", "timings/", "retention/", "pipeline/")
DETAILS = ("features/export/", "endpoints/detail/?endpoint=/api/things/%7Bid%7D&method=GET")


def tagged(**metadata: str) -> None:
    """Every event that has no values yet gets these."""
    for model in (FeatureUsage, UserActivity, EndpointUsage):
        model.objects.filter(event_metadata={}).update(event_metadata=metadata)


@pytest.fixture
def two_apps(db: None) -> None:
    """Seven people with the app “web”, nine with “desktop”, six of them in production."""
    feature_used(*people(7, "web"))
    tagged(app="web")
    feature_used(*people(6, "desktop"))
    tagged(app="desktop", environment="production")
    feature_used(*people(9, "desktop"), action="deleted")
    tagged(app="desktop")
    requested(*people(7, "web"))


def page(client: Client, address: str) -> str:
    response = client.get(f"/dashboards/{address}")
    assert response.status_code == 200
    return one_line(response)


def rows(client: Client, **query: str) -> dict[str, int]:
    """How many people used each feature."""
    document = client.get("/api/reports/feature-adoption", {"compare": "0", **query}).json()
    return {row["feature"]: row["users"] for row in document["rows"]}


def test_a_report_counts_what_has_all_the_values(staff: Client, two_apps: None) -> None:
    assert rows(staff) == {"export": 16}
    assert rows(staff, app="web") == {"export": 7}
    assert rows(staff, app="desktop", environment="production") == {"export": 6}
    assert rows(staff, app="web", environment="{none}") == {"export": 7}
    assert rows(staff, app="web", environment="production") == {}
    assert rows(staff, app="{other}") == rows(staff, app="unheard of") == {}


def test_somebody_with_two_versions_on_a_day_is_one_person(staff: Client, two_apps: None) -> None:
    for version in ("1.0", "2.0"):
        requested(*people(7), endpoint="/both")
        tagged(app="web", app_version=version)

    with rollups.reading():
        rows = endpoints_report(filters(report_today(), app="web")).rows

    row = next(row for row in rows if row.endpoint == "/both")
    assert (row.requests, row.users) == (14, 7)
    assert row.trend_users[-2:] == (7, 0)


def test_what_is_offered_are_the_values_of_the_range(staff: Client, two_apps: None) -> None:
    features = page(staff, "features/?app=web")

    assert '<option value="desktop">desktop</option><option value="web" selected>web</option>' in features
    assert '<option value="{none}">Not reported</option>' in features
    assert "<span>Platform</span>" not in features  # nobody reports one: there is nothing to choose
    assert "<span>Environment</span>" in features
    assert "<span>App</span>" not in page(staff, "features/?from=2026-01-01&to=2026-01-07")


def test_a_value_that_is_not_there_is_not_lost(staff: Client, two_apps: None) -> None:
    features = page(staff, "features/?platform=Linux&range=7d")

    assert '<option value="Linux" selected>Linux</option>' in features
    assert "opted-in users, platform Linux, internal use excluded" in features


@pytest.mark.parametrize("address", [*PAGES, *DETAILS])
def test_links_carry_the_dimensions(staff: Client, two_apps: None, address: str) -> None:
    answer = page(staff, f"{address}{'&' if '?' in address else '?'}{ASKED}")

    asked = "environment=%7Bnone%7D&amp;app=web"
    assert f"/dashboards/retention/?{asked}" in answer
    if address != "pipeline/":
        assert "app web" in answer
    if address in ("features/", *DETAILS):
        assert f"{asked}&amp;" in answer or f"&amp;{asked}" in answer


@pytest.mark.parametrize("report", sorted(EXPORTS))
def test_exports_say_what_they_were_asked(staff: Client, two_apps: None, report: str) -> None:
    answer = staff.get(f"/api/reports/{report}?app=web&app_version=1.0&platform=%7Bnone%7D").json()
    text = staff.get(f"/api/reports/{report}?{ASKED}&app_version=1.0&format=csv").content.decode()
    applies = "all" if report == "installations" else "web"  # no installation says which app it is

    assert [answer["filters"][name] for name in ("app", "app_version", "platform", "environment")] == [
        applies,
        "1.0",
        "{none}",
        "all",
    ]
    assert "asked_app" in csv.DictReader(io.StringIO(text)).fieldnames
    assert "dimensions" in answer["definitions"]
    assert answer["still_counting"] == []


def test_a_bad_value_is_named_and_not_repeated(staff: Client) -> None:
    for value in ("w" * 61, "w\x00b", "w\nb"):
        answer = staff.get("/api/reports/retention", {"app": value})
        assert (answer.status_code, answer.json()["error"]["parameter"]) == (400, "app")
        assert "at most 60 characters" in answer.json()["error"]["message"]
        assert staff.get("/dashboards/features/", {"app": value}).status_code == 400
    assert staff.get("/api/reports/retention", {"application": "web"}).status_code == 400


def test_a_key_of_one_organization_may_use_them(staff: Client, two_apps: None) -> None:
    feature_used(*people(7, "web"), at=days_ago(14))
    tagged(app="web")
    key, _ = issue_key(name="own", scopes=["reports"], organization_pseudonym=pseudonym("organization"))
    asked = {"range": "30d", "compare": "0"}

    def answer(app: str) -> dict[str, Any]:
        query = asked | {"app": app}
        return Client().get("/api/reports/feature-adoption", query, headers={"x-api-key": key}).json()

    assert [row["users"] for row in answer("web")["rows"]] == [7]
    assert answer("unheard of")["error"]["parameter"] == "org"  # of whom too few people are active in it


def test_installations_have_a_version_and_a_platform(staff: Client) -> None:
    yesterday = report_today() - timedelta(days=1)
    for number in range(13):
        version, platform = ("1.0", "Linux") if number < 6 else ("2.0", "Windows")
        installation(number, [yesterday], version=version, platform=platform)

    def active(**query: str) -> int:
        return staff.get("/api/reports/installations", query).json()["headline"]["active"]["value"]

    assert (active(), active(app_version="1.0"), active(platform="Windows")) == (13, 6, 7)
    assert (active(app_version="1.0", platform="Windows"), active(environment="test")) == (0, 13)
    answer = page(staff, "installations/?app_version=1.0&environment=test")
    assert '<option value="1.0" selected>1.0</option>' in answer
    assert '<input type="hidden" name="environment" value="test">' in answer
    assert "installations, app version 1.0" in answer


def test_pages_and_answers_say_what_is_still_counted(
    staff: Client, two_apps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    feature_used(*people(7), at=days_ago(9))
    roll_up()
    monkeypatch.setattr(build, "roll_up", lambda: None)  # the job is not through yet
    RolledDay.objects.filter(day=days_ago(9).date()).update(dimensions="environment,platform")
    sentence = "counting by app version: 1 of 2 days"

    assert sentence in page(staff, "features/")
    assert sentence in page(staff, "pipeline/")
    answer = staff.get("/api/reports/retention").json()
    assert {"dimension": "app", "days_counted": 1, "days": 2} in answer["still_counting"]


def test_what_the_operator_marks_is_a_filter_too(staff: Client, settings, tmp_path) -> None:
    entry = """
[[attribute]]
name = "tenant.size"
type = "choice"
values = ["small", "large"]
tier = "detailed"
purpose = "Size of the tenant"
why = "To see what large ones need."
example = "small"
dimension = true
"""
    feature_used(*people(7))
    tagged(**{"tenant.size": "small"})
    feature_used(*people(8, "other"))
    tagged(**{"tenant.size": "large"})
    assert staff.get("/api/reports/feature-adoption", {"tenant.size": "small"}).status_code == 400

    collect(settings, tmp_path, entry)

    assert rows(staff, **{"tenant.size": "small"}) == {"export": 7}
    assert "<span>Tenant size</span>" in page(staff, "features/")
    schema = json.loads(Client().get("/api/schema/", {"format": "json"}).content)
    described = {one["name"] for one in schema["paths"]["/api/reports/retention"]["get"]["parameters"]}
    assert {"app", "app_version", "environment", "platform", "tenant.size"} <= described
    installations = schema["paths"]["/api/reports/installations"]["get"]["parameters"]
    assert "app" not in {one["name"] for one in installations}


def test_people_are_new_and_come_back_within_the_filter(staff: Client) -> None:
    """Seven are new with the web, six with the desktop; all come back, half of them elsewhere."""
    for name, number in (("web", 7), ("desktop", 6)):
        signed_in(*people(number, name), at=days_ago(20))
        tagged(app=name)
    signed_in(*people(7, "web"), *people(6, "desktop"), at=days_ago(17))
    tagged(app="web")

    def counted(app: str, **query: str) -> list[int]:
        headline = staff.get("/api/reports/retention", {"app": app, **query}).json()["headline"]
        return [headline["new_users"], headline["retained"]]

    assert [counted(app) for app in ("web", "desktop")] == [[7, 7], [6, 0]]
    again = {"definition": "login_window"}
    assert [counted(app, **again) for app in ("web", "desktop")] == [[7, 7], [6, 6]]
