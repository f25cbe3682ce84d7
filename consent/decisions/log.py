"""The decision log: append-only, each record sealed.

The database refuses UPDATE, DELETE and TRUNCATE (migration 0003). Who owns the tables could switch
that off; then the seals show it (`chain.py`), when the log is walked (`verification.py`). Appends
take turns at the one row of the head, which is locked for a statement and the commit.
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
# A lost head is found again only as far as the records tell, and stays unsigned.
MAKE_HEAD = """
INSERT INTO consent_decisionhead (id, count, digest, signature) VALUES (1, %s, %s, %s) ON CONFLICT DO NOTHING
"""
COLUMNS = (*seals.SEALED, "previous", "digest")
APPEND = f"""
WITH kept AS (
    INSERT INTO consent_decision ({", ".join(COLUMNS)}) VALUES ({", ".join(["%s"] * len(COLUMNS))})
    ON CONFLICT (number) DO NOTHING RETURNING id
), moved AS (
    UPDATE consent_decisionhead SET count = %s, digest = %s, signature = %s
     WHERE id = 1 AND EXISTS (SELECT FROM kept)
)
SELECT id FROM kept
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
    """Add a record, in the transaction that is open; the last statement before its commit, please.

    A log that was tampered with goes on, because a withdrawal must be possible; but its head stays
    unsigned from then on, so that no later record hides it.
    """
    with connections["default"].cursor() as cursor:
        cursor.execute(LOCK_HEAD)
        head = cursor.fetchone()
        if head is None:
            count, digest = _last(cursor)
            cursor.execute(MAKE_HEAD, [count, digest, ""])
            cursor.execute(LOCK_HEAD)
            head = cursor.fetchone()
        count, digest, signed = head
        sound = seals.is_signed(count, digest, signed)
        if not sound:
            count, digest = _last(cursor)
        content = (kind, subject, state, level, policy_version, actor, method, reason, effective_at)
        decision = _insert(cursor, count, digest, content, sound=sound)
        if decision is None:  # somebody else's record stands where ours belongs
            sound = False
            decision = _insert(cursor, *_last(cursor), content, sound=False)
    if not sound:
        logger.error("the consent log was tampered with: run manage.py verify_consent_log")
    if decision is None:
        raise RuntimeError("the consent log's head is locked, yet another record was added")
    return decision


def _last(cursor: Any) -> tuple[int, str]:
    cursor.execute(LAST)
    number, digest = cursor.fetchone() or (0, seals.START)
    return number, digest


def _insert(
    cursor: Any, count: int, previous: str, content: tuple[Any, ...], *, sound: bool
) -> Decision | None:
    number = count + 1
    record = (number, *(str(value) if isinstance(value, str) else value for value in content), timezone.now())
    digest = seals.seal(previous, record)
    signed = seals.signature(number, digest) if sound else ""
    cursor.execute(APPEND, [*record, previous, digest, number, digest, signed])
    row = cursor.fetchone()
    if row is None:
        return None
    fields: dict[str, Any] = dict(zip(COLUMNS, (*record, previous, digest), strict=True))
    decision = Decision(pk=row[0], **fields)
    decision._state.adding, decision._state.db = False, "default"
    return decision


def begin() -> None:
    """Make the signed head of an empty log: once, when the tables are made."""
    with connections["default"].cursor() as cursor:
        cursor.execute(MAKE_HEAD, [0, seals.START, seals.signature(0, seals.START)])
