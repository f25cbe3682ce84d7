"""One form of error for the consent, privacy and report APIs, byte for byte."""

import pytest
from django.test import Client
from django.urls import resolve

from consent.api.base import NOTE_USE_EVERY, per_window
from consent.keys import issue_key
from consent.models import Key
from tests.consent.api.test_api import ask
from tests.support.second_connection import connection_ended

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("unspent")]

NO_KEY = (
    b'{"error":{"code":"no_key","message":'
    b"\"no key: send it as 'Authorization: Bearer KEY' or 'x-api-key: KEY'\"}}"
)
WRONG_SCOPE = b'{"error":{"code":"wrong_scope","message":"this key does not have the scope \'consent\'"}}'
NO_SUBJECT = (
    '{"error":{"code":"no_subject","message":"no user: name it in the header X-User-Id or as “user_id”",'
    '"parameter":"user_id"}}'
).encode()
NOT_FOUND = b'{"error":{"code":"not_found","message":"there is no such erasure that this key may see"}}'
PRIVACY = "/api/privacy/erasure/00000000-0000-0000-0000-000000000007"


@pytest.mark.parametrize(("method", "address"), [("get", "/api/consent/user"), ("get", PRIVACY)])
def test_the_consent_and_privacy_apis(method: str, address: str) -> None:
    assert ask("", method, address).content == NO_KEY
    assert ask("", method, address)["WWW-Authenticate"] == 'Bearer realm="Candid"'
    wrong = ask(issue_key(name="app", scopes=["reports"])[0], method, address)
    assert (wrong.content, "WWW-Authenticate" in wrong) == (WRONG_SCOPE, False)
    key = issue_key(name="app", scopes=["consent"])[0]
    assert ask(key, method, address).content == (NO_SUBJECT if "consent" in address else NOT_FOUND)


def test_the_report_api() -> None:
    def get(address: str, **headers: str) -> bytes:
        return Client().get(address, headers=headers).content

    reports = "/api/reports/retention"
    assert get(reports) == (
        b'{"error":{"code":"not_authenticated","message":"Authentication credentials were not provided."}}'
    )
    shown = {"x-api-key": issue_key(name="reader", scopes=["reports"])[0]}
    assert get(f"{reports}?range=never", **shown).startswith(b'{"error":{"code":"bad_parameter","message":"')
    assert get(f"{reports}?range=never", **shown).endswith(b',"parameter":"range"}}')
    assert b'parameter":' not in get(f"{reports}?nonsense=1", **shown)


def test_a_method_that_is_not_known_is_an_error_of_the_same_form() -> None:
    key = issue_key(name="app", scopes=["consent"])[0]
    answer = ask(key, "delete", "/api/consent/user")
    expected = {"code": "method_not_allowed", "message": 'Method "DELETE" not allowed.'}
    assert (answer.status_code, answer.json()) == (405, {"error": expected})


# --- A database that is really away -----------------------------------------------------------------
def test_a_database_that_is_away_is_503_and_says_nothing_of_it(caplog: pytest.LogCaptureFixture) -> None:
    key = issue_key(name="app", scopes=["consent"])[0]
    with connection_ended("default"):
        answer = ask(key, "put", "/api/consent/user", {"state": "granted"}, X_User_Id="jane-4711")

    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert answer.json()["error"]["code"] == "unavailable"
    assert [record.message for record in caplog.records if record.name == "consent.api.base"] == [
        "the consent API is unavailable: OperationalError"
    ]
    assert "jane" not in answer.content.decode() + caplog.text
    again = ask(key, "put", "/api/consent/user", {"state": "granted"}, X_User_Id="jane-4711")
    assert (again.status_code, again.json()["changed"]) == (200, True)


def test_a_withdrawal_without_the_analytics_database_is_recorded_and_not_certain() -> None:
    key = issue_key(name="app", scopes=["consent"])[0]
    with connection_ended("analytics"):
        answer = ask(key, "put", "/api/users/telemetry/disable", X_User_Id="jane-4711")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_certain")
    assert ask(key, "get", "/api/consent/user", X_User_Id="jane-4711").json()["state"] == "denied"
    again = ask(key, "put", "/api/users/telemetry/disable", X_User_Id="jane-4711").json()
    assert again["message"] == "opted out before; nothing changed"


# --- Keys and bodies --------------------------------------------------------------------------------
def test_a_body_of_the_very_size_is_read_and_one_byte_more_is_not() -> None:
    key = issue_key(name="app", scopes=["consent"])[0]
    body = b'{"state": "granted", "user_id": "jane"}'
    for more, status in ((0, 200), (1, 413)):
        sent = body.ljust(64 * 1024 + more)
        assert ask(key, "put", "/api/consent/user", sent).status_code == status


def test_that_a_key_is_used_is_noted_once_a_minute() -> None:
    text, key = issue_key(name="app", scopes=["consent"])
    ask(text, "get", "/api/consent/user", X_User_Id="jane")
    key.refresh_from_db()
    first = key.last_used_at
    assert first is not None
    ask(text, "get", "/api/consent/user", X_User_Id="jane")
    assert Key.objects.get().last_used_at == first
    Key.objects.update(last_used_at=first - NOTE_USE_EVERY)
    ask(text, "get", "/api/consent/user", X_User_Id="jane")
    assert Key.objects.get().last_used_at > first


@pytest.mark.parametrize(("own", "setting", "limit"), [(None, 20, 100), (0, 20, 0), (3, 20, 15), (3, 0, 15)])
def test_what_a_key_may_ask_in_a_window(settings, own, setting, limit) -> None:
    settings.CONSENT_REQUESTS_PER_SECOND = setting
    assert per_window(Key(requests_per_second=own)) == limit


def test_each_kind_of_privacy_request_is_counted_by_itself_for_each_key() -> None:
    def counted(address: str, key: int) -> str:
        view = resolve(address).func.view_class()
        view.key = Key(pk=key)
        return str(view._counted_as())

    addresses = ("/api/privacy/export", "/api/privacy/erasure", PRIVACY, "/api/consent/user")
    assert len({counted(address, key) for address in addresses for key in (1, 2)}) == 8
    assert counted("/api/consent/user", 1) == counted("/api/consent/organization", 1)
