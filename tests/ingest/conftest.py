"""For every test of ingest: no background thread, and nothing left in memory by another test."""

import pytest
from django.db import connections

from ingest.http import cors
from ingest.mapping.name_limits import known_names
from ingest.traffic import counting


@pytest.fixture(autouse=True)
def _quiet_ingest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts are written when a test asks for it, not by the thread; caches are empty."""
    monkeypatch.setattr(counting, "_ensure_started", lambda: None)
    counting._waiting.clear()
    known_names.forget()
    monkeypatch.setattr(cors, "_publishable", cors._PublishableOrigins())


@pytest.fixture
def rolled_back(db: None) -> None:
    """Keep the store's transactions inside the test's: psycopg would commit those that it began itself."""
    connections["analytics"].cursor().execute("SELECT 1")
