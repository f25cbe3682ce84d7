"""The consent API from the outside: what holds, what is recorded, who is refused."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import call_command
from django.db import connections
from django.test import Client
from pytest_django import Settings

from consent.api import rate_limits
from consent.decisions.recording import record_decision
from consent.gate.barrier import LOCK_SPACE, bucket
from consent.keys import issue_key, revoke_key
from consent.models import ConsentPeriod, Decision, Key, Method, State, SubjectKind
from consent.policies import activation, publishing
from consent.policies.in_force import in_force
from consent.pseudonyms import pseudonym
from tests.support.declaring import MORE, declare
from tests.support.programs import until
from tests.support.second_connection import waiting

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("unspent")]

USER, ACME = pseudonym("user", "jane-4711"), pseudonym("organization", "acme")
BY_USER = {"X-User-Id": "jane-4711"}
OF_ACME = {"X-Organization-Id": "acme"}

# Every address: how it is asked for, and whether it is about a user or an organization.
ADDRESSES: list[tuple[str, str, Any, str]] = [
    ("get", "/api/consent/user", None, "user"),
    ("put", "/api/consent/user", {"state": "granted"}, "user"),
    ("get", "/api/consent/organization", None, "organization"),
    ("put", "/api/consent/organization", {"state": "granted"}, "organization"),
    ("post", "/api/consent/link", {}, "user"),
    ("get", "/api/users/telemetry/status", None, "user"),
    ("put", "/api/users/telemetry/enable", None, "user"),
    ("put", "/api/users/telemetry/disable", None, "user"),
    ("get", "/api/v1/config/me/org-settings", None, "organization"),
    ("put", "/api/v1/config/me/org-settings", {"telemetry_enabled": True}, "organization"),
    ("get", "/api/config/me/org-settings", None, "organization"),
    ("put", "/api/config/me/org-settings", {"telemetry_enabled": True}, "organization"),
]
GRANTS = [one for one in ADDRESSES if one[0] == "put" and not one[1].endswith("/disable")]


@pytest.fixture
def key() -> str:
    return issue_key(name="app", scopes=["consent"])[0]


@pytest.fixture
def acme_key() -> str:
    return issue_key(name="acme's", scopes=["consent"], organization_pseudonym=ACME)[0]


def ask(key: str, method: str, address: str, body: Any = None, **headers: str) -> Any:
    """`_` in a header's name stands for `-`."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
    shown = {"authorization": f"Bearer {key}"} if key else {}
    shown |= {name.replace("_", "-"): value for name, value in headers.items()}
    return Client().generic(method.upper(), address, sent, "application/json", headers=shown)


def grant(kind: SubjectKind, subject: str) -> None:
    record_decision(kind=kind, subject=subject, state=State.GRANTED, actor="t", method=Method.COMMAND)


def states() -> set[tuple[str, str, str]]:
    return set(ConsentPeriod.objects.filter(until=None).values_list("subject_kind", "subject", "state"))


# --- What holds, and what is recorded ---------------------------------------------------------------
def test_nobody_has_decided_at_first(key: str) -> None:
    answer = ask(key, "get", "/api/consent/user", **BY_USER)

    assert (answer.status_code, answer["Cache-Control"]) == (200, "private, no-store")
    assert answer.json() == {
        "user_id": USER,
        "state": "unset",
        "since": None,
        "policy_version": "",
        "is_stale": False,
        "telemetry_enabled": False,
    }


@pytest.mark.parametrize("state", ["granted", "denied", "unset"])
def test_a_state_is_set_and_read_back(key: str, state: str) -> None:
    ask(key, "put", "/api/consent/user", {"state": "granted" if state == "unset" else "unset"}, **BY_USER)

    answer = ask(key, "put", "/api/consent/user", {"state": state}, **BY_USER).json()

    assert (answer["state"], answer["telemetry_enabled"]) == (state, state == "granted")
    assert ask(key, "get", "/api/consent/user", **BY_USER).json() == {
        name: value for name, value in answer.items() if name != "changed"
    }


