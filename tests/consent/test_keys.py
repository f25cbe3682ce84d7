"""Keys, as `authenticate` accepts them: shown once, stored as a digest, revocable."""

import base64
import re
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from consent.keys import KeyRefused, authenticate, issue_key, note_use, origin_of, revoke_key
from consent.models import Key
from consent.pseudonyms import pseudonym

pytestmark = pytest.mark.django_db


def basic(password):
    return "Basic " + base64.b64encode(f"anyone:{password}".encode()).decode()


def test_a_key_is_accepted_in_each_of_the_three_places():
    text, key = issue_key(name="app", scopes=["ingest"])
    for headers in ({"authorization": f"Bearer {text}"}, {"authorization": basic(text)}, {"x-api-key": text}):
        assert authenticate(headers, "ingest") == key


def test_the_key_itself_is_not_stored():
    text, key = issue_key(name="app", scopes=["ingest"])
    row = Key.objects.filter(pk=key.pk).values().get()
    assert text not in repr(row)
    assert text[12:] not in repr(row)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer "},
        {"authorization": "Bearer cnd_" + "x" * 43},
        {"authorization": "Basic not-base64"},
        {"authorization": "Digest abc"},
        {"x-api-key": "x" * 100_000},
    ],
)
def test_anything_else_is_401(headers):
    issue_key(name="app", scopes=["ingest"])
    with pytest.raises(KeyRefused) as refusal:
        authenticate(headers, "ingest")
    assert refusal.value.status == 401


def test_a_missing_scope_is_403():
    text, _ = issue_key(name="app", scopes=["reports"])
    with pytest.raises(KeyRefused) as refusal:
        authenticate({"x-api-key": text}, "ingest")
    assert refusal.value.status == 403


def test_a_revoked_key_is_401_at_once():
    text, key = issue_key(name="app", scopes=["ingest"])
    revoke_key(key=key)
    with pytest.raises(KeyRefused) as refusal:
        authenticate({"x-api-key": text}, "ingest")
    assert refusal.value.status == 401


def test_last_used_never_moves_back():
    _, key = issue_key(name="app", scopes=["ingest"])
    later = timezone.now()
    note_use([key.pk], later)
    note_use([key.pk], later - timezone.timedelta(hours=1))
    key.refresh_from_db()
    assert key.last_used_at == later


def test_the_command_prints_only_the_key(capsys):
    call_command("issue_key", "app", scope=["ingest", "consent"], organization="acme")
    printed = capsys.readouterr().out
    key = authenticate({"x-api-key": printed.strip()}, "consent")
    assert printed == printed.strip() + "\n"
    assert key.scopes == ["consent", "ingest"]
    assert key.organization == pseudonym("organization", "acme")


def test_a_publishable_key_holds_with_its_origin_only():
    text, key = issue_key(name="page", scopes=["ingest"], origins=["https://App.example:443/"])
    assert (text[:8], key.is_publishable, key.origins) == ("cnd_pub_", True, ["https://app.example"])
    shown = {"authorization": f"Bearer {text}"}
    assert authenticate(shown | {"origin": "https://app.example"}, "ingest") == key
    for origin in ("", "https://app.example.evil.example", "null"):
        with pytest.raises(KeyRefused) as refused:
            authenticate(shown | {"origin": origin}, "ingest")
        assert (refused.value.status, refused.value.reason) == (403, "wrong_origin")


def test_any_key_can_stand_in_a_dsn():
    r"""Sentry's clients for JavaScript read `\w+` before the @, and refuse a DSN with anything else there."""
    origins = ["https://app.example"]
    texts = [issue_key(name="page", scopes=["ingest"], origins=origins)[0] for _ in range(20)]
    assert len(set(texts)) == 20
    assert [text for text in texts if not re.fullmatch(r"cnd_pub_[A-Za-z0-9]{43}", text)] == []


def test_a_publishable_key_can_only_send_events():
    with pytest.raises(ValueError, match="'ingest' only"):
        issue_key(name="page", scopes=["ingest", "reports"], origins=["https://app.example"])


@pytest.mark.parametrize(
    "text",
    [
        *("", "*", "app.example", "https://", "https://*.app.example", "https://app.example/page", "ftp://a"),
        *("https://user@app.example", "https://app.example:99999", "https://app.example?a=1", "null"),
    ],
)
def test_what_is_no_origin_is_refused(text):
    with pytest.raises(ValueError, match="is not an origin"):
        issue_key(name="page", scopes=["ingest"], origins=[text])


def test_the_command_makes_publishable_keys(capsys):
    call_command("issue_key", "page", "--publishable", "--origin", "http://localhost:3000")
    assert capsys.readouterr().out.startswith("cnd_pub_")
    assert Key.objects.get().origins == ["http://localhost:3000"]
    with pytest.raises(CommandError, match="go together"):
        call_command("issue_key", "page", "--publishable")


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("http://a.example:80", "http://a.example"),
        ("http://a.example:443", "http://a.example:443"),
        ("https://A.example:8443/", "https://a.example:8443"),
        (" https://[::1]:3000 ", "https://[::1]:3000"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(text, origin):
    assert origin_of(text) == origin


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"scopes": []}, "at least one scope"),
        ({"name": "  "}, "needs a name"),
        ({"scopes": ["everything"]}, "everything"),
    ],
)
def test_a_key_without_name_or_scope_is_not_made(fields, message):
    with pytest.raises(ValueError, match=message):
        issue_key(**{"name": "app", "scopes": ["ingest"]} | fields)
    assert not Key.objects.exists()


