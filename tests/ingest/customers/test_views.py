"""What customers' collectors call over HTTP: licence checks, heartbeats and daily analytics."""

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections, transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from analytics.customers import reports
from analytics.customers.reported_numbers import MAX_NUMBERS, NAME_FORM
from analytics.models import CustomerAnalytics, CustomerHeartbeat, License
from consent.decisions.recording import record_decision
from consent.gate import barrier
from consent.keys import issue_key, revoke_key
from consent.models import ConsentPeriod, Key, Method, State, SubjectKind
from consent.pseudonyms import pseudonym
from ingest.customers.errors import MAX_BODY_BYTES
from ingest.customers.serializers import oldest_kept
from ingest.traffic import counting
from tests.support.away import away
from tests.support.programs import until

pytestmark = pytest.mark.django_db

ACME = pseudonym("organization", "acme-4711")
NOW = timezone.now().replace(microsecond=0)
HEARTBEAT, ANALYTICS = "/telemetry/heartbeat", "/telemetry/analytics"


def licence_key(organization: str = "", **terms: Any) -> str:
    text, key = issue_key(name="Acme", scopes=["heartbeat"], organization_pseudonym=organization)
    if terms:
        License.objects.create(key_id=key.pk, **terms)
    return text


def post(client: Client, address: str, body: Any, key: str = "", **headers: str) -> Any:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    if key:
        headers["authorization"] = f"Bearer {key}"
    return client.post(address, sent, content_type="application/json", headers=headers)


def heartbeat(**changes: Any) -> dict[str, Any]:
    body = {"customer_id": "acme-4711", "timestamp": NOW.isoformat(), "metrics": {"active_users": 12}}
    return {name: value for name, value in (body | changes).items() if value is not ...}


def analytics(**changes: Any) -> dict[str, Any]:
    return {
        "customer_id": "acme-4711",
        "date": NOW.date().isoformat(),
        "analytics": {"sign_ins": 3},
    } | changes


def opt_out(organization: str) -> None:
    record_decision(
        kind=SubjectKind.ORGANIZATION, subject=organization, state=State.DENIED, actor="t", method=Method.API
    )


# --- Licences --------------------------------------------------------------------------------------
def test_a_licence_in_force_says_whose_it_is_and_what_it_entitles_to(client: Client) -> None:
    ends = NOW + timedelta(days=200)
    key = licence_key(customer_name="Acme GmbH", entitlements={"seats": 50, "sso": True}, expires_at=ends)
    answer = post(client, "/validate-license", {}, key)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "private, max-age=3600")
    assert answer.json() == {
        "valid": True,
        "customer_name": "Acme GmbH",
        "entitlements": {"seats": 50, "sso": True},
        "expires_at": ends.isoformat().replace("+00:00", "Z"),
        "warnings": [],
    }


def test_the_key_may_be_in_the_body_and_is_the_licence_key(client: Client) -> None:
    key = licence_key(customer_name="Acme GmbH")
    answer = post(client, "/validate-license", {"license_key": key, "instance": "one"})
    assert (answer.json()["valid"], answer.json()["expires_at"]) == (True, None)


def test_a_header_goes_before_the_body(client: Client) -> None:
    key = licence_key(customer_name="Acme GmbH")
    answer = post(client, "/validate-license", {"license_key": "cnd_another"}, key)
    assert answer.json()["valid"] is True


def test_a_key_without_recorded_terms_is_valid_and_says_so(client: Client) -> None:
    answer = post(client, "/validate-license", {}, licence_key()).json()
    assert (answer["valid"], answer["customer_name"], answer["entitlements"]) == (True, "Acme", {})
    assert answer["warnings"] == ["no terms are recorded for this licence"]


