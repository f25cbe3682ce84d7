"""Writing base events: one row for each installation, and one for each event, so that it counts once."""

import uuid
from collections.abc import Iterable
from typing import Any

import psycopg

from analytics.models import Installation
from analytics.storage.rows import BaseEvent

KEPT_BY_THE_STORE = ("id", "pseudonym", "first_seen_at", "last_seen_at")
FACTS = [
    field.name for field in Installation._meta.concrete_fields if field.name not in KEPT_BY_THE_STORE
]  # what an installation reports about itself
_NEWEST = "{0} = CASE WHEN excluded.last_seen_at >= known.last_seen_at THEN excluded.{0} ELSE known.{0} END"

# The newest event's facts win; first and last seen only ever widen, so order and repetition do not matter.
UPSERT = f"""
WITH installation AS (
    INSERT INTO analytics_installation AS known
           (pseudonym, {", ".join(FACTS)}, first_seen_at, last_seen_at)
    VALUES (%(pseudonym)s, {", ".join(f"%({fact})s" for fact in FACTS)}, %(at)s, %(at)s)
    ON CONFLICT (pseudonym) DO UPDATE SET
           {", ".join(map(_NEWEST.format, FACTS))},
           first_seen_at = least(known.first_seen_at, excluded.first_seen_at),
           last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at)
    RETURNING id
), inserted AS (
    INSERT INTO analytics_installationevent (id, installation_id, name, "timestamp", received_at)
    SELECT %(id)s, installation.id, %(name)s, %(at)s, now() FROM installation
    ON CONFLICT DO NOTHING RETURNING 1
)
SELECT count(*) FROM inserted
"""


def write_base_events(connection: psycopg.Connection[Any], base_events: Iterable[BaseEvent]) -> int:
    """Write the base events that are not stored yet, in the open transaction; returns how many."""
    cursor = psycopg.Cursor(connection)
    return sum(cursor.execute(UPSERT, _parameters(event)).fetchall()[0][0] for event in base_events)


def _parameters(event: BaseEvent) -> dict[str, Any]:
    facts = {fact: event.facts.get(fact, "") for fact in FACTS}
    facts["deployment_type"] = facts["deployment_type"] or "unknown"
    return {
        "pseudonym": event.installation,
        "id": uuid.UUID(bytes=event.id),
        "name": event.name,
        "at": event.timestamp,
        **facts,
    }
