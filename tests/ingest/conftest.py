"""For every test of ingest: no background thread, no names left in memory by another test."""

import pytest

from ingest import traffic
from ingest.names import known_names


@pytest.fixture(autouse=True)
def _quiet_ingest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts are written when a test says so, not by the thread; memories of names are empty."""
    monkeypatch.setattr(traffic, "_ensure_started", lambda: None)
    traffic._waiting.counts.clear()
    traffic._waiting.used.clear()
    known_names.forget()
