"""The consent gate: reads from the database, anew for each request, which events may be stored.

`analytics/storage/store.py` calls it inside its transaction, after taking the barrier's locks (`barrier.py`).
The gate reads in a later statement of its own, so it sees every withdrawal that has been answered.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from django.db import connections
from psycopg.pq.abc import PGresult

from consent.gate.permissions import Permissions, Registered
from consent.gate.rules import StatePeriod, with_stale
from consent.gate.switches import switches
from consent.models import InForce, State
from postgres.binary import moment, text_array
from postgres.pipeline import Statement, ask

# Everything the rules ask about the subjects of one request, in one round trip.
SUBJECTS = Statement(
    """
SELECT 'user', subject, state, since, until, NULL::text, false
  FROM consent_consentperiod WHERE subject = ANY($1) AND subject_kind = 'user' AND NOT is_superseded
UNION ALL
SELECT 'organization', subject, state, since, until, NULL::text, false
  FROM consent_consentperiod WHERE subject = ANY($2) AND subject_kind = 'organization' AND NOT is_superseded
UNION ALL
SELECT 'registered', pseudonym, NULL, notice_since, NULL, deployment_type, is_internal
  FROM consent_organization WHERE pseudonym = ANY($2)
UNION ALL
SELECT 'tombstone', subject, NULL, until, NULL, NULL, false
  FROM consent_tombstone WHERE subject = ANY($1 || $2)
UNION ALL
SELECT 'in_force', registry_digest, NULL, material_since, NULL, NULL, undecided_kept FROM consent_inforce
""",
    "text[]",
    "text[]",
)
_STATES = {state.value: state for state in State}


def read_permissions(users: Collection[str], organizations: Collection[str], now: datetime) -> Permissions:
    """Read what the rules need for these pseudonyms: one query on the operational database.

    `users` may hold `anon:` forms too: they have no decisions, but may have been erased. Before an event of
    an undecided subject is stored for the first time, the database is told that there may be such events
    (`policies/in_force.py: were_undecided_kept`).
    """
    reading = _read(users, organizations)
    if not reading.undecided_kept and switches().keep_undecided:
        InForce.objects.update(undecided_kept=True)
        return read_permissions(users, organizations, now)  # this update waited for denials under way
    return Permissions(
        reading.up_to_date(b"user"),
        reading.up_to_date(b"organization"),
        reading.registered,
        now,
        material_since=reading.material_since,
        registry_digest=reading.registry_digest,
        tombstones=reading.tombstones,
    )


@dataclass
class _Reading:
    """The rows of `SUBJECTS`, by what they are about."""

    periods: dict[bytes, dict[str, list[StatePeriod]]] = field(
        default_factory=lambda: {b"user": {}, b"organization": {}}
    )
    registered: dict[str, Registered] = field(default_factory=dict)
    tombstones: dict[str, datetime] = field(default_factory=dict)
    registry_digest: str = ""
    material_since: datetime | None = None
    undecided_kept: bool = True

    def up_to_date(self, kind: bytes) -> dict[str, list[StatePeriod]]:
        """The periods of this kind of subject, with a material change that has not reached the rows yet."""
        if self.material_since is None:
            return self.periods[kind]
        return {
            subject: with_stale(periods, self.material_since)
            for subject, periods in self.periods[kind].items()
        }


def _read(users: Collection[str], organizations: Collection[str]) -> _Reading:
    default = connections["default"]
    default.ensure_connection()
    (rows,) = ask(default.connection, (SUBJECTS, (text_array(users), text_array(organizations))))
    reading = _Reading()
    for row in range(rows.ntuples):
        _add(reading, rows, row)
    return reading


def _add(reading: _Reading, rows: PGresult, row: int) -> None:
    value = rows.get_value
    kind, name, since = value(row, 0) or b"", (value(row, 1) or b"").decode(), value(row, 3)
    if kind in reading.periods:
        period = _period(value(row, 2) or b"", since or b"", value(row, 4))
        reading.periods[kind].setdefault(name, []).append(period)
    elif kind == b"tombstone":
        until = moment(since or b"")
        reading.tombstones[name] = max(until, reading.tombstones.get(name, until))
    elif kind == b"in_force":
        reading.registry_digest = name
        reading.material_since = moment(since) if since else None
        reading.undecided_kept = value(row, 6) == b"\1"
    else:
        deployment_type, is_internal = (value(row, 5) or b"").decode(), value(row, 6) == b"\1"
        notice_since = moment(since) if since else None
        reading.registered[name] = Registered(deployment_type, is_internal, notice_since)


@lru_cache(maxsize=16384)
def _period(state: bytes, since: bytes, until: bytes | None) -> StatePeriod:
    return StatePeriod(_STATES[state.decode()], moment(since), moment(until) if until else None)
