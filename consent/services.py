"""What changes consent: recording a decision, and registering an organization.

Each is one durable transaction on the operational database, followed by the barrier: when the call
returns, no event that the earlier state allowed can still be committed.
"""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from consent import barrier, erasures
from consent.models import (
    ConsentPeriod,
    Decision,
    Method,
    Organization,
    State,
    SubjectKind,
    TelemetryUser,
)
from consent.policy import POLICY_VERSION

BarrierNotReached = barrier.BarrierNotReached


class DecisionRefused(Exception):
    """A decision that cannot stand, with the reason in words."""


def record_decision(
    *,
    kind: SubjectKind,
    subject: str,
    state: State,
    actor: str,
    method: Method,
    reason: str = "",
    effective_at: datetime | None = None,
) -> Decision:
    """Record what the subject (a pseudonym) decided, and make it hold before returning.

    `effective_at` is for decisions made earlier and recorded elsewhere; it may not lie before what
    is already recorded, nor in the future. Raises `DecisionRefused`, and `BarrierNotReached` when
    the decision is recorded but events in flight could not be ruled out. A withdrawal asks for
    erasure too (`ON_WITHDRAWAL`).
    """
    with transaction.atomic(using="default", durable=True):
        holder = _locked(kind, subject)
        now = timezone.now()
        current = ConsentPeriod.objects.filter(subject_kind=kind, subject=subject, until=None).first()
        since = effective_at or (max(now, current.since) if current else now)
        if since > now and effective_at:
            raise DecisionRefused("a decision cannot take effect in the future")
        if current and since < current.since:
            raise DecisionRefused(f"a later decision is already recorded (from {current.since:%F %T} UTC)")
        erases = erasures.leaves_something(kind, subject, current, state)
        if current is None or current.state != state:
            if current:
                current.until = since
                current.save(update_fields=["until"])
            ConsentPeriod.objects.create(subject_kind=kind, subject=subject, state=state, since=since)
        holder.state = state
        holder.save(update_fields=["state", "updated_at"])
        decision = Decision.objects.create(
            subject_kind=kind,
            subject=subject,
            state=state,
            policy_version=POLICY_VERSION,
            actor=actor[:150],
            method=method,
            reason=reason[:500],
            effective_at=since,
        )
        if erases:
            erasures.ask_for_erasure(
                kind=kind, pseudonym=subject, actor=actor, method=method, reason=reason, is_withdrawal=True
            )
    if state != State.GRANTED:
        barrier.wait_for_ingest(subject)
    return decision


def _locked(kind: SubjectKind, subject: str) -> Organization | TelemetryUser:
    """The subject's row, made if need be, locked: decisions about one subject happen one after another."""
    model = Organization if kind == SubjectKind.ORGANIZATION else TelemetryUser
    model.objects.get_or_create(pseudonym=subject)
    row: Organization | TelemetryUser = model.objects.select_for_update().get(pseudonym=subject)
    return row


def register_organization(
    *,
    pseudonym: str,
    deployment_type: str | None = None,
    label: str | None = None,
    is_internal: bool | None = None,
) -> Organization:
    """Make or change an organization's registration; what is None stays as it is."""
    changes = {"deployment_type": deployment_type, "label": label, "is_internal": is_internal}
    with transaction.atomic(using="default", durable=True):
        organization, _ = Organization.objects.get_or_create(pseudonym=pseudonym)
        changed = {name: value for name, value in changes.items() if value is not None}
        for name, value in changed.items():
            setattr(organization, name, value)
        # Only these: a decision recorded meanwhile has changed the state.
        organization.save(update_fields=[*changed, "updated_at"])
    if deployment_type is not None:
        barrier.wait_for_ingest(pseudonym)  # another profile may hold from now on
    return organization
