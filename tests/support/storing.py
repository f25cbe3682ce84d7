"""Stores events as ingest does, but without mapping: admitted rows are written as they are."""

from collections.abc import Sequence

from analytics.storage.rows import BaseEvent, Row
from analytics.storage.store import Receipt, Storing


def store(rows: Sequence[Row], base_events: Sequence[BaseEvent] = (), *, registry: str = "") -> Receipt:
    """Store the events that consent admits."""
    storing = Storing(rows, base_events, registry=registry)
    for number, attempt in enumerate(storing.attempts()):
        assert number < 1000, "there is no end of attempts"
        with attempt:
            attempt.write(attempt.admit())
    return storing.receipt
