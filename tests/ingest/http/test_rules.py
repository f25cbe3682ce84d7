"""OTLP over HTTP: statuses, headers and bodies."""

import gzip
import json
import zlib
from typing import Any

import brotli
import pytest
from django.test import Client
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from pytest_django import Settings

from analytics.models import EndpointUsage, FeatureUsage
from consent.keys import revoke_key
from tests.support.otlp import a_key, grant, log, logs, post, span, traces

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_back")]

PROTOBUF = "application/x-protobuf"


def feature(number: int = 1, **attributes: Any) -> dict[str, Any]:
    return span(number, attributes={"user.id": "u1", "feature.name": "export"} | attributes)


@pytest.fixture
def key() -> str:
    grant(user="u1")
    return a_key()[0]


@pytest.mark.parametrize("path", ["/v1/traces", "/otlp/v1/traces"])
def test_stored_events_are_answered_with_an_empty_object(client: Client, key: str, path: str) -> None:
    answer = post(client, path, traces(feature()), key)
    assert (answer.status_code, answer.content) == (200, b"{}")
    assert answer["Content-Type"] == "application/json"
    assert FeatureUsage.objects.count() == 1


def test_protobuf_is_answered_in_protobuf(client: Client, key: str) -> None:
    answer = post(client, "/v1/traces", b"", key, content_type=PROTOBUF)
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, b"", PROTOBUF)


def test_refused_records_are_counted_and_explained(client: Client, key: str) -> None:
    body = traces(feature(1), feature(2, **{"user.id": "u2"}), span(3, kind=2), span(4, kind=2))
    answer = post(client, "/v1/traces", body, key)
    partial = answer.json()["partialSuccess"]
    assert (answer.status_code, partial["rejectedSpans"]) == (200, "3")
    assert partial["errorMessage"].startswith("3 of 4 refused: 2 unroutable (")
    assert "1 no_consent_user (" in partial["errorMessage"]


def test_refused_records_are_counted_in_protobuf_too(client: Client, key: str) -> None:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(name="x", start_time_unix_nano=1)
    answer = post(client, "/v1/traces", request.SerializeToString(), key, content_type=PROTOBUF)
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (partial.rejected_spans, partial.error_message[:12]) == (1, "1 of 1 refus")


@pytest.mark.parametrize("content_type", ["APPLICATION/JSON", "application/json; charset=utf-8"])
def test_case_and_parameters_of_the_type_do_not_count(client: Client, key: str, content_type: str) -> None:
    answer = post(client, "/v1/logs", logs(), key, content_type=content_type)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")


@pytest.mark.parametrize("method", ["get", "put", "delete", "head", "options", "patch"])
def test_other_methods_are_told_to_post(client: Client, method: str) -> None:
    answer = getattr(client, method)("/v1/traces")
    assert (answer.status_code, answer["Allow"]) == (405, "POST, OPTIONS")


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eA=="}, {"x-api-key": "nonsense"}],
)
def test_without_a_valid_key_nothing_is_read(client: Client, headers: dict[str, str]) -> None:
    answer = client.post("/v1/traces", b"not even JSON", content_type="application/json", headers=headers)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.json()["code"] == 16


def test_a_revoked_key_is_refused(client: Client) -> None:
    text, key = a_key()
    revoke_key(key=key)
    assert post(client, "/v1/logs", logs(), text).status_code == 401


def test_a_key_without_the_scope_is_refused(client: Client) -> None:
    answer = post(client, "/v1/logs", logs(), a_key(scopes=("reports",))[0])
    assert (answer.status_code, answer.json()["code"]) == (403, 7)


def test_a_key_may_come_as_basic_password_or_header(client: Client, key: str) -> None:
    import base64

    basic = base64.b64encode(f"123456:{key}".encode()).decode()
    for headers in ({"Authorization": f"Basic {basic}"}, {"x-api-key": key}):
        answer = client.post("/v1/logs", b"{}", content_type="application/json", headers=headers)
        assert answer.status_code == 200


