"""After a backup was restored: what had been erased since is erased again.

Nothing in an old backup knows of an erasure that came later; the receipts do (`RECEIPTS_DIR`).
Before anything is received again: `manage.py replay_erasures`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Max
from django.utils.dateparse import parse_datetime

from consent.decisions.recording import record_decision
from consent.decisions.tombstones import ask_for_erasure, is_denied
from consent.models import ErasureRequest, Method, State, SubjectKind


def ask_again(*, found: Iterable[Mapping[str, Any]] = (), actor: str) -> list[ErasureRequest]:
    """Ask once more for every erasure that was done, each up to its own moment; the open requests.

    `found` are verified receipts. Of those whose end the restored database does not know, the denial is
    recorded again too: else the subject would be undecided, or opted in, once more.
    """
    asked: dict[int, ErasureRequest] = {}
    done = ErasureRequest.objects.filter(state=ErasureRequest.State.DONE).order_by()
    for receipt in found:
        kind, subject = SubjectKind(receipt["kind"]), str(receipt["subject"])
        is_known = done.filter(public_id=receipt["id"]).exists()
        was_denied = receipt.get("denied", receipt["withdrawal"])  # earlier receipts do not say it
        if was_denied and not is_known and not is_denied(kind, subject):
            record_decision(
                kind=kind, subject=subject, state=State.DENIED, actor=actor, method=Method.COMMAND,
                reason="A receipt tells of a denial that the restored backup does not hold.",
            )  # fmt: skip
        until = parse_datetime(receipt["erased_up_to"])
        request = _ask_again(kind, subject, until, bool(receipt["withdrawal"]), actor)
        asked[request.pk] = request
    for known in done.values("kind", "pseudonym", "is_withdrawal").annotate(latest=Max("until")):
        request = _ask_again(
            SubjectKind(known["kind"]), known["pseudonym"], known["latest"], known["is_withdrawal"], actor
        )
        asked[request.pk] = request
    return list(asked.values())


def _ask_again(
    kind: SubjectKind, subject: str, until: datetime | None, is_withdrawal: bool, actor: str
) -> ErasureRequest:
    return ask_for_erasure(
        kind=kind, pseudonym=subject, actor=actor, method=Method.COMMAND, until=until,
        is_withdrawal=is_withdrawal, reason="Carried out again after a restored backup.",
    )  # fmt: skip
