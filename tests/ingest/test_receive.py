"""From a request to rows: who, when, where, once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from analytics.models import EndpointUsage, FeatureUsage, Installation, InstallationEvent, UserActivity
from consent.decisions.recording import register_organization
from consent.pseudonyms import pseudonym
from ingest.models import SeenName
from tests.support.otlp import a_key, grant, log, logs, nanoseconds, post, span, traces

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_back")]


@pytest.fixture
def key() -> str:
    grant(user="u1", organization="o1")
    return a_key()[0]


def feature(number: int = 1, **attributes: Any) -> dict[str, Any]:
    return span(number, attributes={"user.id": "u1", "feature.name": "export"} | attributes)


def refusals(answer: Any) -> str:
    return str(answer.json().get("partialSuccess", {}).get("errorMessage", ""))


def test_each_table_gets_its_columns(client: Client, key: str) -> None:
    at = datetime.now(UTC).replace(microsecond=123456) - timedelta(minutes=5)
    who = {"user.id": "u1", "organization.id": "o1", "session.id": "s1", "deployment.type": "self_hosted"}
    login = span(1, at=at, attributes=who | {"event.type": "login", "plan": "team"})
    page = {"http.request.method": "GET", "http.route": "/a/{id}", "http.response.status_code": 200}
    request = span(2, at=at, kind=2, attributes=who | page | {"error.type": "KeyError"})
    use = span(3, at=at, attributes=who | {"feature.name": "export", "feature.action": "pdf", "unknown": "x"})
    assert post(client, "/v1/traces", traces(login, request, use), key).content == b"{}"

    activity, endpoint, used = (
        UserActivity.objects.get(),
        EndpointUsage.objects.get(),
        FeatureUsage.objects.get(),
    )
    for row in (activity, endpoint, used):
        assert row.user_id == pseudonym("user", "u1")
        assert row.organization_id == pseudonym("organization", "o1")
        assert (row.timestamp, row.deployment_type, row.is_internal) == (at, "self-hosted", False)
        assert row.received_at - at < timedelta(minutes=6)
    assert (activity.event_type, activity.session_id) == ("login", pseudonym("session", "s1"))
    assert activity.event_metadata == {"app": "shop", "plan": "team"}
    assert (endpoint.endpoint, endpoint.method, endpoint.status_code) == ("/a/{id}", "GET", 200)
    assert (endpoint.duration_ms, endpoint.event_metadata) == (5.0, {"app": "shop", "error.type": "KeyError"})
    assert (used.feature_name, used.action, used.event_metadata) == ("export", "pdf", {"app": "shop"})


def test_the_same_request_again_changes_nothing(client: Client, key: str) -> None:
    for signal, body in (
        ("traces", traces(feature(1), feature(2))),
        ("logs", logs(log("a.b", attributes={"user.id": "u1"}), log("a.b", attributes={"user.id": "u1"}))),
        ("logs", logs(log("c.d", attributes={"user.id": "u1", "log.record.uid": "1"}))),
    ):
        for _ in range(3):
            assert post(client, f"/v1/{signal}", body, key).content == b"{}"
    assert FeatureUsage.objects.filter(feature_name="export").count() == 2
    assert FeatureUsage.objects.filter(feature_name="a").count() == 2  # two equal ones in a request are two
    assert FeatureUsage.objects.filter(feature_name="c").count() == 1


def test_logs_of_one_span_are_not_one_event(client: Client, key: str) -> None:
    ids = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"}
    who = {"user.id": "u1", "trace_id": ids["traceId"], "span_id": ids["spanId"]}
    post(client, "/v1/logs", logs(log("a.b", attributes=who, **ids), log("a.c", attributes=who, **ids)), key)
    assert FeatureUsage.objects.count() == 2


def test_spans_without_ids_are_told_apart_by_content(client: Client, key: str) -> None:
    body = traces(feature(0), feature(0), feature(0, **{"feature.action": "pdf"}))
    for _ in range(2):
        assert post(client, "/v1/traces", body, key).content == b"{}"
    assert FeatureUsage.objects.count() == 3


def test_a_batch_with_one_hopeless_record_of_each_kind_stores_the_others(client: Client, key: str) -> None:
    year_9999 = str(nanoseconds(datetime(9999, 12, 31, tzinfo=UTC)))
    request = {"http.method": "GET", "http.status_code": 200, "user.id": "u1"}
    records = {
        "good": feature(1),
        "a route of 300 characters": span(2, kind=2, attributes=request | {"http.route": "/" + "a" * 299}),
        "many parts": span(3, kind=2, attributes=request | {"http.route": "/part" * 60}),
        "NUL": feature(4, **{"feature.name": "ex\x00port", "plan": "te\x00am"}),
        "NaN duration": span(
            5, kind=2, attributes=request | {"http.route": "/a", "duration_ms": {"doubleValue": "NaN"}}
        ),
        "negative": span(
            6, kind=2, attributes=request | {"http.route": "/a", "duration_ms": -1, "http.status_code": 9999}
        ),
        "year 9999": feature(7) | {"startTimeUnixNano": year_9999},
        "beyond int64": feature(8) | {"startTimeUnixNano": str(2**64 - 1)},
        "id of 10 kB": feature(9, **{"user.id": "x" * 10_000}),
        "number for a user": feature(10, **{"user.id": 17}),
        "number for text": feature(11, **{"feature.action": 12}),
        "number in stringValue": feature(12, **{"feature.action": {"stringValue": 12}}),
        "a name of 5000 characters": feature(13, **{"feature.name": "long_" * 1000}),
        "no time": feature(14) | {"startTimeUnixNano": "0"},
        "before all": feature(15) | {"startTimeUnixNano": "1"},
        "a list for a user": feature(16, **{"user.id": ["u1"]}),
        "a half pair": feature(17, **{"feature.name": "\ud800", "plan": "\udfff"}),
        "an e-mail for a name": feature(18, **{"feature.name": "bob@example.com"}),
        "wrong types": feature(19) | {"attributes": "none"},
        "good again": feature(20),
    }
    grant(user="17")
    answer = post(client, "/v1/traces", traces(*records.values()), key)

    assert answer.status_code == 200
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "9"
    for reason in (
        "1 in_future",
        "1 id_too_long",
        "1 no_timestamp",
        "1 too_old",
        "1 bad_id",
        "3 malformed",
        "1 personal_data",
    ):
        assert reason in refusals(answer)
    assert set(EndpointUsage.objects.values_list("endpoint", "status_code", "duration_ms")) >= {
        ("/{id}", 200, 5.0),
        ("/a", 200, None),
        ("/a", None, None),
    }
    assert max(map(len, EndpointUsage.objects.values_list("endpoint", flat=True))) in range(200, 256)
    names = set(FeatureUsage.objects.values_list("feature_name", flat=True))
    assert {"export", "ex\N{REPLACEMENT CHARACTER}port", "\N{REPLACEMENT CHARACTER}"} < names
    assert set(map(len, names)) == {6, 7, 1, 100}
    assert FeatureUsage.objects.filter(action="12").count() == 1
    assert FeatureUsage.objects.filter(user_id=pseudonym("user", "17")).count() == 1


def test_a_time_is_the_span_s_start_or_the_log_s_own_or_when_it_was_observed(
    client: Client, key: str
) -> None:
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    attributes = {"user.id": "u1"}
    observed = log(
        "a.observed", attributes=attributes, timeUnixNano="0", observedTimeUnixNano=str(nanoseconds(at))
    )
    neither = log("a.neither", attributes=attributes) | {"timeUnixNano": None}
    answer = post(
        client, "/v1/logs", logs(observed, neither, log("a.own", at=at, attributes=attributes)), key
    )
    assert "1 no_timestamp" in refusals(answer)
    assert list(FeatureUsage.objects.values_list("timestamp", flat=True)) == [at, at]


def test_events_outside_of_what_is_kept_are_refused(client: Client, key: str, settings: Settings) -> None:
    settings.EVENT_RETENTION_MONTHS = 2
    now = datetime.now(UTC)
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    oldest = (first - timedelta(days=45)).replace(day=1)
    times = [now + timedelta(hours=25), now + timedelta(hours=23), oldest, oldest - timedelta(microseconds=1)]
    body = traces(
        *(
            feature(number, at=None) | {"startTimeUnixNano": str(nanoseconds(at))}
            for number, at in enumerate(times, 1)
        )
    )
    answer = post(client, "/v1/traces", body, key)
    assert "1 in_future" in refusals(answer)
    assert "1 too_old" in refusals(answer)


def test_a_key_of_an_organization_supplies_it_and_refuses_any_other(client: Client) -> None:
    grant(user="u1", organization="o1")
    text, _ = a_key(organization="o1")
    body = traces(
        feature(1), feature(2, **{"organization.id": "o1"}), feature(3, **{"organization.id": "o2"})
    )
    answer = post(client, "/v1/traces", body, text)
    assert "1 other_organization" in refusals(answer)
    assert {row.organization_id for row in FeatureUsage.objects.all()} == {pseudonym("organization", "o1")}


def test_an_event_without_a_user_gets_an_anonymous_one(client: Client, key: str) -> None:
    base = {"organization.id": "o1", "feature.name": "export"}
    given = [{"session.id": "s"}, {"install_id": "i"}, {}]
    post(
        client,
        "/v1/traces",
        traces(*(span(n, attributes=base | more) for n, more in enumerate(given, 1))),
        key,
    )
    expected = {
        "anon:" + pseudonym(kind, raw)[:27]
        for kind, raw in (("session", "s"), ("installation", "i"), ("organization", "o1"))
    }
    assert set(FeatureUsage.objects.values_list("user_id", flat=True)) == expected


@pytest.mark.parametrize("name", ["user.id", "user_id", "enduser.id", "enduser.pseudo.id", "identity"])
def test_a_user_is_found_under_any_of_its_names(client: Client, key: str, name: str) -> None:
    post(client, "/v1/logs", logs(log("a.b", attributes={name: "u1"})), key)
    assert FeatureUsage.objects.get().user_id == pseudonym("user", "u1")


@pytest.mark.parametrize("nobody", ["", "None", "null", "undefined"])
def test_a_word_for_nobody_is_nobody(client: Client, key: str, nobody: str) -> None:
    post(client, "/v1/logs", logs(log("a.b", attributes={"user.id": nobody, "organization.id": "o1"})), key)
    assert FeatureUsage.objects.get().user_id.startswith("anon:")


def test_what_the_resource_says_holds_where_the_record_says_nothing(client: Client, key: str) -> None:
    resource = {
        "user.id": "u1",
        "deployment.environment.name": "Cloud",
        "service.version": "2.0.1",
        "host.name": "jane-laptop",
        "internal": True,
        "plan": "team",
    }
    body = logs(log("a.b"), log("c.d", attributes={"plan": "pro", "internal": False}), resource=resource)
    assert post(client, "/v1/logs", body, key).content == b"{}"
    first, second = FeatureUsage.objects.order_by("feature_name")
    assert first.event_metadata == {"app_version": "2.0.1", "plan": "team"}
    assert second.event_metadata["plan"] == "pro"
    assert (first.deployment_type, first.is_internal, second.is_internal) == ("cloud", True, False)


def test_an_organization_marked_internal_makes_its_events_internal(client: Client, key: str) -> None:
    register_organization(pseudonym=pseudonym("organization", "o1"), is_internal=True)
    post(client, "/v1/logs", logs(log("a.b", attributes={"organization.id": "o1"})), key)
    assert FeatureUsage.objects.get().is_internal


@pytest.mark.parametrize("flag", [True, "true", 1, "1", "yes", ["odd"]])
def test_an_event_that_asks_not_to_be_tracked_is_not_stored(client: Client, key: str, flag: Any) -> None:
    answer = post(client, "/v1/traces", traces(feature(1, **{"telemetry.do_not_track": flag})), key)
    assert "1 do_not_track" in refusals(answer)
    assert not FeatureUsage.objects.exists()


@pytest.mark.parametrize("flag", [False, "false", 0, "", "0"])
def test_a_flag_that_is_down_asks_for_nothing(client: Client, key: str, flag: Any) -> None:
    assert (
        post(client, "/v1/traces", traces(feature(1, **{"telemetry.do_not_track": flag})), key).content
        == b"{}"
    )


def test_a_raw_path_takes_the_form_of_a_route_seen_before(client: Client, key: str) -> None:
    def request(number: int, **path: str) -> dict[str, Any]:
        return span(number, kind=2, attributes={"http.method": "GET", "user.id": "u1"} | path)

    post(client, "/v1/traces", traces(request(1, **{"http.target": "/shelves/17/books"})), key)
    post(client, "/v1/traces", traces(request(2, **{"http.route": "/shelves/{shelf}/books"})), key)
    post(client, "/v1/traces", traces(request(3, **{"http.target": "/shelves/18/books?x=1"})), key)
    post(client, "/v1/traces", traces(request(4, **{"url.path": "/shelves/jane-doe/books"})), a_key()[0])
    rows = EndpointUsage.objects.order_by("id").values_list("endpoint", flat=True)
    assert sorted(rows) == sorted(
        ["{unmatched}", "/shelves/{shelf}/books", "/shelves/{shelf}/books", "{unmatched}"]
    )


@pytest.mark.parametrize("name", ["url.path", "http.target", "http.url", "url.full", "http.route"])
def test_a_person_s_path_never_survives(client: Client, key: str, name: str) -> None:
    path = ("http://shop.example" if name in ("http.url", "url.full") else "") + "/users/jane-doe"
    attributes = {"http.method": "GET", name: path, "user.id": "u1", "event.category": "endpoint_usage"}
    post(client, "/v1/traces", traces(span(1, kind=2, attributes=attributes)), key)
    assert EndpointUsage.objects.get().endpoint in ("/users/{id}", "{unmatched}")


def test_the_user_s_own_id_is_no_part_of_a_name(client: Client, key: str) -> None:
    grant(user="jane-doe")
    who = {"user.id": "jane-doe"}
    route = span(1, kind=2, attributes=who | {"http.method": "GET", "http.route": "/wiki/jane-doe"})
    post(client, "/v1/traces", traces(route, feature(2, **who, **{"feature.name": "wiki jane-doe"})), key)
    assert EndpointUsage.objects.get().endpoint == "/wiki/{id}"
    assert FeatureUsage.objects.get().feature_name == "wiki {id}"


def test_base_telemetry_makes_one_installation(client: Client, settings: Settings) -> None:
    text, _ = a_key()
    facts = {
        "install_id": "i-1",
        "app_version": "5.10.0",
        "platform": "Linux",
        "os_version": "6.8.0-45-generic",
        "architecture": "x86_64",
        "locale": "en_US",
        "timezone": "Europe/Berlin",
        "release_channel": "stable",
        "deployment_type": "docker",
        "telemetry_fingerprint": "f" * 64,
        "user.id": "u1",
        "host.name": "jane-laptop",
    }
    at = datetime.now(UTC).replace(microsecond=0)
    records = [
        log("base_telemetry.first_seen", at=at, attributes=facts),
        log("base_telemetry.heartbeat", at=at, attributes=facts),
    ]
    for _ in range(2):
        assert post(client, "/v1/logs", logs(*records), text).content == b"{}"
    installation = Installation.objects.get()
    kept = {name: facts[name] for name in facts if hasattr(installation, name)}
    assert {name: getattr(installation, name) for name in kept} == kept
    assert (len(kept), installation.pseudonym) == (8, pseudonym("installation", "i-1"))
    assert InstallationEvent.objects.count() == 2


def test_facts_that_are_none_are_left_out(client: Client) -> None:
    facts = {
        "install_id": "i",
        "app_version": "jane@example.com",
        "platform": "Jane's",
        "locale": "C.UTF",
        "os_version": "10.0.0.1",
    }
    post(client, "/v1/logs", logs(log("base_telemetry.heartbeat", attributes=facts)), a_key()[0])
    installation = Installation.objects.get()
    assert (
        installation.app_version,
        installation.platform,
        installation.locale,
        installation.os_version,
    ) == ("", "other", "", "")


def test_base_telemetry_without_an_installation_is_refused(client: Client) -> None:
    answer = post(client, "/v1/logs", logs(log("base_telemetry.heartbeat")), a_key()[0])
    assert "1 no_installation" in refusals(answer)


def test_new_names_are_capped_per_key_and_day(client: Client, key: str, settings: Settings) -> None:
    settings.NEW_NAMES_PER_DAY = 2
    for number in range(1, 5):
        post(
            client,
            "/v1/traces",
            traces(feature(number, **{"feature.name": f"feature-{'abcd'[number - 1]}"})),
            key,
        )
    post(client, "/v1/traces", traces(feature(9, **{"feature.name": "feature-a"})), key)
    names = list(FeatureUsage.objects.values_list("feature_name", flat=True))
    assert sorted(names) == ["feature-a", "feature-a", "feature-b", "{other}", "{other}"]
    assert SeenName.objects.filter(kind="feature").count() == 2


def test_what_consent_refuses_leaves_no_name_behind(client: Client, key: str) -> None:
    post(
        client,
        "/v1/traces",
        traces(feature(1, **{"user.id": "stranger", "feature.name": "secret-plan"})),
        key,
    )
    assert not SeenName.objects.exists()
