"""The dry run: the same outcome as the real run, but nothing of it is kept anywhere."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pytest_django import Settings

from analytics.models import EndpointUsage, FeatureUsage, Installation, InstallationEvent, UserActivity
from consent.decisions.recording import record_decision
from consent.keys import issue_key
from consent.models import Method, State, SubjectKind
from consent.pseudonyms import pseudonym
from ingest.mapping import undeclared
from ingest.mapping.name_limits import known_names
from ingest.models import SeenName, TrafficCount, UndeclaredName
from ingest.reasons import answer_words
from ingest.traffic import counting
from tests.support.otlp import a_key, grant, log, logs, post, span, traces

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_back")]

DRY = {"X-Telemetry-Dry-Run": "1"}
FEATURE = {"user.id": "u1-4711", "organization.id": "acme-corp", "feature.name": "export"}


@pytest.fixture
def key() -> str:
    grant(user="u1-4711", organization="acme-corp")
    return a_key()[0]


def foretold(key: str, body: Any, path: str = "/v1/traces", **headers: str) -> Any:
    answer = post(Client(), path, body, key, **DRY, **headers)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    said = json.loads(answer.content)
    assert said["dryRun"] is True
    return said


def one(key: str, attributes: dict[str, Any], **more: Any) -> Any:
    (record,) = foretold(key, traces(span(1, attributes=attributes, **more)))["records"]
    return record


def everything() -> dict[str, int]:
    """How many rows there are of everything that a request could leave behind."""
    counting.flush()
    tables = (UserActivity, EndpointUsage, FeatureUsage, Installation, InstallationEvent)
    return {
        model.__name__: model._default_manager.count()
        for model in (*tables, SeenName, TrafficCount, UndeclaredName)
    }


def test_it_says_what_would_be_stored_where(key: str) -> None:
    at = datetime.now(UTC).replace(microsecond=0)
    record = one(
        key, FEATURE | {"feature.action": "started", "app_version": "5.10.0", "sourcecode": "x"}, at=at
    )

    assert (record["outcome"], record["table"]) == ("stored", "analytics_feature_usage")
    assert record["columns"] == {
        "timestamp": at.isoformat().replace("+00:00", "Z"),
        "user_id": "(pseudonym)",
        "organization_id": "(pseudonym)",
        "deployment_type": "unknown",
        "is_internal": False,
        "feature_name": "export",
        "action": "started",
        "event_metadata": {"app": "shop", "app_version": "5.10.0"},
    }
    assert record["hashed"] == {"user.id": "user_id", "organization.id": "organization_id"}
    assert record["stored"] == {"service.name": "app", "app_version": "app_version"}
    assert sorted(record["read"]) == ["feature.action", "feature.name"]
    names = {one["attribute"]: one["reason"] for one in record["dropped"]}
    assert names == {"sourcecode": "undeclared"}


def test_it_is_what_the_real_run_does(key: str) -> None:
    """Send every kind of event, then the same without the header."""
    at = datetime.now(UTC) - timedelta(hours=1)
    http = {"http.request.method": "GET", "http.route": "/items/17", "http.response.status_code": 404}
    bodies = [
        ("/v1/traces", traces(span(1, attributes=FEATURE | {"seats": 4, "device_type": "phablet"}, at=at))),
        ("/v1/traces", traces(span(2, attributes=FEATURE | http, kind=2, at=at))),
        ("/v1/logs", logs(log("auth.login", attributes={"user.id": "u1-4711", "session.id": "s1"}, at=at))),
        ("/v1/traces", traces(span(3, attributes={"feature.name": "x", "user.id": "u2"}))),
        ("/v1/traces", traces(span(4, kind=2))),
        (
            "/v1/logs",
            logs(log("base_telemetry.heartbeat", attributes={"install_id": "i", "platform": "Linux"})),
        ),
    ]
    told = [foretold(key, body, path) for path, body in bodies]
    assert everything() == dict.fromkeys(everything(), 0)
    answers = [json.loads(post(Client(), path, body, key).content) for path, body in bodies]

    refused = [said["summary"]["refused"] for said in told]
    assert [bool(said) for said in refused] == [bool(answer) for answer in answers]
    assert refused[3:5] == [{"no_consent_user": 1}, {"unroutable": 1}]
    models = {model._meta.db_table: model for model in (FeatureUsage, EndpointUsage, UserActivity)}
    for said in told[:3]:
        (record,) = said["records"]
        row = models[record["table"]].objects.values().get()
        for name, value in record["columns"].items():
            if name == "timestamp":
                value = datetime.fromisoformat(value)
            assert value in (row[name], "(pseudonym)"), name
    assert told[5]["records"][0]["columns"]["platform"] == Installation.objects.get().platform


def test_it_leaves_nothing_behind(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undeclared, "is_due", lambda key_id: True)
    http = {"http.request.method": "GET", "http.route": "/never-seen", "http.response.status_code": 200}
    foretold(key, traces(span(1, attributes=FEATURE | {"new.name": "x"}), span(2, attributes=FEATURE | http)))
    foretold(key, logs(log("base_telemetry.first_seen", attributes={"install_id": "i1"})), "/v1/logs")
    foretold(key, {"resourceMetrics": []}, "/v1/metrics")

    assert everything() == dict.fromkeys(everything(), 0)
    assert known_names._names == {}


def test_it_holds_neither_raw_ids_nor_pseudonyms(key: str) -> None:
    sent = FEATURE | {
        "session.id": "session-99",
        "app.installation.id": "install-77",
        "for.u1-4711": "x",
        "jane@example.com": "x",
        "app_version": "u1-4711",
        "feature.name": "export u1-4711",
        "error.type": "jane@example.com",
    }
    body = traces(span(1, attributes=sent), span(2, attributes=sent | {"user.id": "u2-4712"}))
    text = json.dumps(foretold(key, body))

    for kind, raw in (("user", "u1-4711"), ("user", "u2-4712"), ("organization", "acme-corp"),
                      ("session", "session-99"), ("installation", "install-77")):  # fmt: skip
        assert raw not in text
        assert pseudonym(kind, raw) not in text
        assert pseudonym(kind, raw)[:12] not in text
    assert "jane" not in text


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"nobody.declared": 1}, "undeclared"),
        ({"success": "perhaps"}, "type"),
        ({"duration_seconds": 10**9}, "range"),
        ({"app_version": "five"}, "pattern"),
        ({"user_id": "other"}, "another"),
        ({"session.id": "null"}, "no_id"),
        ({"session.id": "s1"}, "not_here"),
    ],
)
def test_it_says_why_an_attribute_is_dropped(key: str, attributes: dict[str, Any], reason: str) -> None:
    record = one(key, FEATURE | attributes)

    (name,) = attributes
    (dropped,) = [one for one in record["dropped"] if one["attribute"] == name]
    assert dropped["reason"] == reason
    assert dropped["why"]
    assert record["outcome"] == "stored"


def test_whoever_is_not_named_is_told_as_such(key: str) -> None:
    record = one(key, {"organization.id": "acme-corp", "feature.name": "export", "session.id": "s1"})

    assert record["columns"]["user_id"] == "(anon: and part of a pseudonym)"
    assert record["hashed"]["session.id"] == "user_id"


def test_a_session_is_told_as_a_pseudonym_where_it_has_a_column(key: str) -> None:
    with_session = FEATURE | {"event.type": "opened", "session.id": "s1"}
    without = FEATURE | {"event.type": "opened"}
    assert one(key, with_session)["columns"]["session_id"] == "(pseudonym)"
    assert one(key, without)["columns"]["session_id"] == ""


def test_consent_has_its_say_and_the_record_is_explained_all_the_same(key: str) -> None:
    record_decision(
        kind=SubjectKind.USER,
        subject=pseudonym("user", "u1-4711"),
        state=State.DENIED,
        actor="t",
        method=Method.API,
    )
    record = one(key, FEATURE)

    assert (record["outcome"], record["reason"]) == ("refused", "no_consent_user")
    assert record["why"] == answer_words("no_consent_user")
    assert record["columns"]["feature_name"] == "export"


@pytest.mark.parametrize("signal", ["DNT", "Sec-GPC"])
def test_do_not_track_counts(key: str, signal: str) -> None:
    (record,) = foretold(key, traces(span(1, attributes=FEATURE)), **{signal: "1"})["records"]

    assert record["reason"] == "do_not_track"


def test_a_key_of_another_organization_is_refused_its_records() -> None:
    grant(user="u1-4711", organization="acme-corp")
    key, _ = a_key(organization="globex")

    assert one(key, FEATURE)["reason"] == "other_organization"


def test_names_beyond_the_days_cap_are_told_as_they_would_be_stored(key: str, settings: Settings) -> None:
    settings.NEW_NAMES_PER_DAY = 2
    post(Client(), "/v1/traces", traces(span(1, attributes=FEATURE | {"feature.name": "known"})), key)
    names = ("known", "new", "newer")
    spans = [span(2 + i, attributes=FEATURE | {"feature.name": name}) for i, name in enumerate(names)]

    told = [one["columns"]["feature_name"] for one in foretold(key, traces(*spans))["records"]]
    assert told == ["known", "new", "{other}"]
    assert SeenName.objects.filter(kind="feature").count() == 1


def test_protobuf_is_answered_in_json_too(key: str) -> None:
    request = ExportTraceServiceRequest()
    sent = request.resource_spans.add().scope_spans.add().spans.add(start_time_unix_nano=1)
    sent.trace_id, sent.span_id = b"\1" * 16, b"\1" * 8
    answer = post(
        Client(), "/v1/traces", request.SerializeToString(), key, content_type="application/x-protobuf", **DRY
    )

    assert answer["Content-Type"] == "application/json"
    assert json.loads(answer.content)["summary"] == {"stored": 0, "refused": {"too_old": 1}}


def test_metrics_are_told_not_to_be_kept(key: str) -> None:
    point = {"asDouble": 1.0}
    metric = {"name": "m", "gauge": {"dataPoints": [point, point]}}
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}

    assert foretold(key, body, "/v1/metrics")["summary"] == {"stored": 0, "refused": {"metrics_not_kept": 2}}


def test_it_takes_a_hundred_records(key: str) -> None:
    hundred = [span(number, attributes=FEATURE) for number in range(1, 101)]
    assert foretold(key, traces(*hundred))["summary"] == {"stored": 100, "refused": {}}

    answer = post(Client(), "/v1/traces", traces(*hundred, span(101)), key, **DRY)
    assert (answer.status_code, answer.json()["message"]) == (413, "a dry run takes at most 100 records")


@pytest.mark.parametrize("value", ["yes", "2", "on", "dry"])
def test_a_header_that_could_mean_either_stores_nothing(key: str, value: str) -> None:
    answer = post(
        Client(), "/v1/traces", traces(span(1, attributes=FEATURE)), key, **{"X-Telemetry-Dry-Run": value}
    )

    assert answer.status_code == 400
    assert FeatureUsage.objects.count() == 0


@pytest.mark.parametrize("value", ["0", "false", ""])
def test_switched_off_it_is_a_real_run(key: str, value: str) -> None:
    post(Client(), "/v1/traces", traces(span(1, attributes=FEATURE)), key, **{"X-Telemetry-Dry-Run": value})

    assert FeatureUsage.objects.count() == 1


def test_a_publishable_key_may_not_look_people_up(key: str) -> None:
    public, _ = issue_key(name="page", scopes=["ingest"], origins=["https://app.example"])
    answer = post(
        Client(),
        "/v1/traces",
        traces(span(1, attributes=FEATURE)),
        public,
        **DRY,
        Origin="https://app.example",
    )

    assert answer.status_code == 403
    assert FeatureUsage.objects.count() == 0


@pytest.mark.parametrize("shown", ["cnd_wrong", ""])
def test_without_a_key_there_is_no_dry_run(shown: str) -> None:
    assert post(Client(), "/v1/traces", traces(span(1)), shown, **DRY).status_code == 401
