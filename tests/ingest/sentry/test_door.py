"""Where a DSN leads: keys, answers, bounds, consent, counts; the rules of OTLP in Sentry's words."""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import pytest
from django.test import Client
from pytest_django import Settings

from analytics.models import FeatureUsage
from consent.keys import issue_key, revoke_key
from ingest.load import rate_limits
from ingest.models import RejectedRequest, TrafficCount
from ingest.sentry.credentials import sent_key
from ingest.traffic import counting
from tests.ingest.sentry.envelopes import EVENT_ID, envelope, event, item, sent
from tests.support.otlp import a_key, grant

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_back")]

ENVELOPE, STORE = "/api/1/envelope/", "/api/1/store/"
SITE = "https://shop.example"


@pytest.fixture
def key() -> str:
    grant(user="u1")
    return a_key()[0]


@pytest.fixture
def public_key() -> str:
    grant(user="u1")
    return issue_key(name="page", scopes=["ingest"], origins=[SITE])[0]


def post(client: Client, body: bytes, key: str = "", *, path: str = ENVELOPE, **headers: str) -> Any:
    auth = {"X-Sentry-Auth": f"Sentry sentry_version=7, sentry_client=x/1, sentry_key={key}"} if key else {}
    return client.post(path, body, content_type="text/plain;charset=UTF-8", headers=auth | headers)


@pytest.mark.parametrize("path", [ENVELOPE, "/api/42/envelope", "/api/12345678901234567890/envelope/"])
def test_an_event_is_stored_and_answered_by_its_id(client: Client, key: str, path: str) -> None:
    answer = post(client, sent(), key, path=path)
    assert (answer.status_code, answer.json()) == (200, {"id": f"{1:032x}"})
    assert answer["Content-Type"] == "application/json"
    assert FeatureUsage.objects.get().feature_name == "cart"


def test_an_event_may_come_without_an_envelope(client: Client, key: str) -> None:
    answer = post(client, json.dumps(event(number=2)).encode(), key, path=STORE)
    assert (answer.status_code, answer.json()) == (200, {"id": f"{2:032x}"})
    assert FeatureUsage.objects.count() == 1


@pytest.mark.parametrize("path", ["/api/x/envelope/", "/api/1/envelope/2", "/api/1/minidump/", "/api/1/"])
def test_other_addresses_are_none(client: Client, key: str, path: str) -> None:
    assert post(client, sent(), key, path=path).status_code == 404


def test_whatever_holds_no_event_is_answered_without_an_id(client: Client, key: str) -> None:
    report = item("client_report", {"discarded_events": [{"reason": "sample_rate", "quantity": 9}]})
    for body in (b"{}", envelope(report), envelope(item("attachment", b"\n\0\xff" * 99))):
        answer = post(client, body, key)
        assert (answer.status_code, answer.json()) == (200, {})
    assert counting.flush() is None
    assert TrafficCount.objects.count() == 0


def test_the_same_event_is_one_row_however_it_comes(client: Client, key: str) -> None:
    once = event(number=3)
    again = envelope(item("event", once), event_id=once["event_id"], sent_at="2026-11-30T12:00:00Z")
    own = json.dumps(once).encode()
    for body, path in ((again, ENVELOPE), (again.replace(b"12:00", b"12:01"), ENVELOPE), (own, STORE)):
        assert post(client, body, key, path=path).json() == {"id": once["event_id"]}
    amended = once | {"tags": {"plan": "pro"}}  # by a relay on its way, for instance: its id decides
    assert post(client, envelope(item("event", amended)), key).status_code == 200
    assert FeatureUsage.objects.count() == 1
    without_id = {name: value for name, value in once.items() if name != "event_id"}
    for number in (1, 1, 2):
        post(client, json.dumps(without_id | {"lineno": number}).encode(), key, path=STORE)
    assert FeatureUsage.objects.count() == 3


@pytest.mark.parametrize(
    ("coding", "compress"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("br", brotli.compress), ("", bytes)],
)
def test_bodies_may_be_compressed(
    client: Client, key: str, coding: str, compress: Callable[[bytes], bytes]
) -> None:
    assert post(client, compress(sent()), key, **{"Content-Encoding": coding}).status_code == 200
    assert FeatureUsage.objects.count() == 1


