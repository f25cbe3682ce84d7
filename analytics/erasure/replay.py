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
from consent.decisions.tombstones import ask_for_erasure, is_denied
from consent.models import ErasureRequest, Method, State, SubjectKind


def ask_again(*, receipts: Iterable[Mapping[str, Any]] = (), actor: str) -> list[ErasureRequest]:
    """Request every finished erasure once more, each up to its own moment; returns the open requests.

    The receipts must have been verified. Where the restored database does not know that an erasure was
    finished, its denial is recorded again too: else the subject would be undecided, or opted in, once more.
    """
    requests: dict[int, ErasureRequest] = {}
    done = ErasureRequest.objects.filter(state=ErasureRequest.Stage.DONE).order_by()
    for receipt in receipts:
        kind, subject = SubjectKind(receipt["kind"]), str(receipt["subject"])
        is_finished_here = done.filter(public_id=receipt["id"]).exists()
        was_denied = receipt.get("denied", receipt["withdrawal"])  # older receipts have no “denied”
        if was_denied and not is_finished_here and not is_denied(kind, subject):
            record_decision(
                kind=kind, subject=subject, state=State.DENIED, actor=actor, method=Method.COMMAND,
                reason="A receipt proves a denial that the restored backup does not hold.",
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


def _ask_again(
    kind: SubjectKind, subject: str, until: datetime | None, is_withdrawal: bool, actor: str
) -> ErasureRequest:
    return ask_for_erasure(
        kind=kind, pseudonym=subject, actor=actor, method=Method.COMMAND, until=until,
        is_withdrawal=is_withdrawal, reason="Repeated after a backup was restored.",
    )  # fmt: skip
