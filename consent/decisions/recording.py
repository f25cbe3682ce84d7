"""What changes consent: recording a decision, and registering an organization.

Each is one durable transaction on the operational database, followed by the barrier: when the call
returns, no event that the earlier state allowed can still be committed.
"""

from datetime import datetime

from django.db import transaction
from django.db.models.functions import Coalesce
from django.utils import timezone

from consent.decisions import log, tombstones
from consent.gate import barrier
from consent.models import (
    DECIDABLE,
    ConsentPeriod,
    Decision,
    Level,
    Method,
    Organization,
    State,
    SubjectKind,
    TelemetryUser,
)
from consent.policies import publishing

BarrierNotReached = barrier.BarrierNotReached


class DecisionRefused(Exception):
    """A decision that cannot stand, with the reason in words."""


class HoldsAlready(Exception):
    """A decision that would change nothing. Nothing was recorded, and the barrier was not waited for."""


def record_decision(
    *,
    kind: SubjectKind,
    subject: str,
    state: State,
    actor: str,
    method: Method,
    reason: str = "",
    effective_at: datetime | None = None,
    policy_version: str = "",
    only_a_change: bool = False,
) -> Decision:
    """Record what the subject (a pseudonym) decided, and make it hold before returning.

    `effective_at` is for decisions made earlier and recorded elsewhere; it may not lie before what
    is already recorded, nor in the future. `policy_version` is the one that the subject was shown,
    where that is known; a grant given to one that is no longer enough is refused. Raises
    `DecisionRefused`, and `BarrierNotReached` when the decision is recorded but events in flight
    could not be ruled out; with `only_a_change` also `HoldsAlready`. A withdrawal asks for erasure
    too (`ON_WITHDRAWAL`).
    """
    if state not in DECIDABLE:
        raise DecisionRefused(f"'{state}' is nothing that anybody can decide")
    with transaction.atomic(using="default", durable=True):
        if state != State.DENIED:
            publishing.hold_still()  # a material change waits for this decision, or this one for the change
        holder = _locked(kind, subject)
        in_force = publishing.in_force()
        current = _open_period(kind, subject, in_force.material_since)
        if only_a_change and state == (current.state if current else State.UNSET):
            raise HoldsAlready
        version = _version_agreed_to(in_force, state, policy_version, effective_at)
        now = timezone.now()
        # Another machine's clock may have dated what came before ahead of ours.
        before = (now, current and current.since, in_force.material_since)
        since = effective_at or max(moment for moment in before if moment)
        if since > now and effective_at:
            raise DecisionRefused("a decision cannot take effect in the future")
        if current and since < current.since:
            raise DecisionRefused(f"a later decision is already recorded (from {current.since:%F %T} UTC)")
        erases = tombstones.leaves_something(kind, subject, current, state)
        if current is None or current.state != state:
            _end_period(kind, subject, since, is_refusal=state == State.DENIED)
            ConsentPeriod.objects.create(subject_kind=kind, subject=subject, state=state, since=since)
        holder.state = state
        holder.save(update_fields=["state", "updated_at"])
        decision = log.append(
            kind=kind,
            subject=subject,
            state=state,
            level=Level.DETAILED if state == State.GRANTED else Level.BASE,
            policy_version=version,
            actor=actor[:150],
            method=method,
            reason=reason[:500],
            effective_at=since,
        )
        if erases:
            tombstones.ask_for_erasure(
                kind=kind, pseudonym=subject, actor=actor, method=method, reason=reason, is_withdrawal=True
            )
    if state != State.GRANTED:
        barrier.wait_for_ingest(subject)
    return decision


def _end_period(kind: SubjectKind, subject: str, at: datetime, *, is_refusal: bool) -> None:
    """End what holds. Whatever was before a withdrawal is refused for good, so ingest need not read it."""
    before = ConsentPeriod.objects.filter(subject_kind=kind, subject=subject)
    if is_refusal:
        before.filter(is_superseded=False).update(until=Coalesce("until", at), is_superseded=True)
    else:
        before.filter(until=None).update(until=at)


def _open_period(kind: SubjectKind, subject: str, material_since: datetime | None) -> ConsentPeriod | None:
    """What holds; a grant that the material change has overtaken is stale. Call with the subject locked."""
    current = ConsentPeriod.objects.filter(subject_kind=kind, subject=subject, until=None).first()
    if current and material_since and publishing.is_overtaken(current, material_since):
        return publishing.end_overtaken(current, material_since)
    return current


def _version_agreed_to(
    current: publishing.Current, state: State, shown: str, effective_at: datetime | None
) -> str:
    """The policy version to put on record. Raises `DecisionRefused` for a grant that is stale already."""
    if shown and not publishing.exists(shown):
        raise DecisionRefused("there is no such policy version as the one that was shown")
    if state == State.GRANTED and current.material_since:
        if shown and publishing.is_before_material(shown):
            raise DecisionRefused(
                f"this grant was given to policy version {shown}, and version {current.policy_version} "
                "holds: it must be given again"
            )
        if effective_at and effective_at < current.material_since:
            raise DecisionRefused(
                f"this grant was given before policy version {current.policy_version} was published "
                f"({current.material_since:%F %T} UTC): it must be given again"
            )
    return shown or current.policy_version


def _locked(kind: SubjectKind, subject: str) -> Organization | TelemetryUser:
    """The subject's row, made if need be, locked: decisions about one subject happen one after another."""
    model = Organization if kind == SubjectKind.ORGANIZATION else TelemetryUser
    rows = model._default_manager.select_for_update().filter(pseudonym=subject)
    row: Organization | TelemetryUser | None = rows.first()
    if row is None:
        model._default_manager.get_or_create(pseudonym=subject)
        row = rows.get()
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