def test_an_expired_licence_is_not_valid_and_entitles_to_nothing(client: Client) -> None:
    ends = NOW - timedelta(seconds=1)
    key = licence_key(customer_name="Acme GmbH", entitlements={"sso": True}, expires_at=ends)
    answer = post(client, "/validate-license", {}, key)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert (answer.json()["valid"], answer.json()["entitlements"]) == (False, {})
    assert answer.json()["warnings"] == [f"this licence expired on {ends:%F}"]


def test_a_licence_that_ends_soon_warns_and_is_not_believed_beyond_its_end(client: Client) -> None:
    ends = timezone.now() + timedelta(seconds=100)
    answer = post(client, "/validate-license", {}, licence_key(customer_name="Acme", expires_at=ends))
    assert (answer.json()["valid"], answer.json()["warnings"]) == (
        True,
        [f"this licence expires on {ends:%F}"],
    )
    assert 90 <= int(answer.headers["Cache-Control"].partition("max-age=")[2]) <= 100


@pytest.mark.parametrize("place", ["header", "x-api-key", "body"])
def test_an_unknown_key_is_answered_clearly(client: Client, place: str) -> None:
    body = {"license_key": "cnd_unknown"} if place == "body" else {}
    headers = {} if place == "body" else {"authorization": "Bearer cnd_unknown"}
    if place == "x-api-key":
        headers = {"x-api-key": "cnd_unknown"}
    answer = post(client, "/validate-license", body, **headers)
    assert (answer.status_code, answer.json()["valid"]) == (200, False)
    assert answer.json()["warnings"] == ["this key is unknown, revoked or expired"]


def test_a_revoked_key_is_not_a_valid_licence(client: Client) -> None:
    key = licence_key(customer_name="Acme GmbH", entitlements={"sso": True})
    revoke_key(key=Key.objects.get())
    answer = post(client, "/validate-license", {}, key).json()
    assert (answer["valid"], answer["customer_name"], answer["entitlements"]) == (False, "", {})


def test_no_key_at_all_is_401_and_another_scope_403(client: Client) -> None:
    for address in ("/validate-license", HEARTBEAT, ANALYTICS):
        answer = post(client, address, {})
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="Candid"')
        assert answer.json()["error"]["code"] == "no_key"
    key, _ = issue_key(name="app", scopes=["ingest"])
    for address in ("/validate-license", HEARTBEAT, ANALYTICS):
        answer = post(client, address, heartbeat() | analytics(), key)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "wrong_scope")
        assert "'heartbeat'" in answer.json()["error"]["message"]


def test_the_use_of_a_key_is_noted(client: Client) -> None:
    post(client, HEARTBEAT, heartbeat(), licence_key())
    counting.flush()
    assert Key.objects.get().last_used_at is not None


# --- Reports ---------------------------------------------------------------------------------------
def test_a_heartbeat_is_kept_under_the_pseudonym_once(client: Client) -> None:
    key = licence_key()
    outcomes = [post(client, HEARTBEAT, heartbeat(), key).json() for _ in range(2)]
    assert outcomes == [
        {"outcome": "stored", "kept": 1, "dropped": 0, "warnings": []},
        {"outcome": "unchanged", "kept": 1, "dropped": 0, "warnings": []},
    ]
    row = CustomerHeartbeat.objects.get()
    assert (row.organization_id, row.timestamp, row.metrics) == (ACME, NOW, {"active_users": 12})


def test_a_day_sent_again_changes_nothing_and_a_corrected_one_replaces(client: Client) -> None:
    key = licence_key()
    post(client, ANALYTICS, analytics(), key)
    first = CustomerAnalytics.objects.get()
    assert post(client, ANALYTICS, analytics(), key).json()["outcome"] == "unchanged"
    assert CustomerAnalytics.objects.get().received_at == first.received_at
    corrected = analytics(analytics={"sign_ins": 4, "uses": 1.5})
    assert post(client, ANALYTICS, corrected, key).json()["outcome"] == "replaced"
    row = CustomerAnalytics.objects.get()
    assert (row.pk, row.date, row.analytics) == (first.pk, NOW.date(), {"sign_ins": 4, "uses": 1.5})


