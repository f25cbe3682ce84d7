"""For every test of ingest: no background thread, no names left in memory by another test."""

import pytest
from django.db import connections

from ingest import traffic
from ingest.names import known_names


@pytest.fixture(autouse=True)
def _quiet_ingest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts are written when a test says so, not by the thread; memories of names are empty."""
    monkeypatch.setattr(traffic, "_ensure_started", lambda: None)
    traffic._waiting.clear()
    known_names.forget()


@pytest.fixture
def rolled_back(db: None) -> None:
    """Let a test's transaction hold the store's own: psycopg commits a transaction that it began itself."""
    connections["analytics"].cursor().execute("SELECT 1")