def test_the_decision_says_who_and_how_and_holds_no_raw_id(key: str) -> None:
    ask(key, "put", "/api/consent/organization", {"state": "granted"}, **OF_ACME)

    decision = Decision.objects.get()
    assert (decision.subject, decision.actor, decision.method) == (ACME, "app", "api")


def test_ids_may_come_in_the_body_as_numbers_too(key: str) -> None:
    ask(key, "put", "/api/consent/user", {"state": "granted", "user_id": 4711})

    assert states() == {("user", pseudonym("user", "4711"), "granted")}


def test_an_id_of_any_text_may_be_in_the_body_also_of_a_get(key: str) -> None:
    ask(key, "put", "/api/consent/user", {"state": "granted", "user_id": "jörg, 4711"})

    assert states() == {("user", pseudonym("user", "jörg, 4711"), "granted")}
    assert ask(key, "get", "/api/consent/user", {"user_id": "jörg, 4711"}).json()["state"] == "granted"


@pytest.mark.parametrize("header", ["jörg", "jane-4711,joe", "jane-4711, jane-4711", ","])
def test_a_header_that_may_be_two_is_refused(key: str, header: str) -> None:
    """A header that is sent twice reaches us joined, and would stand for somebody who does not exist."""
    for kind in ("user", "organization"):
        headers = {f"X-{kind.title()}-Id": header}
        answer = ask(key, "put", f"/api/consent/{kind}", {"state": "granted"}, **headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_id")
    assert states() == set()


@pytest.mark.parametrize("state", ["granted", "denied"])
def test_the_same_put_twice_is_one_decision(key: str, state: str) -> None:
    first = ask(key, "put", "/api/consent/user", {"state": state}, **BY_USER).json()
    second = ask(key, "put", "/api/consent/user", {"state": state}, **BY_USER).json()

    assert (first.pop("changed"), second.pop("changed")) == (True, False)
    assert first == second
    assert (Decision.objects.count(), ConsentPeriod.objects.count()) == (1, 1)


@pytest.mark.parametrize("state", ["granted", "denied"])
def test_the_same_put_twice_at_the_same_time_is_one_decision(key: str, state: str) -> None:
    """Without the lock, both requests would look before either has written, and both would write."""

    def put(_: int) -> Any:
        try:
            return ask(key, "put", "/api/consent/user", {"state": state}, **BY_USER)
        finally:
            connections.close_all()

    with closing(connections["default"].copy()) as first, ThreadPoolExecutor(2) as pool:
        first.cursor().execute("BEGIN")
        first.cursor().execute(
            "INSERT INTO consent_telemetryuser (pseudonym, state, is_demo, created_at, updated_at)"
            " VALUES (%s, 'unset', false, now(), now())",
            [USER],
        )
        try:
            answers = pool.map(put, range(2))
            until(lambda: waiting() == 2, what="both wait for a lock")
        finally:
            first.cursor().execute("ROLLBACK")
        changed = sorted(answer.json()["changed"] for answer in answers)

    assert changed == [False, True]
    assert (Decision.objects.count(), ConsentPeriod.objects.count()) == (1, 1)


def test_a_user_is_asked_together_with_the_organization(key: str) -> None:
    grant(SubjectKind.USER, USER)

    alone = ask(key, "get", "/api/consent/user", **BY_USER).json()
    together = ask(key, "get", "/api/consent/user", **BY_USER, **OF_ACME).json()

    assert (alone["telemetry_enabled"], together["telemetry_enabled"]) == (True, False)
    assert (together["state"], together["organization_id"]) == ("granted", ACME)


def test_the_instance_switch_is_part_of_the_answer(key: str, settings: Settings) -> None:
    grant(SubjectKind.USER, USER)
    settings.TELEMETRY_ENABLED = False

    answer = ask(key, "get", "/api/consent/user", **BY_USER).json()

    assert (answer["state"], answer["telemetry_enabled"]) == ("granted", False)


def test_the_widely_used_shape_of_a_user(key: str) -> None:
    assert ask(key, "get", "/api/users/telemetry/status", **BY_USER).json() == {
        "telemetry_enabled": False,
        "user_id": USER,
    }
    enabled = ask(key, "put", "/api/users/telemetry/enable", **BY_USER).json()
    assert enabled == {"telemetry_enabled": True, "message": "opted in"}
    assert ask(key, "get", "/api/users/telemetry/status", **BY_USER).json()["telemetry_enabled"] is True
    assert (
        ask(key, "put", "/api/users/telemetry/enable", **BY_USER)
        .json()["message"]
        .startswith("opted in before")
    )
    disabled = ask(key, "put", "/api/users/telemetry/disable", **BY_USER).json()
    assert disabled == {"telemetry_enabled": False, "message": "opted out"}
    assert states() == {("user", USER, "denied")}


@pytest.mark.parametrize("address", ["/api/v1/config/me/org-settings", "/api/config/me/org-settings"])
def test_the_widely_used_shape_of_an_organization(acme_key: str, address: str) -> None:
    before = ask(acme_key, "get", address).json()
    assert before == {"org_id": ACME, "telemetry_enabled": False, "updated_at": None, "updated_by": None}

    after = ask(acme_key, "put", address, {"telemetry_enabled": True}).json()

    assert (after["telemetry_enabled"], after["updated_by"]) == (True, "acme's")
    assert after["updated_at"] is not None
    assert ask(acme_key, "get", address).json() == after
    assert ask(acme_key, "put", address, {"telemetry_enabled": False}).json()["telemetry_enabled"] is False


def test_the_sign_in_of_an_admin_is_not_told(key: str) -> None:
    record_decision(
        kind=SubjectKind.ORGANIZATION, subject=ACME, state=State.DENIED, actor="mira", method=Method.ADMIN
    )

    assert ask(key, "get", "/api/v1/config/me/org-settings", **OF_ACME).json()["updated_by"] == "admin"


# --- What is no decision ----------------------------------------------------------------------------
@pytest.mark.parametrize("body", [None, {}, {"telemetry_enabled": None}, {"telemetry_enabled": "true"},
                                  {"telemetry_enabled": 1}, {"telemetry_enabled": [True]}, {"enabled": True},
                                  [], "granted", True])  # fmt: skip
@pytest.mark.parametrize("address", ["/api/v1/config/me/org-settings", "/api/config/me/org-settings"])
def test_a_put_without_a_boolean_is_an_error_and_never_a_grant(
    acme_key: str, address: str, body: Any
) -> None:
    answer = ask(acme_key, "put", address, body)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
    assert states() == set()


@pytest.mark.parametrize("body", [None, {}, {"state": None}, {"state": True}, {"state": "GRANTED"},
                                  {"state": ["granted"]}, {"telemetry_enabled": True}, []])  # fmt: skip
@pytest.mark.parametrize("address", ["/api/consent/user", "/api/consent/organization"])
def test_a_put_without_a_state_is_an_error_and_never_a_grant(key: str, address: str, body: Any) -> None:
    answer = ask(key, "put", address, body, **BY_USER, **OF_ACME)

    assert answer.status_code == 400
    assert states() == set()


@pytest.mark.parametrize(
    "raw",
    [b"{", b"\xff", b'{"state": "granted", "state": "denied"}', b'{"state": "denied", "state": "granted"}',
     b"[" * 60_000],
)  # fmt: skip
def test_a_body_that_can_be_read_in_two_ways_or_none_is_an_error(key: str, raw: bytes) -> None:
    assert ask(key, "put", "/api/consent/user", raw, **BY_USER).status_code == 400
    assert states() == set()


def test_a_body_that_says_the_opposite_of_its_address_is_an_error(key: str) -> None:
    for word, value in (("enable", False), ("disable", True), ("enable", "true")):
        answer = ask(key, "put", f"/api/users/telemetry/{word}", {"telemetry_enabled": value}, **BY_USER)
        assert answer.status_code == 400
    assert states() == set()


def test_a_large_body_is_413(key: str) -> None:
    assert ask(key, "put", "/api/consent/user", b" " * 70_000, **BY_USER).status_code == 413


@pytest.mark.parametrize(("method", "address", "body", "kind"), ADDRESSES)
@pytest.mark.parametrize("id_", [None, "", "  ", "null", "undefined", "x" * 1025])
def test_no_id_is_an_error_that_names_the_header(
    key: str, method: str, address: str, body: Any, kind: str, id_: str | None
) -> None:
    headers = {} if id_ is None else {f"X-{kind.title()}-Id": id_}

    answer = ask(key, method, address, body, **headers)

    assert answer.status_code == 400
    assert answer.json()["error"]["parameter"] == f"{kind}_id"
    assert states() == set()


@pytest.mark.parametrize(("method", "address", "body", "kind"), ADDRESSES)
def test_an_address_holds_no_id(key: str, method: str, address: str, body: Any, kind: str) -> None:
    headers = {f"X-{kind.title()}-Id": "jane-4711"}

    answer = ask(key, method, f"{address}?{kind}_id=jane-4711", body, **headers)

    assert answer.status_code == 400
    assert "jane" not in answer.content.decode()
    assert states() == set()


def test_header_and_body_must_not_name_two(key: str) -> None:
    sent = {"state": "granted", "user_id": "joe"}

    assert ask(key, "put", "/api/consent/user", sent, **BY_USER).status_code == 400
    assert ask(key, "put", "/api/consent/user", sent | {"user_id": "jane-4711"}, **BY_USER).status_code == 200


@pytest.mark.parametrize("signal", [{"DNT": "1"}, {"Sec-GPC": "1"}])
@pytest.mark.parametrize(("method", "address", "body", "kind"), GRANTS)
def test_no_grant_is_recorded_against_do_not_track(
    key: str, method: str, address: str, body: Any, kind: str, signal: dict[str, str]
) -> None:
    answer = ask(key, method, address, body, **BY_USER, **OF_ACME, **signal)

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "do_not_track")
    assert states() == set()