def test_what_is_told_of_a_key():
    text, key = issue_key(name=" " + "n" * 120, scopes=["reports", "ingest", "reports"])
    assert (len(key.name), key.scopes, key.is_publishable) == (100, ["ingest", "reports"], False)
    assert (key.hint, len(text)) == (text[:8], 47)
    page, publishable = issue_key(name="page", scopes=["ingest"], origins=["https://a.example"])
    assert publishable.hint == page[:12]


def test_a_refusal_says_which_of_them_it_is():
    text, _ = issue_key(name="app", scopes=["reports"])
    for headers, message, reason in (
        ({}, "no key: send it", "no_key"),
        ({"x-api-key": "k" * 201}, "no key: send it", "no_key"),
        ({"x-api-key": "k" * 200}, "unknown, revoked or expired", "no_key"),
        ({"x-api-key": text}, "does not have the scope 'ingest'", "wrong_scope"),
    ):
        with pytest.raises(KeyRefused, match=message) as refusal:
            authenticate(headers, "ingest")
        assert refusal.value.reason == reason


def test_a_bearers_method_is_written_in_any_case_and_goes_before_the_other_header():
    text, key = issue_key(name="app", scopes=["ingest"])
    assert authenticate({"authorization": f"BEARER  {text} ", "x-api-key": "other"}, "ingest") == key
    with pytest.raises(KeyRefused):
        authenticate({"authorization": "Bearer other", "x-api-key": text}, "ingest")


def test_a_key_that_was_never_used_is_noted_too_and_no_other():
    (_, key), (_, other) = (issue_key(name="app", scopes=["ingest"]) for _ in range(2))
    now = timezone.now()
    note_use([key.pk], now)
    key.refresh_from_db()
    other.refresh_from_db()
    assert (key.last_used_at, other.last_used_at) == (now, None)


def test_the_command_takes_no_rate_below_zero(capsys):
    with pytest.raises(CommandError, match="must be 0 or more"):
        call_command("issue_key", "app", "--requests-per-second", "-1")
    call_command("issue_key", "app", "--requests-per-second", "0")
    assert capsys.readouterr().out.startswith("cnd_")
    assert Key.objects.get().requests_per_second == 0
    assert Key.objects.get().scopes == ["ingest"]


# --- Expiry and rotation ----------------------------------------------------------------------------
def test_a_key_is_refused_once_it_has_expired(capsys):
    call_command("issue_key", "app", "--expires", "90d")
    text, key = capsys.readouterr().out.strip(), Key.objects.get()
    assert timedelta(days=89, hours=23) < key.expires_at - timezone.now() <= timedelta(days=90)
    assert authenticate({"x-api-key": text}, "ingest") == key
    Key.objects.update(expires_at=timezone.now())
    with pytest.raises(KeyRefused, match="expired") as refusal:
        authenticate({"x-api-key": text}, "ingest")
    assert refusal.value.status == 401


@pytest.mark.parametrize("expires", ["0d", "90", "90m", "3651d", "next year", "-1d"])
def test_an_expiry_that_is_none_is_refused(expires):
    with pytest.raises(CommandError, match="at most 3650d"):
        call_command("issue_key", "app", f"--expires={expires}")
    assert not Key.objects.exists()


def test_while_a_key_is_rotated_both_are_valid_and_the_first_is_revoked_by_its_id(capsys):
    for _ in range(2):
        call_command("issue_key", "app")
    first, second = capsys.readouterr().out.split()
    old, new = Key.objects.order_by("pk")
    assert [authenticate({"x-api-key": text}, "ingest") for text in (first, second)] == [old, new]
    with pytest.raises(CommandError, match=f"2 usable keys have this name: revoke by id .{old.pk}, {new.pk}"):
        call_command("revoke_key", "app")
    call_command("revoke_key", str(old.pk))
    assert capsys.readouterr().out == f"Revoked key {old.pk} (app).\n"
    with pytest.raises(KeyRefused):
        authenticate({"x-api-key": first}, "ingest")
    assert authenticate({"x-api-key": second}, "ingest") == new
    call_command("revoke_key", "app")  # the only usable one of this name by now
    with pytest.raises(KeyRefused):
        authenticate({"x-api-key": second}, "ingest")
    with pytest.raises(CommandError, match="no usable key has this name or id"):
        call_command("revoke_key", "app")


def test_keys_are_listed_with_their_state_and_without_their_text(capsys):
    texts = [issue_key(name=name, scopes=["ingest"])[0] for name in ("plain", "gone", "over")]
    revoke_key(key=Key.objects.get(name="gone"))
    Key.objects.filter(name="over").update(expires_at=timezone.now())
    call_command("list_keys")
    printed = capsys.readouterr().out
    states = {line.split()[1]: line.split("never  ")[-1].split()[0] for line in printed.splitlines()[1:]}
    assert states == {"plain": "usable", "gone": "revoked", "over": "expired"}
    assert not [text for text in texts if text in printed]