def test_customers_and_moments_do_not_mix(client: Client) -> None:
    key = licence_key()
    post(client, HEARTBEAT, heartbeat(), key)
    post(client, HEARTBEAT, heartbeat(customer_id="other"), key)
    post(client, HEARTBEAT, heartbeat(timestamp=(NOW - timedelta(minutes=5)).isoformat()), key)
    assert CustomerHeartbeat.objects.count() == 3


def test_only_names_and_finite_numbers_are_kept_and_the_rest_is_counted(client: Client) -> None:
    body = heartbeat(
        metrics={
            "active_users": 12,
            "http.p95-ms": 1.25,
            "app_version": "1.2.3",
            "contact": "jane@example.com",
            "hidden": None,
            "flag": True,
            "nested": {"deep": 1},
            "not_a_number": float("nan"),
            "endless": float("inf"),
            "huge": 2**70,
            "jane@example.com": 1,
            "a" * 101: 1,
            "": 1,
            "nul\x00": 1,
            "phone": 15550100,
            "key_3f0c9d1e7b5a48269c0d7e8f1a2b3c4d": 1,
        }
    )
    answer = post(client, HEARTBEAT, body, licence_key()).json()
    assert CustomerHeartbeat.objects.get().metrics == {"active_users": 12, "http.p95-ms": 1.25}
    assert (answer["outcome"], answer["kept"], answer["dropped"]) == ("stored", 2, 14)
    assert answer["warnings"] == [
        "8 not kept: not a finite number below 2^63",
        f"4 not kept: a name other than {NAME_FORM}",
        "2 not kept: a name that looks personal or secret",
    ]


def test_too_many_numbers_are_counted_too(client: Client) -> None:
    body = heartbeat(metrics={f"metric_{number}": number for number in range(MAX_NUMBERS + 5)})
    answer = post(client, HEARTBEAT, body, licence_key()).json()
    assert (answer["kept"], answer["dropped"]) == (MAX_NUMBERS, 5)
    assert answer["warnings"] == [f"5 not kept: more than {MAX_NUMBERS} numbers"]


def test_a_heartbeat_without_a_single_number_is_still_one(client: Client) -> None:
    assert post(client, HEARTBEAT, heartbeat(metrics={}), licence_key()).json()["outcome"] == "stored"


def test_no_raw_id_and_no_text_reaches_a_table(client: Client) -> None:
    secret = "jane.doe@example.com"
    body = heartbeat(customer_id=secret, metrics={"user": secret, secret: 1}) | {"extra": secret}
    assert post(client, HEARTBEAT, body, licence_key()).status_code == 200
    for alias in ("default", "analytics"):
        with connections[alias].cursor() as cursor:
            for table in connections[alias].introspection.table_names(cursor):
                cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', [f"%{secret}%"])
                assert cursor.fetchone() == (0,), table


def test_a_customer_is_read_as_the_organization_of_events_is(client: Client) -> None:
    key = licence_key()
    for customer, organization in ((4711, "4711"), ("  acme-4711 ", "acme-4711")):
        post(client, HEARTBEAT, heartbeat(customer_id=customer), key)
        assert CustomerHeartbeat.objects.filter(
            organization_id=pseudonym("organization", organization)
        ).exists()


@pytest.mark.parametrize("customer_id", [..., None, "", "acme-4711"])
def test_a_bound_key_supplies_the_organization(client: Client, customer_id: Any) -> None:
    answer = post(client, HEARTBEAT, heartbeat(customer_id=customer_id), licence_key(ACME))
    assert answer.json()["outcome"] == "stored"
    assert CustomerHeartbeat.objects.get().organization_id == ACME


