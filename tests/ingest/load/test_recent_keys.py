"""Keys that are known from a moment ago."""

import pytest

from consent.models import Key
from ingest.load import recent_keys


def test_the_key_that_was_shown_last_is_the_last_to_be_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_keys, "MOST_KNOWN", 2)
    keys = recent_keys.RecentKeys()
    for name in ("a", "b", "a", "c"):
        keys.add({"x-api-key": name}, Key(name=name))
    found = [keys.get({"x-api-key": name}) for name in ("a", "b", "c")]
    assert [key and key.name for key in found] == ["a", None, "c"]