def test_do_not_track_is_told_what_becomes_of_its_events_and_may_opt_out(key: str) -> None:
    grant(SubjectKind.USER, USER)

    asked = ask(key, "get", "/api/consent/user", **BY_USER, DNT="1").json()
    assert (asked["state"], asked["telemetry_enabled"]) == ("granted", False)
    assert ask(key, "put", "/api/users/telemetry/disable", **BY_USER, DNT="1").status_code == 200
    assert states() == {("user", USER, "denied")}


# --- Who is refused -----------------------------------------------------------------------------------
@pytest.mark.parametrize(("method", "address", "body", "kind"), ADDRESSES)
def test_without_the_scope_known_and_unknown_ids_are_refused_in_the_same_words(
    method: str, address: str, body: Any, kind: str
) -> None:
    for subject_kind, subject in ((SubjectKind.USER, USER), (SubjectKind.ORGANIZATION, ACME)):
        grant(subject_kind, subject)
    other = issue_key(name="app", scopes=["ingest", "reports", "heartbeat"])[0]
    revoked, row = issue_key(name="old", scopes=["consent"])
    revoke_key(key=row)
    for shown, status in ((other, 403), (revoked, 401), ("cnd_unknown", 401), ("", 401)):
        answers = [
            ask(shown, method, address, body, X_User_Id=user, X_Organization_Id=organization)
            for user, organization in (("jane-4711", "acme"), ("nobody", "nothing"), ("", ""))
        ]
        assert {answer.status_code for answer in answers} == {status}
        assert len({answer.content for answer in answers}) == 1
    assert {state for _, _, state in states()} == {"granted"}


