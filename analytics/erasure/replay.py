"""Repeats erasures after a backup was restored.

An old backup does not know of erasures that came later; their receipts do (`RECEIPTS_DIR`). Run
`manage.py replay_erasures` before anything is received again.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Max
from django.utils.dateparse import parse_datetime

from consent.decisions.recording import record_decision
from consent.decisions.status import state_now
from consent.decisions.tombstones import ask_for_erasure
from consent.gate.rules import AGREED
from consent.models import ErasureRequest, Method, State, SubjectKind


def ask_again(*, receipts: Iterable[Mapping[str, Any]] = (), actor: str) -> list[ErasureRequest]:
    """Request every finished erasure once more, each up to its own moment; returns the open requests.

    The receipts must have been verified. Where the restored database does not know that an erasure was
    finished, its withdrawal is recorded again too: else the subject would be undecided, or opted in, again.
    """
    requests: dict[int, ErasureRequest] = {}
    done = ErasureRequest.objects.filter(state=ErasureRequest.Stage.DONE).order_by()
    for receipt in receipts:
        kind, subject = SubjectKind(receipt["kind"]), str(receipt["subject"])
        is_finished_here = done.filter(public_id=receipt["id"]).exists()
        if not is_finished_here and (state := _to_record_again(kind, subject, receipt)):
            record_decision(
                kind=kind, subject=subject, state=state, actor=actor, method=Method.COMMAND,
                reason="A receipt proves a withdrawal that the restored backup does not hold.",
            )  # fmt: skip
        until = parse_datetime(receipt["erased_up_to"])
        request = _ask_again(kind, subject, until, bool(receipt["withdrawal"]), actor)
        requests[request.pk] = request
    for erased in done.values("kind", "pseudonym", "is_withdrawal").annotate(latest=Max("until")):
        request = _ask_again(
            SubjectKind(erased["kind"]), erased["pseudonym"], erased["latest"], erased["is_withdrawal"], actor
        )
        requests[request.pk] = request
    return list(requests.values())


def _to_record_again(kind: SubjectKind, subject: str, receipt: Mapping[str, Any]) -> State | None:
    """The denial, or the grant taken back, that this receipt tells of and the database does not hold."""
    now, _ = state_now(kind, subject)
    if receipt.get("denied", receipt["withdrawal"]):  # older receipts have no “denied”
        return None if now == State.DENIED else State.DENIED
    return State.UNSET if receipt.get("state") == State.UNSET and now in AGREED else None


def _ask_again(
    kind: SubjectKind, subject: str, until: datetime | None, is_withdrawal: bool, actor: str
) -> ErasureRequest:
    return ask_for_erasure(
        kind=kind, pseudonym=subject, actor=actor, method=Method.COMMAND, until=until,
        is_withdrawal=is_withdrawal, reason="Repeated after a backup was restored.",
    )  # fmt: skip