@pytest.mark.parametrize("content_type", ["text/plain", "", "application/protobuf", "multipart/form-data"])
def test_another_type_is_not_supported(client: Client, key: str, content_type: str) -> None:
    answer = post(client, "/v1/traces", b"{}", key, content_type=content_type)
    assert (answer.status_code, answer["Content-Type"]) == (415, "application/json")


@pytest.mark.parametrize(
    ("coding", "compress"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("gzip", lambda raw: gzip.compress(raw[:40]) + gzip.compress(raw[40:])),
        ("deflate", zlib.compress),
        ("deflate", lambda raw: zlib.compress(raw, wbits=-15)),
        ("br", brotli.compress),
        ("identity", bytes),
        ("", bytes),
    ],
)
def test_compressed_bodies_are_inflated(client: Client, key: str, coding: str, compress: Any) -> None:
    body = compress(json.dumps(traces(feature())).encode())
    answer = post(client, "/v1/traces", body, key, **{"Content-Encoding": coding})
    assert (answer.status_code, FeatureUsage.objects.count()) == (200, 1)


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [
        ("zstd", b"{}", 415),
        ("gzip, gzip", b"{}", 415),
        ("gzip", b"{}", 400),
        ("gzip", b"", 200),  # nothing was sent, so nothing was compressed
        ("gzip", gzip.compress(b"{}")[:-4], 400),
        ("gzip", gzip.compress(b"{}") + b"junk", 400),
        ("deflate", b"\xff\xff\xff", 400),
    ],
)
def test_what_does_not_inflate_is_refused(
    client: Client, key: str, coding: str, body: bytes, status: int
) -> None:
    content_type = "application/json" if body else PROTOBUF
    answer = post(client, "/v1/traces", body, key, content_type=content_type, **{"Content-Encoding": coding})
    assert answer.status_code == status


def test_a_body_larger_than_the_limit_is_refused(client: Client, key: str, settings: Settings) -> None:
    settings.OTLP_MAX_BODY_BYTES = 1000
    answer = post(client, "/v1/logs", b" " * 1001, key)
    assert (answer.status_code, answer.json()["message"]) == (413, "body is larger than 1000 bytes")