@pytest.mark.parametrize(("method", "address", "body", "kind"), ADDRESSES)
def test_a_key_of_an_organization_speaks_for_no_other_and_for_no_user(
    acme_key: str, method: str, address: str, body: Any, kind: str
) -> None:
    grant(SubjectKind.USER, USER)
    grant(SubjectKind.ORGANIZATION, pseudonym("organization", "globex"))
    before = states()

    answers = [
        ask(acme_key, method, address, body, X_User_Id=user, X_Organization_Id=organization)
        for user, organization in (("jane-4711", "globex"), ("nobody", "nothing"))
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.content for answer in answers}) == 1
    assert states() == before


def test_a_key_of_an_organization_need_not_name_it(acme_key: str) -> None:
    assert ask(acme_key, "put", "/api/consent/organization", {"state": "granted"}).status_code == 200
    assert ask(acme_key, "get", "/api/consent/organization", **OF_ACME).json()["state"] == "granted"
    assert states() == {("organization", ACME, "granted")}


def test_a_user_of_another_organization_is_refused_before_anything_is_recorded(acme_key: str) -> None:
    sent = {"state": "granted", "organization_id": "globex"}

    assert ask(acme_key, "put", "/api/consent/organization", sent).status_code == 403
    assert states() == set()


def test_known_and_unknown_subjects_are_answered_alike(key: str) -> None:
    record_decision(kind=SubjectKind.USER, subject=USER, state=State.UNSET, actor="t", method=Method.COMMAND)
    known = ask(key, "get", "/api/users/telemetry/status", **BY_USER)
    unknown = ask(key, "get", "/api/users/telemetry/status", X_User_Id="nobody")

    assert known.status_code == unknown.status_code == 200
    assert known.json().keys() == unknown.json().keys()
    assert known.json()["telemetry_enabled"] is unknown.json()["telemetry_enabled"] is False


