"""Keys through the front door of `authenticate`: shown once, stored as a digest, revocable."""

import base64

import pytest
from django.core.management import call_command
from django.utils import timezone

from consent.keys import KeyRefused, authenticate, issue_key, note_use, revoke_key
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