def test_a_bomb_is_refused_while_it_inflates(client: Client, key: str, settings: Settings) -> None:
    settings.OTLP_MAX_BODY_BYTES = 100_000
    bomb = gzip.compress(b" " * 10_000_000)
    answer = post(client, "/v1/logs", bomb, key, **{"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["message"][-19:]) == (413, "after decompression")


@pytest.mark.parametrize(
    ("body", "content_type"), [(b"", "application/json"), (b"{", "application/json"), (b"x", PROTOBUF)]
)
def test_what_cannot_be_decoded_is_refused_in_its_own_encoding(
    client: Client, key: str, body: bytes, content_type: str
) -> None:
    answer = post(client, "/v1/traces", body, key, content_type=content_type)
    assert (answer.status_code, answer["Content-Type"]) == (400, content_type)
    assert answer.content[:2] == (b'{"' if content_type == "application/json" else b"\x08\x03")


def test_our_own_mistake_is_logged_without_a_word_of_the_payload(
    client: Client, key: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    payload = "bob@example.com"

    def broken(*_: Any, **__: Any) -> None:
        raise ValueError(payload)

    monkeypatch.setattr("ingest.receive.Storing", broken)
    answer = post(client, "/v1/traces", traces(feature()), key)
    assert (answer.status_code, answer.json()["code"]) == (500, 13)
    assert "ingest failed: ValueError" in caplog.text
    assert "bob@" not in caplog.text + answer.text


@pytest.mark.parametrize("headers", [{"DNT": "1"}, {"Sec-GPC": "1"}])
def test_a_browser_that_asks_not_to_be_tracked_is_not(
    client: Client, key: str, headers: dict[str, str]
) -> None:
    answer = post(client, "/v1/traces", traces(feature()), key, **headers)
    assert "1 do_not_track" in answer.json()["partialSuccess"]["errorMessage"]
    assert FeatureUsage.objects.count() == 0


def test_metrics_are_not_kept(client: Client, key: str) -> None:
    gauge = {"name": "a", "gauge": {"dataPoints": [{"asInt": "1"}]}}
    answer = post(client, "/v1/metrics", {"resourceMetrics": [{"scopeMetrics": [{"metrics": [gauge]}]}]}, key)
    partial = answer.json()["partialSuccess"]
    assert (answer.status_code, partial["rejectedDataPoints"]) == (200, "1")
    assert "metrics are not kept" in partial["errorMessage"]


def test_nothing_is_set_or_redirected(client: Client, key: str, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    answer = post(client, "/v1/logs", logs(), key)
    assert answer.status_code == 200
    assert not answer.cookies
    assert "Content-Encoding" not in answer


def test_a_forbidden_origin_is_not_invited_and_an_allowed_one_is(client: Client, settings: Settings) -> None:
    asks = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    answer = client.options("/v1/traces", headers=asks)
    assert (answer.status_code, "Access-Control-Allow-Origin" in answer) == (200, False)
    settings.OTLP_CORS_ORIGINS = ["https://app.example"]
    answer = client.options("/v1/traces", headers=asks)
    assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (200, "https://app.example")
    assert "authorization" in answer["Access-Control-Allow-Headers"]


@pytest.mark.parametrize("failing", [False, True])
def test_an_allowed_origin_may_read_every_answer(
    client: Client, key: str, settings: Settings, failing: bool
) -> None:
    settings.OTLP_CORS_ORIGINS = ["https://app.example"]
    answer = post(client, "/v1/logs", b"{" if failing else b"{}", key, Origin="https://app.example")
    assert answer.status_code == (400 if failing else 200)
    assert answer["Access-Control-Allow-Origin"] == "https://app.example"


def test_a_long_answer_varies_with_origin_and_coding(client: Client, key: str) -> None:
    refused = (feature(2, **{"user.id": "u2"}), feature(3, **{"user.id": "x" * 2000}))
    events = traces(span(1), *refused, feature(4, **{"feature.name": "bob@example.com"}))
    answer = post(client, "/v1/traces", events, key, Origin="https://app.example")
    assert {part.strip() for part in answer["Vary"].split(",")} == {"Origin", "Accept-Encoding"}


def test_with_nothing_granted_nothing_is_stored_and_the_answer_says_so(client: Client) -> None:
    body = traces(
        feature(1), feature(2), span(3, kind=2, attributes={"http.method": "GET", "http.route": "/a"})
    )
    answer = post(client, "/v1/traces", body, a_key()[0])
    partial = answer.json()["partialSuccess"]
    assert (answer.status_code, partial["rejectedSpans"]) == (200, "3")
    assert partial["errorMessage"].startswith("3 of 3 refused: 2 no_consent_user (the user it names")
    assert "1 names_nobody (it names neither a user nor an organization" in partial["errorMessage"]
    assert not FeatureUsage.objects.exists()
    assert not EndpointUsage.objects.exists()


def test_the_answer_names_no_value_that_was_sent(client: Client, key: str) -> None:
    body = logs(
        log("Jane said hello", attributes={"user.id": "u1"}), log("a.b", attributes={"user.id": "x" * 2000})
    )
    answer = post(client, "/v1/logs", body, key)
    assert "Jane" not in answer.text
    assert "xxx" not in answer.text


def test_thousands_of_gzip_members_are_refused(client: Client, key: str) -> None:
    """Each member once cost a copy of everything after it: a body with many would have taken hours."""
    answer = post(client, "/v1/logs", gzip.compress(b"") * 20_000, key, **{"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["message"]) == (
        400,
        "the body has more than 10000 gzip members",
    )


@pytest.mark.parametrize("path", ["/v1/traces/", "/otlp/v1/logs/", "/v1/profiles", "/v1/users/jane-doe"])
def test_an_address_that_is_none_is_said_in_the_words_of_otlp(client: Client, key: str, path: str) -> None:
    answer = post(client, path, {}, key)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/json")
    assert answer.json()["code"] == 12
    assert "jane" not in answer.content.decode()