# --- Keys ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("headers", "query", "text", "is_in_address"),
    [
        ({"x-sentry-auth": "Sentry sentry_key=k, sentry_version=7, sentry_secret=s"}, "", "k", False),
        ({"x-sentry-auth": "sentry sentry_version=7,sentry_key = k "}, "sentry_key=other", "k", False),
        ({"authorization": "Sentry sentry_key=k"}, "", "k", False),
        ({"x-sentry-auth": "Sentry sentry_version=7"}, "sentry_version=7&sentry_key=k%5F1", "k_1", True),
        ({"authorization": "Bearer b"}, "a=1", "", False),
        (
            {"x-sentry-auth": "Sentry " + "sentry_key=k," * 200},
            "&".join(["a=1"] * 99) + "&sentry_key=k",
            "",
            False,
        ),
        ({}, "a" * 3000 + "&sentry_key=k", "", False),
    ],
)
def test_the_key_is_found_where_clients_put_it(
    headers: dict[str, str], query: str, text: str, is_in_address: bool
) -> None:
    assert sent_key(headers, query) == (text, is_in_address)


@pytest.mark.parametrize("name", ["X-Sentry-Auth", "Authorization", "x-api-key"])
def test_the_key_may_stand_in_a_header(client: Client, key: str, name: str) -> None:
    value = key if name == "x-api-key" else f"Sentry sentry_key={key}"
    assert post(client, sent(), **{name: value}).status_code == 200


def test_only_a_publishable_key_of_that_website_may_stand_in_the_address(
    client: Client, key: str, public_key: str
) -> None:
    def status(text: str, origin: str, body: bytes = sent()) -> tuple[int, str]:
        path = f"{ENVELOPE}?sentry_version=7&sentry_key={text}&sentry_client=sentry.javascript.browser%2F11"
        answer = post(client, body, path=path, Origin=origin)
        return answer.status_code, answer.json().get("detail", "")

    assert status(public_key, SITE) == (200, "")
    assert status(public_key, "https://other.example")[0] == 403
    assert status(public_key, "")[0] == 403
    secret = status(key, SITE)
    assert (secret[0], "may not stand in an address" in secret[1]) == (403, True)
    assert key not in secret[1]
    assert status("cnd_unknown", SITE)[0] == 401
    assert FeatureUsage.objects.count() == 1
    counting.flush()
    reasons = [row.reason for row in RejectedRequest.objects.order_by("pk")]
    assert reasons == ["wrong_origin", "wrong_origin", "key_in_address", "no_key"]


def test_a_key_must_be_valid_and_of_the_scope(client: Client, key: str) -> None:
    reports, _ = a_key(scopes=("reports",))
    revoked, row = a_key()
    revoke_key(key=row)
    for text, status in (("", 401), ("cnd_wrong", 401), (revoked, 401), (reports, 403)):
        answer = post(client, sent(), text)
        assert (answer.status_code, set(answer.json())) == (status, {"detail", "causes"})
    assert FeatureUsage.objects.count() == 0


def test_a_browser_needs_no_preflight_and_may_read_the_answer(client: Client, public_key: str) -> None:
    asked = {"Origin": SITE, "Access-Control-Request-Method": "POST"}
    preflight = client.options(f"{ENVELOPE}?sentry_key={public_key}", headers=asked)
    assert preflight.status_code == 200
    assert "x-sentry-auth" in preflight["Access-Control-Allow-Headers"]
    answer = post(client, sent(), path=f"{ENVELOPE}?sentry_key={public_key}", Origin=SITE)
    assert answer["Access-Control-Allow-Origin"] == SITE
    assert "X-Sentry-Rate-Limits" in answer["Access-Control-Expose-Headers"]


# --- Refusals ------------------------------------------------------------------------------------
def test_a_client_is_told_how_long_to_wait(client: Client, settings: Settings, monkeypatch: Any) -> None:
    grant(user="u1")
    text, _ = issue_key(name="slow", scopes=["ingest"], requests_per_second=1)
    monkeypatch.setattr(rate_limits, "spend", rate_limits.Rates().spend)
    answers = [post(client, sent(number=number), text) for number in range(1, 15)]
    limited = next(answer for answer in answers if answer.status_code == 429)
    seconds = limited["Retry-After"]
    assert 1 <= int(seconds) <= 5
    assert limited["X-Sentry-Rate-Limits"] == f"{seconds}::key:rate_limited"
    assert set(limited.json()) == {"detail", "causes"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"nonsense", 400),
        (b'{}\n{"type":"event","length":999}\n{}', 400),
        (b"{}\n" + b'{"type":"attachment","length":0}\n\n' * 10_000, 413),
        (envelope(item("event", b" " * 1_100_000)), 413),
        (b"[" * 100_000, 400),
    ],
)
def test_a_bad_envelope_is_refused_in_the_protocols_words(
    client: Client, key: str, body: bytes, status: int
) -> None:
    answer = post(client, body, key)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/json")
    assert set(answer.json()) == {"detail", "causes"}