def test_a_bound_key_refuses_another_organization(client: Client) -> None:
    answer = post(client, HEARTBEAT, heartbeat(customer_id="somebody-else"), licence_key(ACME))
    assert (answer.status_code, CustomerHeartbeat.objects.count()) == (403, 0)
    assert answer.json()["error"]["message"] == "this key belongs to another organization"


SENT = [(HEARTBEAT, heartbeat, "metrics"), (ANALYTICS, analytics, "analytics")]


def stored_numbers() -> list[Any]:
    return [
        *CustomerHeartbeat.objects.values_list("metrics", flat=True),
        *CustomerAnalytics.objects.values_list("analytics", flat=True),
    ]


@pytest.mark.parametrize(("address", "body", "numbers"), SENT)
@pytest.mark.parametrize("first", ["", ACME], ids=["another key's", "a bound key's"])
def test_an_unbound_key_does_not_replace_what_another_key_reported(
    client: Client, address: str, body: Any, numbers: str, first: str
) -> None:
    stranger = licence_key()
    post(client, address, body(**{numbers: {"uses": 3}}), licence_key(first))
    answer = post(client, address, body(**{numbers: {"uses": 0}}), stranger)
    sentence = (
        "nothing was kept: another key has reported this already, and this key is bound to no organization"
    )
    assert answer.status_code == 200
    assert answer.json() == {"outcome": "not_kept", "kept": 0, "dropped": 1, "warnings": [sentence]}
    assert post(client, address, body(**{numbers: {"uses": 3}}), stranger).json()["outcome"] == "unchanged"
    assert stored_numbers() == [{"uses": 3}]


@pytest.mark.parametrize(("address", "body", "numbers"), SENT)
def test_a_customers_own_key_replaces_what_a_stranger_reported_and_keeps_it(
    client: Client, address: str, body: Any, numbers: str
) -> None:
    stranger, own, next_own = licence_key(), licence_key(ACME), licence_key(ACME)
    answers = [
        post(client, address, body(**{numbers: {"uses": uses}}), key).json()["outcome"]
        for key, uses in ((stranger, 0), (own, 0), (stranger, 9), (next_own, 0), (next_own, 4), (own, 5))
    ]
    assert answers == ["stored", "replaced", "not_kept", "unchanged", "replaced", "replaced"]
    assert stored_numbers() == [{"uses": 5}]


@pytest.mark.parametrize("address", [HEARTBEAT, ANALYTICS])
def test_of_an_organization_that_opted_out_nothing_is_kept(client: Client, address: str) -> None:
    opt_out(ACME)
    answer = post(client, address, heartbeat() | analytics(), licence_key())
    assert answer.status_code == 200
    assert (answer.json()["outcome"], answer.json()["kept"]) == ("not_kept", 0)
    assert answer.json()["warnings"] == ["nothing was kept: the organization has opted out"]
    assert (CustomerHeartbeat.objects.count(), CustomerAnalytics.objects.count()) == (0, 0)


def stands(state: State) -> None:
    """Set a subject's state as a decision would, but without its barrier."""
    ConsentPeriod.objects.create(
        subject_kind=SubjectKind.ORGANIZATION, subject=ACME, state=state, since=timezone.now()
    )


def test_of_an_organization_that_must_be_asked_again_nothing_is_kept(client: Client) -> None:
    stands(State.STALE)
    answer = post(client, HEARTBEAT, heartbeat(), licence_key())
    assert answer.json()["outcome"] == "not_kept"
    assert "has not agreed to the present policy" in answer.json()["warnings"][0]


@pytest.mark.django_db(transaction=True)
def test_a_report_that_waits_behind_a_withdrawal_is_not_kept() -> None:
    def record() -> reports.RecordedReport:
        try:
            return reports.record_heartbeat(organization=ACME, timestamp=NOW, metrics={"n": 1})
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic(using="analytics"), connections["analytics"].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [barrier.LOCK_SPACE, barrier.bucket(ACME)])
            waiting = pool.submit(record)
            until(lambda: waits_for_a_lock(cursor), what="the report waits for the withdrawal")
            stands(State.DENIED)
        assert waiting.result(10).outcome == "not_kept"
    assert CustomerHeartbeat.objects.count() == 0