@pytest.mark.parametrize("method", ["post", "delete", "patch", "options"])
def test_other_methods_are_405(key: str, method: str) -> None:
    assert ask(key, method, "/api/consent/user", {"state": "granted"}, **BY_USER).status_code == 405
    assert states() == set()


# --- Rate limits, and what happens when Redis or a database is away -----------------------------------
def test_more_than_a_key_may_ask_is_429_and_another_key_is_not_held_up(key: str, settings: Settings) -> None:
    settings.CONSENT_REQUESTS_PER_SECOND = 1
    other = issue_key(name="other", scopes=["consent"])[0]

    answers = [ask(key, "get", "/api/consent/user", **BY_USER) for _ in range(15)]

    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 5  # 5 a window, and at most one new window begins meanwhile
    assert 1 <= int(refused[0]["Retry-After"]) <= 5
    assert ask(other, "get", "/api/consent/user", **BY_USER).status_code == 200


def test_a_keys_own_limit_goes_before_the_settings(key: str, settings: Settings) -> None:
    settings.CONSENT_REQUESTS_PER_SECOND = 1
    Key.objects.update(requests_per_second=0)

    assert {ask(key, "get", "/api/consent/user", **BY_USER).status_code for _ in range(15)} == {200}


def test_without_redis_nobody_is_limited_and_the_log_says_so(
    key: str, settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CONSENT_REQUESTS_PER_SECOND = 1
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(rate_limits, "_complained_at", float("-inf"))

    assert {ask(key, "get", "/api/consent/user", **BY_USER).status_code for _ in range(15)} == {200}
    assert [record.message for record in caplog.records] == [
        "Redis does not answer (ConnectionError): consent and privacy requests and sign-ins are not limited"
    ]


def test_redis_learns_no_pseudonym(key: str, settings: Settings) -> None:
    ask(key, "get", "/api/consent/user", **BY_USER)
    rate_limits.spend(f"own page {USER}", most=5, seconds=60)

    names = [name.decode() for name in redis.Redis.from_url(settings.REDIS_URL).keys("candid:limit:*")]
    assert names
    assert not any(USER in name for name in names)


def test_a_withdrawal_that_is_not_certain_is_503_and_denied(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a sender that has read the earlier state has not ended, the withdrawal is not certain."""
    monkeypatch.setattr("consent.gate.barrier.WAIT", "100ms")
    grant(SubjectKind.USER, USER)
    with connections["analytics"].copy().cursor() as sender:
        sender.execute("BEGIN")
        sender.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", [LOCK_SPACE, bucket(USER)])

        answers = [ask(key, "put", "/api/users/telemetry/disable", **BY_USER) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [503, 503]
        assert answers[0]["Retry-After"] == "2"
        assert answers[0].json()["error"] == {
            "code": "not_certain",
            "message": "recorded, but events in flight could not be ruled out; send the same request again",
        }
        assert states() == {("user", USER, "denied")}
        assert ask(key, "get", "/api/consent/user", **BY_USER).json()["telemetry_enabled"] is False
        sender.execute("ROLLBACK")
        sender.connection.close()
    again = ask(key, "put", "/api/users/telemetry/disable", **BY_USER)
    assert (again.status_code, again.json()["telemetry_enabled"]) == (200, False)
    assert Decision.objects.filter(state="denied").count() == 1


# --- Policies and receipts ----------------------------------------------------------------------------


@pytest.fixture
def collect_more(settings: Settings, tmp_path: Path) -> Callable[[], None]:
    """A function that publishes a policy by which more is collected than before."""

    def publish() -> None:
        declare(settings, tmp_path, MORE)
        publishing.publish(actor="tests")

    activation.bring_in(actor="tests")
    return publish


def test_a_grant_ends_with_a_material_change_and_may_be_given_again(
    key: str, collect_more: Callable[[], None]
) -> None:
    ask(key, "put", "/api/consent/user", {"state": "granted"}, **BY_USER)
    collect_more()

    stale = ask(key, "get", "/api/consent/user", **BY_USER).json()
    assert (stale["state"], stale["is_stale"], stale["telemetry_enabled"]) == ("granted", True, False)
    assert ask(key, "get", "/api/users/telemetry/status", **BY_USER).json()["telemetry_enabled"] is False

    again = ask(key, "put", "/api/consent/user", {"state": "granted"}, **BY_USER).json()
    assert (again["changed"], again["is_stale"], again["telemetry_enabled"]) == (True, False, True)
    assert again["policy_version"] == in_force().policy_version


def test_a_grant_to_a_version_that_is_no_longer_enough_is_refused(
    key: str, collect_more: Callable[[], None]
) -> None:
    shown = in_force().policy_version
    collect_more()
    before = states()

    for version in (shown, "none-such"):
        sent = {"state": "granted", "policy_version": version}
        assert ask(key, "put", "/api/consent/user", sent, **BY_USER).status_code == 409
    assert states() == before
    sent = {"state": "granted", "policy_version": in_force().policy_version}
    assert ask(key, "put", "/api/consent/user", sent, **BY_USER).status_code == 200


@pytest.mark.parametrize("version", [7, True, None, "x" * 41, ["1"]])
def test_a_version_that_is_none_is_an_error(key: str, version: Any) -> None:
    sent = {"state": "granted", "policy_version": version}

    assert ask(key, "put", "/api/consent/user", sent, **BY_USER).status_code == 400
    assert states() == set()


RECEIPT = "/api/consent/receipt"


def test_a_receipt_tells_what_was_decided_and_by_which_policy(key: str) -> None:
    ask(key, "put", "/api/consent/user", {"state": "granted"}, **BY_USER)
    ask(key, "put", "/api/consent/user", {"state": "denied"}, **BY_USER)

    receipt = ask(key, "get", RECEIPT, **BY_USER).json()

    assert (receipt["pii_principal_id"], receipt["consent_state"]) == (USER, "denied")
    assert [event["event_state"] for event in receipt["events"]] == ["consent given", "consent withdrawn"]
    assert "jane" not in json.dumps(receipt)


def test_somebody_unknown_gets_a_receipt_without_events(key: str) -> None:
    receipt = ask(key, "get", RECEIPT, X_Organization_Id="nothing").json()

    assert (receipt["pii_principal_kind"], receipt["events"]) == ("organization", [])


def test_a_receipt_is_about_one_subject_that_is_named(key: str, acme_key: str) -> None:
    assert ask(key, "get", RECEIPT).status_code == 400
    assert ask(key, "get", RECEIPT, **BY_USER, **OF_ACME).status_code == 400
    assert ask(acme_key, "get", RECEIPT).status_code == 400
    assert ask(acme_key, "get", RECEIPT, **OF_ACME).json()["pii_principal_id"] == ACME


def test_a_receipt_of_others_is_refused_in_the_same_words(key: str, acme_key: str) -> None:
    grant(SubjectKind.USER, USER)
    grant(SubjectKind.ORGANIZATION, pseudonym("organization", "globex"))
    other = issue_key(name="app", scopes=["ingest"])[0]
    for shown in (acme_key, other):
        for header in ("X-User-Id", "X-Organization-Id"):
            names = ("jane-4711", "globex", "nobody")
            answers = [ask(shown, "get", RECEIPT, **{header: name}) for name in names]
            assert {answer.status_code for answer in answers} == {403}
            assert len({answer.content for answer in answers}) == 1


# --- Links and documentation -------------------------------------------------------------------------
def test_a_link_holds_no_raw_id_and_is_made_for_anybody(key: str, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://telemetry.example.com"
    answer = ask(key, "post", "/api/consent/link", {"valid": "12h"}, X_User_Id="nobody-knows")

    link = answer.json()["link"]
    assert link.startswith("https://telemetry.example.com/privacy/mine/")
    assert "nobody" not in link
    assert answer.json()["expires_at"].endswith("Z")


@pytest.mark.parametrize("valid", ["", "7", "0d", "31d", "-1d", "7w", None, 7, "99999h"])
def test_a_link_is_not_made_for_ever(key: str, valid: Any) -> None:
    answer = ask(key, "post", "/api/consent/link", {"valid": valid}, **BY_USER)

    assert (answer.status_code, answer.json()["error"]["parameter"]) == (400, "valid")


def test_the_schema_holds_every_address_once() -> None:
    schema = json.loads(Client().get("/api/schema/", {"format": "json"}).content)
    operations = [one["operationId"] for path in schema["paths"].values() for one in path.values()]

    expected = {
        (method, address) for method, address, _, _ in ADDRESSES if not address.startswith("/api/config")
    }
    assert expected <= {(method, path) for path, methods in schema["paths"].items() for method in methods}
    assert len(operations) == len(set(operations))
    put = schema["paths"]["/api/consent/user"]["put"]
    assert {one["name"] for one in put["parameters"]} == {"X-User-Id", "X-Organization-Id"}
    assert put["security"]
    assert {"400", "403", "409", "429", "503"} <= set(put["responses"])


def test_the_schema_is_made_without_warnings(tmp_path: Path) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", file=str(tmp_path / "schema.yaml"))


def test_an_id_may_have_1024_characters(key: str) -> None:
    sent = {"state": "granted", "user_id": "x" * 1024}
    assert ask(key, "put", "/api/consent/user", sent).status_code == 200
    assert states() == {("user", pseudonym("user", "x" * 1024), "granted")}


@pytest.mark.parametrize("version", ["77", "no version!", "1\0", "\ud800", "x" * 40])
def test_a_version_that_there_is_not_is_refused_whatever_it_holds(key: str, version: str) -> None:
    """PostgreSQL must not be asked about a NUL or half a surrogate: that would end in a 503 or a 500."""
    body = {"state": "granted", "policy_version": version}
    answer = ask(key, "put", "/api/consent/user", body, **BY_USER)

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "refused")
    assert states() == set()


def test_periods_are_unchanged_by_what_is_said_again(key: str) -> None:
    grant(SubjectKind.USER, USER)
    period = ConsentPeriod.objects.get()
    ask(key, "put", "/api/users/telemetry/enable", **BY_USER)

    assert ConsentPeriod.objects.get().since == period.since


def test_a_refused_organization_beside_a_user_leaves_the_users_choice_unrecorded(key: str) -> None:
    two = {"state": "granted", "organization_id": "others"}
    answer = ask(key, "put", "/api/consent/user", two, **BY_USER, **OF_ACME)
    assert answer.status_code == 400, answer.text
    assert not Decision.objects.exists()
