"""The decision log: append-only, sealed record by record, and walked to see that nothing is amiss.

The database refuses UPDATE, DELETE and TRUNCATE (migration 0003). Who owns the tables could switch
that off; then the seals show it (`chain.py`). Appends take turns at the one row of the head, which
is locked for a statement and the commit.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connections, transaction
from django.utils import timezone

from consent import chain
from consent.models import Decision, Level, Method, State, SubjectKind

logger = logging.getLogger(__name__)

LOCK_HEAD = "SELECT count, digest, signature FROM consent_decisionhead WHERE id = 1 FOR UPDATE"
LAST = "SELECT number, digest FROM consent_decision ORDER BY number DESC LIMIT 1"
# A lost head is found again only as far as the records tell, and stays unsigned.
MAKE_HEAD = """
INSERT INTO consent_decisionhead (id, count, digest, signature) VALUES (1, %s, %s, %s) ON CONFLICT DO NOTHING
"""
COLUMNS = (*chain.SEALED, "previous", "digest")
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
RECORDS = f"SELECT {', '.join(COLUMNS)} FROM consent_decision ORDER BY number, id"
HEAD = "SELECT count, digest, signature FROM consent_decisionhead ORDER BY id"
RECORDS_AT_ONCE = 2000


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
        sound = chain.is_signed(count, digest, signed)
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
    number, digest = cursor.fetchone() or (0, chain.START)
    return number, digest


def _insert(
    cursor: Any, count: int, previous: str, content: tuple[Any, ...], *, sound: bool
) -> Decision | None:
    number = count + 1
    record = (number, *(str(value) if isinstance(value, str) else value for value in content), timezone.now())
    digest = chain.seal(previous, record)
    signed = chain.signature(number, digest) if sound else ""
    cursor.execute(APPEND, [*record, previous, digest, number, digest, signed])
    row = cursor.fetchone()
    if row is None:
        return None
    decision = Decision(row[0], *record, previous, digest)
    decision._state.adding, decision._state.db = False, "default"
    return decision


def begin() -> None:
    """Make the signed head of an empty log: once, when the tables are made."""
    with connections["default"].cursor() as cursor:
        cursor.execute(MAKE_HEAD, [0, chain.START, chain.signature(0, chain.START)])


# --- Verifying -----------------------------------------------------------------------------------
class Anchor(NamedTuple):
    """How long the log was at some time, and the seal of its last record: worth keeping elsewhere."""

    count: int
    digest: str

    def __str__(self) -> str:
        return f"{self.count}:{self.digest}"


@dataclass
class Verdict:
    """What a walk through the log has found. `faults` are sentences, the first broken record's first."""

    records: int = 0
    anchor: Anchor | None = None
    faults: list[str] = field(default_factory=list)


def verify(
    *, anchor: Anchor | None = None, advance: Callable[[int, int], object] = lambda n, of: None
) -> Verdict:
    """Walk the log as of now, up to its first broken record; `advance` is told of records done, of all.

    `anchor` is an earlier `Verdict.anchor`: it finds even that all three of records, head and
    signature were put back to what they were before.
    """
    verdict = Verdict()
    with transaction.atomic(using="default"):
        connection = connections["default"]
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(HEAD)
            heads = cursor.fetchall()
            cursor.execute("SELECT count(*) FROM consent_decision")
            total = cursor.fetchone()[0]
        head_fault = _head_fault(heads)
        head = Anchor(*heads[0][:2]) if heads and not head_fault else None
        records = _records()
        reached = _walk(records, head, verdict, anchor, lambda done: advance(done, total))
    if head_fault:
        verdict.faults.append(head_fault)
    elif head and not verdict.faults:
        if reached.count < head.count:
            verdict.faults.append(
                f"record {reached.count + 1} is missing: it was deleted, and the log ends before it, though "
                f"its signed head counts {head.count}"
            )
        elif reached != head:
            verdict.faults.append("the head names another last record than there is")
    if anchor and not verdict.faults and reached.count < anchor.count:
        verdict.faults.append(
            f"record {reached.count + 1} is missing: the log had {anchor.count} records when the anchor was "
            "taken, and was put back since, head and all"
        )
    if not verdict.faults:
        verdict.anchor = reached
    return verdict


def _head_fault(heads: list[tuple[int, str, str]]) -> str:
    if not heads:
        return "the head row is gone"
    if len(heads) > 1:
        return "there is more than one head row"
    count, digest, signed = heads[0]
    if not signed:
        return "the head row is unsigned: it was altered or gone when a decision was recorded"
    if not chain.is_signed(count, digest, signed):
        return (
            f"the head row was altered (count {count}): it is not what was signed, or another key signed it"
        )
    return ""


def _records() -> Iterator[tuple[Any, ...]]:
    rows = Decision.objects.order_by("number", "id").values_list(*COLUMNS)
    yield from rows.iterator(chunk_size=RECORDS_AT_ONCE)


def _walk(
    records: Iterator[tuple[Any, ...]],
    head: Anchor | None,
    verdict: Verdict,
    anchor: Anchor | None,
    advance: Callable[[int], object],
) -> Anchor:
    """The last sound record; the fault of the one after it, if there is one, is added to the verdict."""
    reached = Anchor(0, chain.START)
    for record in records:
        *content, previous, digest = record
        number = content[0]
        sound = (
            number == reached.count + 1
            and previous == reached.digest
            and digest == chain.seal(previous, content)
        )
        if not sound or (head and number > head.count):
            following = next(records, None)
            verdict.faults.append(_fault(record, following, reached, head))
            break
        reached = Anchor(number, digest)
        if anchor and anchor.count == number and anchor.digest != digest:
            verdict.faults.append(f"record {number} is another one than when the anchor was taken")
            break
        if number % RECORDS_AT_ONCE == 0:
            advance(number)
    verdict.records = reached.count
    advance(reached.count)
    return reached


def _fault(
    record: tuple[Any, ...], following: tuple[Any, ...] | None, reached: Anchor, head: Anchor | None
) -> str:
    """What is wrong with the record that stands where the one after `reached` belongs, in words."""
    *content, previous, digest = record
    number, expected = content[0], reached.count + 1
    recorded = f"(recorded {content[-1]:%F %T} UTC)"
    if number < expected:
        return f"record {number} {recorded} was inserted: there are two of this number"
    if number > expected:
        return f"record {expected} is missing: it was deleted; the next one there is has number {number}"
    if digest == chain.seal(previous, content):
        if previous != reached.digest:
            return f"record {number} {recorded} does not follow on the one before it, which was exchanged"
        return f"record {number} {recorded} was added after the head was signed, or the head was put back"
    if digest == chain.seal(previous, [expected + 1, *content[1:]]):
        return f"record {number} is missing: it was deleted, and the later ones were numbered anew"
    if head and number > head.count:
        return (
            f"record {number} {recorded} was inserted: the signed head counts {head.count}, and its seal is "
            "not ours"
        )
    if following is not None:
        *after, after_previous, after_digest = following
        if after_previous == reached.digest and after_digest == chain.seal(
            after_previous, [expected, *after[1:]]
        ):
            return f"record {number} {recorded} was inserted: its seal is not ours, and the true one follows"
    return f"record {number} {recorded} was altered: its content does not match its seal"