def waits_for_a_lock(cursor: Any) -> bool:
    cursor.execute(
        "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database"
        " WHERE d.datname = current_database() AND classid = %s AND NOT granted",
        [barrier.LOCK_SPACE],
    )
    return bool(cursor.fetchone()[0])


@pytest.mark.parametrize("header", ["DNT", "Sec-GPC"])
def test_the_signal_is_heard(client: Client, header: str) -> None:
    answer = post(client, HEARTBEAT, heartbeat(), licence_key(), **{header: "1"})
    assert (answer.json()["outcome"], CustomerHeartbeat.objects.count()) == ("not_kept", 0)


def test_the_instance_switch_holds_here_too(client: Client, settings: Settings) -> None:
    settings.BASE_TELEMETRY_ENABLED = False
    answer = post(client, HEARTBEAT, heartbeat(), licence_key())
    assert answer.json()["warnings"] == ["nothing was kept: base telemetry is switched off here"]


@pytest.mark.parametrize(
    ("body", "parameter", "said"),
    [
        (heartbeat(customer_id=...), "customer_id", "this key has no organization"),
        (heartbeat(customer_id="x" * 1025), "customer_id", "no more than 1024 characters"),
        (heartbeat(customer_id=["x"]), "customer_id", "Not a valid string"),
        (heartbeat(timestamp=...), "timestamp", "required"),
        (heartbeat(timestamp="yesterday"), "timestamp", "wrong format"),
        (heartbeat(timestamp=1_700_000_000), "timestamp", "wrong format"),
        (heartbeat(timestamp="0001-01-01T00:00:00+14:00"), "timestamp", "out of range"),
        (heartbeat(timestamp="9999-12-31T23:59:59Z"), "timestamp", "more than 24 hours ahead"),
        (heartbeat(timestamp="2001-01-01T00:00:00Z"), "timestamp", "the oldest day that is kept"),
        (heartbeat(metrics=...), "metrics", "required"),
        (heartbeat(metrics=[1, 2]), "metrics", "Expected a dictionary"),
    ],
)
def test_a_heartbeat_that_cannot_be_read_is_400_and_named(
    client: Client, body: Any, parameter: str, said: str
) -> None:
    answer = post(client, HEARTBEAT, body, licence_key())
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["parameter"]) == (400, "bad_parameter", parameter)
    assert said in error["message"]
    assert CustomerHeartbeat.objects.count() == 0


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ((NOW + timedelta(days=3)).date().isoformat(), "after tomorrow"),
        ("2001-01-01", "the oldest day that is kept"),
        (NOW.isoformat(), "wrong format"),
    ],
)
def test_a_day_that_cannot_be_is_400(client: Client, day: str, said: str) -> None:
    answer = post(client, ANALYTICS, analytics(date=day), licence_key())
    assert (answer.status_code, answer.json()["error"]["parameter"]) == (400, "date")
    assert said in answer.json()["error"]["message"]


def test_the_oldest_day_and_tomorrow_are_taken_and_their_neighbours_are_not(client: Client) -> None:
    key, oldest, tomorrow = licence_key(), oldest_kept(), timezone.now().date() + timedelta(days=1)
    for day, status in (
        (oldest.date(), 200),
        (oldest.date() - timedelta(days=1), 400),
        (tomorrow, 200),
        (tomorrow + timedelta(days=2), 400),
    ):
        assert post(client, ANALYTICS, analytics(date=day.isoformat()), key).status_code == status
    for at, status in ((oldest, 200), (oldest - timedelta(microseconds=1), 400)):
        assert post(client, HEARTBEAT, heartbeat(timestamp=at.isoformat()), key).status_code == status


