"""Erasure as permission sees it: the request, and the tombstone that refuses what arrives late.

The tombstone stands from the moment of asking, in the same transaction as the request; the gate
reads it with everything else. The rows are the upper floor's: `analytics/erasure/run.py` works open
requests off, so that a request costs its asker two small writes.
"""

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db import connections, transaction
from django.utils import timezone

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
from consent.policies import publishing

ERASE, KEEP = "erase", "keep"  # the values of ON_WITHDRAWAL

# A tombstone's time only ever grows. The row's lock makes requests for one subject take turns.
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
    """Ask that all there is of a subject up to now be erased; from now on it is refused when it comes late.

    Asked for again while it waits, it is the same request. A later grant does not cancel it. `until`
    is for replaying one that was carried out before.
    """
    with transaction.atomic(using="default"):
        until = until or timezone.now()
        raise_tombstones(Tombstone.Kind(kind), [pseudonym], until)
        asked = ErasureRequest.objects.select_for_update().filter(
            kind=kind, pseudonym=pseudonym, state=ErasureRequest.Stage.WAITING
        )
        if request := asked.first():
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


def raise_tombstones(kind: Tombstone.Kind, names: Iterable[str], until: datetime, user: str = "") -> None:
    """Refuse what is dated up to `until` under these names. `user`: whose sessions they are."""
    with connections["default"].cursor() as cursor:
        cursor.execute(RAISE_TOMBSTONES, [kind.value, until, user, sorted(names)])


def erased_until(pseudonym: str) -> datetime | None:
    """Up to when what this subject sends is refused for good; None when nothing was ever erased."""
    tombstones = Tombstone.objects.filter(subject=pseudonym).order_by("-until")
    return tombstones.values_list("until", flat=True).first()


def is_denied(kind: SubjectKind, subject: str) -> bool:
    model = Organization if kind == SubjectKind.ORGANIZATION else TelemetryUser
    return model._default_manager.filter(pseudonym=subject, state=State.DENIED).exists()


def leaves_something(kind: SubjectKind, subject: str, current: ConsentPeriod | None, state: State) -> bool:
    """Whether this decision is a withdrawal that events may have come before, and ON_WITHDRAWAL erases.

    Who says no before anything could be kept leaves nothing behind. What was stored of the undecided
    is still there when the profile has become strict since.
    """
    if settings.ON_WITHDRAWAL != ERASE or state != State.DENIED:
        return False
    if current is not None and current.state == State.DENIED:
        return False
    granted = ConsentPeriod.objects.filter(subject_kind=kind, subject=subject, state=State.GRANTED)
    return granted.exists() or publishing.were_undecided_kept()
