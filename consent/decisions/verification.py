"""Verifying the decision log: is each record as it was sealed, in its place, and is the last one still there?

The walk stops at the first broken record and says what is wrong with it. An altered head is reported too.
Then the table that the gate reads is compared with the log (`gate_table.py`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import connections, transaction

from consent.decisions import gate_table, seals
from consent.decisions.gate_table import TableDifferences
from consent.decisions.log import COLUMNS
from consent.models import Decision

HEAD = "SELECT count, digest, signature FROM consent_decisionhead ORDER BY id"
RECORDS_AT_ONCE = 2000
PLACES = 8  # in the sentence of a job; more are counted


class ConsentLogBroken(Exception):
    """The log, or the gate's table, is not what was recorded. The message names no subject."""


class Anchor(NamedTuple):
    """The log's length at some time, and the seal of its last record. Worth keeping in another place."""

    length: int
    digest: str

    def __str__(self) -> str:
        return f"{self.length}:{self.digest}"


@dataclass
class Verdict:
    """The result of verifying the log. `faults` are sentences; the first broken record comes first.

    `differences` are those of the gate's table, which has `rows` rows.
    """

    records: int = 0
    rows: int = 0
    anchor: Anchor | None = None
    faults: list[str] = field(default_factory=list)
    differences: TableDifferences = field(default_factory=TableDifferences)

    def sentence(self) -> str:
        """What was found, for pages that staff see. Raises `ConsentLogBroken` if anything is wrong."""
        words = f"{self.records:,} decisions and {self.rows:,} rows of the gate’s table verified"
        found = list(self.faults[:1])
        if self.differences.count:
            places = ", ".join(difference.place for difference in self.differences.named[:PLACES])
            more = self.differences.count - PLACES
            found.append(
                f"{self.differences.count:,} differences between gate and log: {places}"
                + (f" and {more:,} more" if more > 0 else "")
            )
        if found:
            raise ConsentLogBroken(f"{words}; {'; '.join(found)}")
        return f"{words}, 0 differences."


def verify(
    *, anchor: Anchor | None = None, advance: Callable[[int, int], object] = lambda n, of: None
) -> Verdict:
    """Verify the log as of now, up to its first broken record, and compare the gate's table with all of it.

    `advance(done, total)` reports progress: each record is read twice.

    `anchor` is an earlier `Verdict.anchor`. It detects a log that was restored to an earlier state as a
    whole: records, head and signature.
    """
    verdict = Verdict()
    with transaction.atomic(using="default"):
        with connections["default"].cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(HEAD)
            heads = cursor.fetchall()
            cursor.execute("SELECT count(*) FROM consent_decision")
            total = cursor.fetchone()[0]
        head_fault = _head_fault(heads)
        head = None if head_fault else Anchor(*heads[0][:2])
        reached = _walk(_records(), head, verdict, anchor, lambda done: advance(done, 2 * total))
        verdict.rows, verdict.differences = gate_table.compare(lambda done: advance(total + done, 2 * total))
        advance(2 * total, 2 * total)
    if not verdict.faults:
        verdict.faults = list(filter(None, [_end_fault(reached, head, anchor)]))
    if head_fault:
        verdict.faults.append(head_fault)
    verdict.anchor = None if verdict.faults else reached
    return verdict


def _end_fault(reached: Anchor, head: Anchor | None, anchor: Anchor | None) -> str:
    """What is wrong with the end of a log whose records are all sound."""
    missing = f"record {reached.length + 1} is missing: "
    if head and reached.length < head.length:
        return f"{missing}it was deleted at the end of the log, whose signed head counts {head.length}"
    if head and reached != head:
        return "the head names a different last record than the log has"
    if anchor and reached.length < anchor.length:
        return (
            f"{missing}the log had {anchor.length} records when the anchor was taken; records and head were "
            "restored to an earlier state"
        )
    return ""


def _head_fault(heads: list[tuple[int, str, str]]) -> str:
    if not heads:
        return "the head row is missing"
    if len(heads) > 1:
        return "there is more than one head row"
    count, digest, signed = heads[0]
    if not signed:
        return "the head row is unsigned: it was altered or missing when a decision was recorded"
    if not seals.is_signed(count, digest, signed):
        return f"the head row was altered (count {count}): it is not what was signed, or not with this key"
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
    """The last sound record. The fault of the record after it, if any, is added to the verdict."""
    reached = Anchor(0, seals.START)
    for record in records:
        *content, previous, digest = record
        number = content[0]
        sound = (
            number == reached.length + 1
            and previous == reached.digest
            and digest == seals.seal(previous, content)
        )
        if not sound or (head and number > head.length):
            following = next(records, None)
            verdict.faults.append(_fault(record, following, reached, head))
            break
        reached = Anchor(number, digest)
        if anchor and anchor.length == number and anchor.digest != digest:
            verdict.faults.append(f"record {number} is not the one it was when the anchor was taken")
            break
        if number % RECORDS_AT_ONCE == 0:
            advance(number)
    verdict.records = reached.length
    advance(reached.length)
    return reached


def _fault(
    record: tuple[Any, ...], following: tuple[Any, ...] | None, reached: Anchor, head: Anchor | None
) -> str:
    """What is wrong with `record`, found where the one after `reached` should be."""
    *content, previous, digest = record
    number, expected = content[0], reached.length + 1
    recorded = f"(recorded {content[-1]:%F %T} UTC)"
    if number < expected:
        return f"record {number} {recorded} was inserted: two records have this number"
    if number > expected:
        return f"record {expected} is missing: it was deleted; the next record has number {number}"
    if digest == seals.seal(previous, content):
        if previous != reached.digest:
            return f"record {number} {recorded} does not follow the record before it, which was replaced"
        return (
            f"record {number} {recorded} was added after the head was signed, or an earlier head was restored"
        )
    if digest == seals.seal(previous, [expected + 1, *content[1:]]):
        return f"record {number} is missing: it was deleted, and the later ones were renumbered"
    if head and number > head.length:
        return (
            f"record {number} {recorded} was inserted: the signed head counts {head.length}, and its seal is "
            "not ours"
        )
    if following is not None:
        *after, after_previous, after_digest = following
        if after_previous == reached.digest and after_digest == seals.seal(
            after_previous, [expected, *after[1:]]
        ):
            return f"record {number} {recorded} was inserted: its seal is not ours, and the true one follows"
    return f"record {number} {recorded} was altered: its content does not match its seal"
