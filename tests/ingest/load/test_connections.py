"""Database connections of a pool's thread: which are kept, and which are opened again."""

from types import SimpleNamespace

import psycopg
import pytest
from django.db import connections, transaction

from ingest.load import connections as kept

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock in seconds that the test moves on; both connections worked just now."""
    now = [1000.0]
    monkeypatch.setattr(kept, "time", SimpleNamespace(monotonic=lambda: now[0]))
    for connection in connections.all():
        connection.ensure_connection()
        connection.close_at = None
    kept.freshen()
    return now


def backends() -> list[psycopg.Connection | None]:
    return [connections[alias].connection for alias in ("default", "analytics")]


def end(alias: str) -> None:
    """End a connection from the server's side."""
    with psycopg.connect(**connections[alias].get_connection_params(), autocommit=True) as other:
        pid = connections[alias].connection.info.backend_pid
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_good_connections_are_kept(clock: list[float]) -> None:
    before = backends()
    for seconds in (0, 1, 100):
        clock[0] += seconds
        kept.freshen()
    assert backends() == before
    assert None not in before


@pytest.mark.parametrize("alias", ["default", "analytics"])
def test_one_that_broke_while_it_was_idle_is_closed_and_the_other_kept(
    clock: list[float], alias: str
) -> None:
    other = "analytics" if alias == "default" else "default"
    before = connections[other].connection
    end(alias)
    clock[0] += 1.0
    kept.freshen()
    assert connections[alias].connection is not None  # it was seen to work within the second
    clock[0] += 1.1
    kept.freshen()
    assert (connections[alias].connection, connections[other].connection) == (None, before)


def test_one_that_failed_is_looked_at_at_once(clock: list[float]) -> None:
    end("default")
    connections["default"].errors_occurred = True
    connections["analytics"].errors_occurred = True
    before = connections["analytics"].connection
    kept.freshen()
    assert (connections["default"].connection, connections["analytics"].connection) == (None, before)
    assert not connections["analytics"].errors_occurred


def test_one_past_its_age_is_closed(clock: list[float]) -> None:
    connections["default"].close_at = clock[0]
    connections["analytics"].close_at = clock[0] + 0.1
    before = connections["analytics"].connection
    kept.freshen()
    assert (connections["default"].connection, connections["analytics"].connection) == (None, before)
    connections["analytics"].close_at = None


def test_one_within_a_transaction_is_left_alone(clock: list[float]) -> None:
    with transaction.atomic(using="default"):
        connections["default"].close_at = clock[0]
        before = connections["default"].connection
        kept.freshen()
        assert connections["default"].connection is before
