"""The keys that a process caches: a cached key is used only while its row stays as it is."""

import pytest
from django.db import OperationalError
from django.utils import timezone

from consent.keys import KeyRefused, authenticate, issue_key, publishable_origins, revoke_key
from consent.keys import authentication as keys
from consent.models import Key
from tests.support.second_connection import connection_ended

pytestmark = pytest.mark.django_db(transaction=True)  # a row's version changes with its transaction

ORIGIN, OTHER = "https://app.example", "https://other.example"


def allowed(text: str, scope: str = "ingest", origin: str = ORIGIN) -> bool:
    try:
        authenticate({"x-api-key": text, "origin": origin}, scope)
    except KeyRefused:
        return False
    return True


def test_other_scopes_hold_from_the_next_request_on() -> None:
    text, _ = issue_key(name="app", scopes=["ingest"])
    assert (allowed(text), allowed(text, "reports")) == (True, False)
    Key.objects.update(scopes=["reports"])
    assert (allowed(text), allowed(text, "reports")) == (False, True)


def test_other_origins_hold_from_the_next_request_on() -> None:
    text, _ = issue_key(name="page", scopes=["ingest"], origins=[ORIGIN])
    assert (allowed(text), allowed(text, origin=OTHER)) == (True, False)
    Key.objects.update(origins=[OTHER])
    assert (allowed(text), allowed(text, origin=OTHER)) == (False, True)


def test_another_rate_holds_from_the_next_request_on() -> None:
    text, _ = issue_key(name="app", scopes=["ingest"])
    assert authenticate({"x-api-key": text}, "ingest").requests_per_second is None
    Key.objects.update(requests_per_second=7)
    assert authenticate({"x-api-key": text}, "ingest").requests_per_second == 7


def test_a_key_that_is_remembered_is_revoked_all_the_same() -> None:
    text, key = issue_key(name="app", scopes=["ingest"])
    assert allowed(text)
    revoke_key(key=key)
    assert not allowed(text)
    first = Key.objects.get().revoked_at
    revoke_key(key=key)
    assert Key.objects.get().revoked_at == first


def test_a_key_whose_row_is_as_it_was_is_not_read_again() -> None:
    text, _ = issue_key(name="app", scopes=["ingest"])
    assert authenticate({"x-api-key": text}, "ingest") is authenticate({"x-api-key": text}, "ingest")


def test_only_so_many_keys_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MAX_CACHED", 2)
    monkeypatch.setattr(keys, "_cache", {})
    for text, _ in [issue_key(name="app", scopes=["ingest"]) for _ in range(5)]:
        assert allowed(text)
        assert 1 <= len(keys._cache) <= 2


def test_a_database_that_was_away_is_found_again() -> None:
    text, _ = issue_key(name="app", scopes=["ingest"])
    with connection_ended("default"):
        with pytest.raises(OperationalError):
            authenticate({"x-api-key": text}, "ingest")
        assert allowed(text)


def test_the_websites_of_keys_that_hold() -> None:
    issue_key(name="page", scopes=["ingest"], origins=[ORIGIN, "https://b.example"])
    issue_key(name="app", scopes=["ingest"])
    _, revoked = issue_key(name="old", scopes=["ingest"], origins=[OTHER])
    revoke_key(key=revoked)
    _, expired = issue_key(name="over", scopes=["ingest"], origins=[OTHER])
    Key.objects.filter(pk=expired.pk).update(expires_at=timezone.now())
    assert publishable_origins() == {ORIGIN, "https://b.example"}