@pytest.mark.parametrize(
    "body",
    [b"{", b"[1]", b"\xff", b"[" * 50_000, b'"' + b"x" * 100 + b'"', b'{"metrics": ' + b"9" * 5000 + b"}"],
)
def test_a_body_that_is_no_json_object_is_400(client: Client, body: bytes) -> None:
    answer = post(client, HEARTBEAT, body, licence_key())
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "malformed")


def test_a_large_body_is_413_also_after_decompression(client: Client) -> None:
    key = licence_key()
    large = json.dumps(heartbeat(metrics={"text": "x" * MAX_BODY_BYTES})).encode()
    for answer in (
        post(client, HEARTBEAT, large, key),
        post(client, HEARTBEAT, gzip.compress(large), key, **{"content-encoding": "gzip"}),
    ):
        assert answer.status_code == 413
        assert str(MAX_BODY_BYTES) in answer.json()["error"]["message"]


def test_json_is_read_whatever_its_type_is_called(client: Client) -> None:
    form = "application/x-www-form-urlencoded"  # what `curl -d` says
    headers = {"x-api-key": licence_key()}
    answer = client.post(HEARTBEAT, json.dumps(heartbeat()), content_type=form, headers=headers)
    assert answer.json()["outcome"] == "stored"


def test_gzip_is_read(client: Client) -> None:
    body = gzip.compress(json.dumps(heartbeat()).encode())
    answer = post(client, HEARTBEAT, body, licence_key(), **{"content-encoding": "gzip"})
    assert answer.json()["outcome"] == "stored"


def test_a_time_without_a_zone_is_utc(client: Client) -> None:
    post(client, HEARTBEAT, heartbeat(timestamp=f"{NOW:%FT%T}"), licence_key())
    assert CustomerHeartbeat.objects.get().timestamp == NOW


def test_only_post_is_answered_and_always_in_json(client: Client) -> None:
    for address in ("/validate-license", HEARTBEAT, ANALYTICS):
        answer = client.get(address, headers={"accept": "text/html"})
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
        assert answer.json()["error"]["code"] == "method_not_allowed"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("alias", ["default", "analytics"])
def test_with_a_database_out_of_reach_it_is_503_and_to_be_tried_again(
    client: Client, caplog: pytest.LogCaptureFixture, alias: str
) -> None:
    key = licence_key()
    with away(alias):
        answer = post(client, HEARTBEAT, heartbeat(), key)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert answer.json()["error"]["code"] == "unavailable"
    assert "customers' reports cannot be stored now: OperationalError" in caplog.text
    assert "acme" not in answer.text + caplog.text


def test_nothing_that_was_sent_is_logged_or_repeated(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "cnd_do-not-repeat-me"
    answers = [
        post(client, "/validate-license", {"license_key": secret}),
        post(client, "/validate-license", {"license_key": [secret]}),
        post(client, HEARTBEAT, heartbeat(customer_id=secret, timestamp=secret), licence_key()),
        post(client, HEARTBEAT, heartbeat(customer_id=secret), licence_key(ACME)),
    ]
    assert [answer.status_code for answer in answers] == [200, 400, 400, 403]
    assert secret not in caplog.text + "".join(answer.text for answer in answers)


def test_old_reports_leave_with_the_months_they_are_of(client: Client) -> None:
    old = datetime(2024, 1, 31, 12, tzinfo=UTC)
    for moment in (old, NOW):
        reports.record_heartbeat(organization=ACME, timestamp=moment, metrics={"n": 1})
        reports.record_analytics(organization=ACME, day=moment.date(), analytics={"n": 1})
    call_command("prune")
    assert [row.timestamp for row in CustomerHeartbeat.objects.all()] == [NOW]
    assert [row.date for row in CustomerAnalytics.objects.all()] == [date.fromisoformat(f"{NOW:%F}")]
