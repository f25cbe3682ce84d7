"""Keys that were admitted a moment ago."""

from types import SimpleNamespace

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


def test_a_key_is_known_for_a_minute_by_exactly_the_headers_that_showed_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    monkeypatch.setattr(recent_keys, "time", SimpleNamespace(monotonic=lambda: now[0]))
    keys, key = recent_keys.RecentKeys(), Key(name="a")
    keys.add({"authorization": "a", "x-api-key": ""}, key)
    assert keys.get({"authorization": "a", "x-api-key": ""}) is key
    for other in ({"authorization": "", "x-api-key": "a"}, {"authorization": "a", "x-api-key": "b"}, {}):
        assert keys.get(other) is None
    now[0] += 59.9
    assert keys.get({"authorization": "a", "x-api-key": ""}) is key
    now[0] += 0.1
    assert keys.get({"authorization": "a", "x-api-key": ""}) is None
