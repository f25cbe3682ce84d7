"""What apps of every kind send, by the front door: names, pages, errors, pings of older clients."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from analytics.models import EndpointUsage, FeatureUsage, Installation, InstallationEvent, UserActivity
from ingest.models import SeenName
from tests.support.otlp import a_key, encoded, grant, log, logs, post, span, traces

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_back")]

WHO = {"user.id": "alice-17"}
AT = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)


@pytest.fixture
def key() -> str:
    grant(user="alice-17")
    return a_key()[0]


def said(key: str, *records: dict[str, Any]) -> str:
    """Send log records a second apart; what the answer says is wrong."""
    answer = post(Client(), "/v1/logs", logs(*records), key)
    assert answer.status_code == 200
    return str(answer.json().get("partialSuccess", {}).get("errorMessage", ""))


def a_log(number: int, name: str = "", body: str = "", **attributes: Any) -> dict[str, Any]:
    given = {sent.replace("__", "."): value for sent, value in attributes.items()}
    fields = {"body": {"stringValue": body}} if body else {}
    return log(name, at=AT + timedelta(seconds=number), attributes=WHO | given, **fields)


def uses(*columns: str) -> list[tuple[Any, ...]]:
    return list(FeatureUsage.objects.order_by("timestamp").values_list(*columns))


def pages() -> list[str]:
    return [metadata.get("page.path", "") for (metadata,) in uses("event_metadata")]


def test_names_without_a_dot_are_uses_of_features(key: str) -> None:
    sent = [
        a_log(1, "button_click"),
        a_log(2, event__name="identify"),
        a_log(3, body="event:signup_opened"),
        a_log(4, "feature:task:created"),
        a_log(5, body="cache_cleared"),
        a_log(6, "clicked_alice-17"),  # the id of whoever did it
        a_log(7, "opened_4711"),
    ]
    assert said(key, *sent) == ""
    assert uses("feature_name", "action") == [
        ("button_click", "used"),
        ("identify", "used"),
        ("signup_opened", "used"),
        ("task", "created"),
        ("cache_cleared", "used"),
        ("clicked_{id}", "used"),
        ("opened_{id}", "used"),
    ]
    told = said(
        key,
        a_log(8, body="started"),
        a_log(9, body="User alice logged in"),
        a_log(10, "User alice logged in"),
        a_log(11, "bob@example.com"),
    )
    assert told == "4 of 4 refused: 4 unroutable (no rule says which table it belongs to)"
    assert FeatureUsage.objects.count() == 7


def test_names_have_a_cap_per_day(key: str, settings: Settings) -> None:
    settings.NEW_NAMES_PER_DAY = 3
    assert said(key, *(a_log(number, f"click_{letter}") for number, letter in enumerate("abcde"))) == ""
    names = [name for (name,) in uses("feature_name")]
    assert names.count("{other}") == 2
    assert SeenName.objects.filter(kind="feature").count() == 3


def test_pages_are_stored_without_ids_whatever_their_path_is_called(key: str) -> None:
    url = "https://app.example/settings/billing?email=bob@example.com#x"
    sent = [
        a_log(1, "page_view", url__full="https://app.example/pricing?coupon=alice"),
        a_log(2, "page.view", url__path="/settings/billing"),
        a_log(3, body="$pageview", **{"$current_url": url}),
        a_log(4, "page_view", path="/workspaces/acme/alice"),
        a_log(5, "page_view", page="/kunden/alice"),
        a_log(6, "page_view", page="Alice's page"),
        a_log(7, "page_view", page__path="/projects/{project_id}/board"),
        a_log(8, "page.view", http__route="/shops/{shop}/till", url__path="/shops/acme/till"),
        a_log(9, "page_view", page__route="/@[name]/notes"),
        a_log(10, "page_view", next__route="/trips/[id]", url__full="https://app.example/trips/rome"),
        a_log(11, "page_view", url__path="/letters/alice-17"),
        a_log(12, "page_view", url__path="/alice-17/home"),  # a word, but of whom the event is about
        a_log(13, "page_view", url__path="/u/bob"),
        a_log(14, "page_view", url__full="https://app.example/%40bob/x?y=1"),
    ]
    assert said(key, *sent) == ""
    assert pages() == [
        *("/pricing", "/settings/billing", "/settings/billing", "/workspaces/{id}/{id}", "/kunden/{id}", ""),
        *("/projects/{project_id}/board", "/shops/{shop}/till", "/{id}/notes", "/trips/[id]"),
        *("/letters/{id}", "/{id}/home", "/u/{id}", "/{id}/{id}"),
    ]
    assert set(uses("feature_name", "action")) == {("page_view", "viewed")}


def test_a_span_may_be_a_page_view(key: str) -> None:
    named = {"event.name": "page.view", "http.route": "/projects/{id}"}
    spans = [
        span(1, at=AT, kind=2, name="page_view", attributes=WHO | named),
        span(2, at=AT, kind=1, attributes=WHO | {"event.name": "page_view", "url.path": "/pricing"}),
    ]
    answer = post(Client(), "/v1/traces", encoded(traces(*spans)), key, content_type="application/x-protobuf")
    assert answer.content == b""
    assert sorted(pages()) == ["/pricing", "/projects/{id}"]
    request = {"http.request.method": "GET", "http.route": "/projects/{id}"}
    post(Client(), "/v1/traces", traces(span(3, at=AT, kind=2, attributes=WHO | named | request)), key)
    assert (
        EndpointUsage.objects.get().endpoint == "/projects/{id}"
    )  # it answers a request: rule 4 comes first


def test_pages_have_a_cap_per_day_and_no_say_in_endpoints(key: str, settings: Settings) -> None:
    settings.NEW_NAMES_PER_DAY = 2
    sent = [a_log(number, "page_view", url__path=f"/garden-{letter}") for number, letter in enumerate("abcd")]
    assert said(key, *sent) == ""
    assert pages().count("{other}") == 2
    assert said(key, *sent[:2]) == ""  # what is known needs no place
    request = {"http.request.method": "GET", "url.path": "/garden-a"}
    post(Client(), "/v1/traces", traces(span(1, kind=2, attributes=WHO | request)), key)
    assert EndpointUsage.objects.get().endpoint == "{unmatched}"


def test_a_logged_exception_is_an_error(key: str) -> None:
    """As the OpenTelemetry SDK for Python sends it."""
    sdk = {"exception.message": "bob@example.com", "exception.stacktrace": 'File "/home/bob/x.py"'}
    sent = [
        a_log(1, body="failed", **sdk, **{"exception.type": "KeyError"}),
        a_log(2, body="Could not reach Bob", **sdk, **{"exception.type": "app.errors.Unreachable"}),
        a_log(3, event__kind="performance", feature__name="load", duration_ms=12.5),
    ]
    assert said(key, *sent) == ""
    assert uses("feature_name", "action", "event_metadata") == [
        ("exception", "failed", {"app": "shop", "error.type": "KeyError"}),
        ("exception", "failed", {"app": "shop", "error.type": "app.errors.Unreachable"}),
        ("load", "timed", {"app": "shop", "duration_ms": 12.5}),
    ]


def test_a_ping_of_an_older_client_is_an_installation_and_no_person(key: str, settings: Settings) -> None:
    settings.CONSENT_PROFILE_CLOUD = settings.CONSENT_PROFILE_SELF_HOSTED = "notice"
    settings.CONSENT_NOTICE_SINCE = (AT - timedelta(days=30)).isoformat()
    ping = {"identity": "535cd3a37abcec92", "telemetry_fingerprint": "535cd3a37abcec92", "platform": "Linux"}
    fields = {"body": {"stringValue": "telemetry.install"}}
    whole = log(at=AT, attributes=ping | {"install_id": "i-1", "event_name": "telemetry.install"}, **fields)
    assert said(key, whole) == ""
    assert Installation.objects.get().platform == "Linux"
    assert InstallationEvent.objects.get().name == "first_seen"
    nameless = log(at=AT, attributes=ping | {"event_name": "telemetry.install"}, **fields)
    assert said(key, nameless) == "1 of 1 refused: 1 no_installation (it names no installation)"
    for model in (FeatureUsage, UserActivity, EndpointUsage):
        assert not model.objects.exists()
