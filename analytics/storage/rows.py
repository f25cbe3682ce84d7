"""Events on their way into the tables: a row of an event table, or a base event of an installation.

Ingest makes them, `store.py` writes them. `event_tables.py` compares the columns named here with the models.
"""

from datetime import datetime
from typing import Any, NamedTuple


class Row(NamedTuple):
    """One event for an event table; `metadata` and `names` are already scrubbed."""

    table: str  # a key of TABLES: 'activity', 'endpoint' or 'feature'
    id: bytes  # the 16 bytes of a UUID
    timestamp: int  # microseconds since 1970 UTC
    user: str  # pseudonym of the user whose consent is asked for, '' when the event names none
    user_id: str  # what is stored: the pseudonym, or 'anon:…'
    organization_id: str  # pseudonym or ''
    deployment_type: str
    is_internal: bool
    metadata: dict[str, Any]
    names: tuple[Any, ...]  # the table's own columns, in the order of OWN_COLUMNS
    do_not_track: bool
    session: str = ""  # pseudonym, as that of the installation: not stored, but linked to the user
    installation: str = ""


class ActivityColumns(NamedTuple):
    """`Row.names` of a sign-in, a session or something else that a person did."""

    event_type: str
    session_id: str


class EndpointColumns(NamedTuple):
    """`Row.names` of a request."""

    endpoint: str
    method: str
    status_code: int | None
    duration_ms: float | None


class FeatureColumns(NamedTuple):
    """`Row.names` of a use of a feature."""

    feature_name: str
    action: str


OWN_COLUMNS: dict[str, tuple[str, ...]] = {
    "activity": ActivityColumns._fields,
    "endpoint": EndpointColumns._fields,
    "feature": FeatureColumns._fields,
}


class BaseEvent(NamedTuple):
    """One `base_telemetry.*` event. `facts` are columns of `Installation`, already checked."""

    id: bytes  # the 16 bytes of a UUID
    name: str  # 'first_seen' or 'heartbeat'
    timestamp: datetime
    installation: str  # pseudonym
    facts: dict[str, str]
    do_not_track: bool
