"""Erasure requests, and the tombstones that refuse events of the erased subject that arrive late.

Request and tombstone are written in one transaction, and the gate reads tombstones with everything else.
The rows are erased later, by `analytics/erasure/run.py`: asking costs two small writes.
"""

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db import connections, transaction
from django.utils import timezone

from consent.gate.rules import is_withdrawal
from consent.models import (
    ConsentPeriod,
    ErasureRequest,
    Method,
    Organization,
    State,
    SubjectKind,
    TelemetryUser,
    Tombstone,
)
from consent.policies.in_force import were_undecided_kept

ERASE, KEEP = "erase", "keep"  # the values of ON_WITHDRAWAL

# A tombstone's time only moves forward. The row's lock makes requests for one subject take turns.
RAISE_TOMBSTONES = """
INSERT INTO consent_tombstone AS known (kind, subject, until, "user")
SELECT %s, subject, %s, %s FROM unnest(%s::text[]) AS subject
    ON CONFLICT (subject, "user") DO UPDATE SET until = greatest(known.until, excluded.until)
"""


def ask_for_erasure(
    *,
    kind: SubjectKind,
    pseudonym: str,
    actor: str,
    method: Method,
    reason: str = "",
    is_withdrawal: bool = False,
    until: datetime | None = None,
) -> ErasureRequest:
    """Request that everything about a subject up to now be erased. From the commit on, ingest refuses it.

    While a request waits, asking again extends and returns the same one. A later grant does not cancel it.
    `until` is for replaying an erasure that was carried out before.
    """
    with transaction.atomic(using="default"):
        until = until or timezone.now()
        raise_tombstones(Tombstone.Kind(kind), [pseudonym], until)
        waiting = ErasureRequest.objects.select_for_update().filter(
            kind=kind, pseudonym=pseudonym, state=ErasureRequest.Stage.WAITING
        )
        if request := waiting.first():
            request.until = max(request.until, until)
            request.is_withdrawal = request.is_withdrawal and is_withdrawal
            request.save(update_fields=["until", "is_withdrawal"])
            return request
        return ErasureRequest.objects.create(
            kind=kind,
            pseudonym=pseudonym,
            is_withdrawal=is_withdrawal,
            until=until,
            asked_at=timezone.now(),
            actor=actor[:150],
            method=method,
            reason=reason[:500],
        )


def extend_waiting(kind: SubjectKind, pseudonym: str, *, until: datetime) -> None:
    """Let the erasure that a subject waits for, if it has not begun, take all that is from before `until`."""
    waiting = ErasureRequest.objects.filter(
        kind=kind, pseudonym=pseudonym, state=ErasureRequest.Stage.WAITING, until__lt=until
    )
    if waiting.exists():
        with transaction.atomic(using="default"):  # the locks in the same order as whoever asks
            raise_tombstones(Tombstone.Kind(kind), [pseudonym], until)
            waiting.update(until=until)


def raise_tombstones(kind: Tombstone.Kind, names: Iterable[str], until: datetime, user: str = "") -> None:
    """Refuse events dated up to `until` under these names. For a user's sessions, `user` says whose."""
    with connections["default"].cursor() as cursor:
        cursor.execute(RAISE_TOMBSTONES, [kind.value, until, user, sorted(names)])


def erased_until(pseudonym: str) -> datetime | None:
    """The time up to which this subject's events are refused for good; None without a tombstone."""
    tombstones = Tombstone.objects.filter(subject=pseudonym).order_by("-until")
    return tombstones.values_list("until", flat=True).first()


def is_denied(kind: SubjectKind, subject: str) -> bool:
    model = Organization if kind == SubjectKind.ORGANIZATION else TelemetryUser
    return model._default_manager.filter(pseudonym=subject, state=State.DENIED).exists()


def was_allowed_since(kind: SubjectKind, subject: str, moment: datetime) -> bool:
    """Whether events of a subject may have been stored after this moment, for all that its decisions say."""
    later = ConsentPeriod.objects.filter(subject_kind=kind, subject=subject, until__gt=moment)
    return not is_denied(kind, subject) or later.exclude(state=State.DENIED).exists()


def leaves_something(kind: SubjectKind, subject: str, before: State, state: State) -> bool:
    """Whether this decision is a withdrawal after which something may be left to erase (ON_WITHDRAWAL).

    A denial before anything could be stored leaves nothing. Events stored while the subject was undecided
    are still there even if the profile has become strict since.
    """
    if settings.ON_WITHDRAWAL != ERASE or not is_withdrawal(before, state):
        return False
    granted = ConsentPeriod.objects.filter(subject_kind=kind, subject=subject, state=State.GRANTED)
    return granted.exists() or were_undecided_kept()