def test_a_bomb_is_refused(client: Client, key: str, settings: Settings) -> None:
    settings.OTLP_MAX_BODY_BYTES = 100_000
    for coding, compress in (("gzip", gzip.compress), ("br", brotli.compress)):
        bomb = compress(sent() + b"\n" * 5_000_000)
        assert post(client, bomb, key, **{"Content-Encoding": coding}).status_code == 413
    assert post(client, sent(), key, **{"Content-Encoding": "zstd"}).status_code == 415
    assert client.get(ENVELOPE).status_code == 405


@pytest.mark.parametrize(
    "broken",
    [
        b"nonsense",
        b'{"event_id":"00000000000000000000000000000001","timestamp":"yesterday"}',
        b'{"timestamp":1e300}',
        b'{"timestamp":true}',
        b'{"timestamp":1,"contexts":7}',
        b'{"timestamp":1,"exception":{"values":[{"stacktrace":7}]}}',
        b'{"extra":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"extra":' + b'{"a":' * 900 + b"1" + b"}" * 900 + b',"user":{"id":99999999999999999999999}}',
    ],
)
def test_a_broken_event_is_refused_alone(client: Client, key: str, broken: bytes) -> None:
    body = envelope(item("event", broken), item("session", b"[]"), item("event", event(number=9)))
    assert post(client, body, key).status_code == 200
    counting.flush()
    counts = {(row.outcome, row.reason): row.count for row in TrafficCount.objects.all()}
    assert counts[("accepted", "")] == 1
    assert sum(counts.values()) == 3


def test_text_that_nothing_can_store_harms_nobody(client: Client, key: str) -> None:
    odd = (
        b'{"timestamp":%d,"message":"event:a.b","user":{"id":"u1"},"tags":{"plan":"pro\\u0000","\\ud800":"\\udfff"},'
        % event()["timestamp"]
    )
    odd += b'"extra":{"count":NaN,"x":{"y":[1]}},"release":"\\ud800@1","environment":[]}'
    assert post(client, envelope(item("event", odd)), key).status_code == 200
    kept = FeatureUsage.objects.get().event_metadata
    assert {name: kept[name] for name in kept if name != "app"} == {"plan": "other", "app_version": "1"}


# --- Consent, counts -----------------------------------------------------------------------------
def test_without_consent_nothing_is_stored_and_the_answer_is_the_same(
    client: Client, public_key: str
) -> None:
    answers = []
    for user in ("u1", "u2"):
        body = sent(number=4, user={"id": user})
        answer = post(client, body, path=f"{ENVELOPE}?sentry_key={public_key}", Origin=SITE)
        answers.append((answer.status_code, answer.content, dict(answer.headers)))
    assert answers[0] == answers[1]
    assert FeatureUsage.objects.count() == 1
    counting.flush()
    assert TrafficCount.objects.get(outcome="refused").reason == "no_consent_user"


@pytest.mark.parametrize(
    ("headers", "tags"),
    [({"DNT": "1"}, {}), ({"Sec-GPC": "1"}, {}), ({}, {"telemetry.do_not_track": "true"})],
)
def test_a_signal_is_heeded(client: Client, key: str, headers: dict[str, str], tags: dict[str, str]) -> None:
    assert post(client, sent(tags=tags), key, **headers).status_code == 200
    assert FeatureUsage.objects.count() == 0
    counting.flush()
    row = TrafficCount.objects.get()
    assert (row.signal, row.outcome, row.reason) == ("sentry", "refused", "do_not_track")


def test_a_dry_run_says_what_would_be_stored(client: Client, key: str) -> None:
    answer = post(client, sent(tags={"plan": "pro"}), key, **{"X-Telemetry-Dry-Run": "1"})
    (record,) = answer.json()["records"]
    assert (record["outcome"], record["table"]) == ("stored", "analytics_feature_usage")
    assert record["stored"] == {"plan": "plan"}
    assert FeatureUsage.objects.count() == 0


def test_the_id_of_an_answer_is_an_id_and_nothing_else(client: Client, key: str) -> None:
    body = envelope(item("event", event() | {"event_id": "<b>"}), event_id="qzjanedoe@example.com")
    assert post(client, body, key).json() == {}
    body = envelope(item("event", event() | {"event_id": None}), event_id=EVENT_ID)
    assert post(client, body, key).json() == {"id": EVENT_ID}
