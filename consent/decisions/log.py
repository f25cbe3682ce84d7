"""The decision log: append-only, each record sealed.

The database refuses UPDATE, DELETE and TRUNCATE (migration 0003). An owner of the tables could switch that
off and change records; the seals (`seals.py`) give this away when the log is verified (`verification.py`).
Appends take turns: each locks the head's one row until its commit.
"""

import logging
from datetime import datetime
from typing import Any

from django.db import connections
from django.utils import timezone

from consent.decisions import seals
from consent.models import Decision, Level, Method, State, SubjectKind

logger = logging.getLogger(__name__)

LOCK_HEAD = "SELECT count, digest, signature FROM consent_decisionhead WHERE id = 1 FOR UPDATE"
LAST = "SELECT number, digest FROM consent_decision ORDER BY number DESC LIMIT 1"
# A lost head is made again from the last record, but stays unsigned.
MAKE_HEAD = """
INSERT INTO consent_decisionhead (id, count, digest, signature) VALUES (1, %s, %s, %s) ON CONFLICT DO NOTHING
"""
COLUMNS = (*seals.SEALED, "previous", "digest")
APPEND = f"""
WITH added AS (
    INSERT INTO consent_decision ({", ".join(COLUMNS)}) VALUES ({", ".join(["%s"] * len(COLUMNS))})
    ON CONFLICT (number) DO NOTHING RETURNING id
), moved AS (
    UPDATE consent_decisionhead SET count = %s, digest = %s, signature = %s
     WHERE id = 1 AND EXISTS (SELECT FROM added)
)
SELECT id FROM added
"""


def append(
    *,
    kind: SubjectKind,
    subject: str,
    state: State,
    level: Level,
    policy_version: str,
    actor: str,
    method: Method,
    reason: str,
    effective_at: datetime,
) -> Decision:
    """Add a record in the open transaction. Call it late: others wait for the head until the commit.

    A log that was tampered with still takes records, because withdrawals must be possible. But its head
    stays unsigned from then on, so that no later record hides the tampering.
    """
    content = (kind, subject, state, level, policy_version, actor, method, reason, effective_at)
    with connections["default"].cursor() as cursor:
        count, digest, is_sound = _locked_head(cursor)
        decision = _insert(cursor, count, digest, content, sign=is_sound)
        if decision is None:  # a record that we did not write has this number
            is_sound = False
            decision = _insert(cursor, *_last(cursor), content, sign=False)
    if not is_sound:
        logger.error("the consent log was tampered with: run manage.py verify_consent_log")
    if decision is None:
        raise RuntimeError("the consent log's head is locked, yet another record was added")
    return decision


def begin() -> None:
    """Create the signed head of an empty log; once, when the tables are created."""
    with connections["default"].cursor() as cursor:
        cursor.execute(MAKE_HEAD, [0, seals.START, seals.signature(0, seals.START)])


def _locked_head(cursor: Any) -> tuple[int, str, bool]:
    """The log's length and last seal, and whether the head's signature holds.

    If it does not, length and seal are taken from the last record.
    """
    cursor.execute(LOCK_HEAD)
    head = cursor.fetchone()
    if head is None:
        cursor.execute(MAKE_HEAD, [*_last(cursor), ""])
        cursor.execute(LOCK_HEAD)
        head = cursor.fetchone()
    if seals.is_signed(*head):
        return head[0], head[1], True
    return *_last(cursor), False


def _last(cursor: Any) -> tuple[int, str]:
    cursor.execute(LAST)
    number, digest = cursor.fetchone() or (0, seals.START)
    return number, digest


def _insert(
    cursor: Any, count: int, previous: str, content: tuple[Any, ...], *, sign: bool
) -> Decision | None:
    """Add the record after number `count`, and move the head. None when that number is taken."""
    number = count + 1
    record = (number, *(str(value) if isinstance(value, str) else value for value in content), timezone.now())
    digest = seals.seal(previous, record)
    signature = seals.signature(number, digest) if sign else ""
    cursor.execute(APPEND, [*record, previous, digest, number, digest, signature])
    row = cursor.fetchone()
    if row is None:
        return None
    fields: dict[str, Any] = dict(zip(COLUMNS, (*record, previous, digest), strict=True))
    decision = Decision(pk=row[0], **fields)
    decision._state.adding, decision._state.db = False, "default"
    return decision
