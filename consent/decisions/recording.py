"""Recording a decision, and registering an organization: the two services that change consent.

Each is one durable transaction on the operational database, followed by the barrier. When the call returns,
no event that only the earlier state allowed can still be stored.
"""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.db.models.functions import Coalesce
from django.utils import timezone

from consent.decisions import internal_use, log, tombstones
from consent.decisions.withdrawn import note_kept_rows
from consent.gate import barrier
from consent.gate.rules import is_withdrawal
from consent.models import (
    DECIDABLE,
    GRANTABLE,
    ConsentPeriod,
    Decision,
    Level,
    Method,
    Organization,
    State,
    SubjectKind,
    TelemetryUser,
)
from consent.policies import versions
from consent.policies.in_force import Current, in_force, lock_against_publication
from consent.policies.stale_grants import end_overtaken, is_overtaken

BarrierNotReached = barrier.BarrierNotReached


class DecisionRefused(Exception):
    """The decision cannot be recorded; the message says why."""


class Overtaken(Exception):
    """What allowed the decision has ended meanwhile (`while_true`). It was not recorded."""


class HoldsAlready(Exception):
    """The decision changes nothing. It was not recorded, and the barrier was not waited for."""


def record_decision(
    *,
    kind: SubjectKind,
    subject: str,
    state: State,
    level: Level | None = None,
    actor: str,
    method: Method,
    reason: str = "",
    effective_at: datetime | None = None,
    policy_version: str = "",
    only_a_change: bool = False,
    while_true: Callable[[], bool] = lambda: True,
) -> Decision:
    """Record what the subject (a pseudonym) decided, and make it hold before returning.

    `level` is what a grant is for: `detailed`, or for organizations `account`. Without it, a grant that is
    given again stays what it was.

    `effective_at` dates a decision that was made earlier and recorded elsewhere; it must lie neither in the
    future nor before the subject's latest period. `policy_version` is the version that the subject was shown,
    if known. A withdrawal also requests erasure (`ON_WITHDRAWAL`). `while_true` is asked once no other
    decision about the subject is under way: what it answers then still holds when this one is recorded.

    Raises `DecisionRefused`, `Overtaken`, or `HoldsAlready` (only with `only_a_change`), with nothing
    recorded; and `BarrierNotReached`: recorded, but events in flight could not be ruled out.
    """
    if state not in DECIDABLE:
        raise DecisionRefused(f"'{state}' is a state that nobody can choose")
    _check_level(kind, state, level)
    asked = _Asked(kind, subject, state, level, actor, method, reason, effective_at, policy_version)
    with transaction.atomic(using="default", durable=True):
        if state != State.DENIED:
            lock_against_publication()
        row = _locked(kind, subject)
        if not while_true():
            raise Overtaken
        decision = _recorded(asked, row, only_a_change=only_a_change)
    if state != State.GRANTED:
        wait_for_ingest(kind, subject)
    return decision


class _Asked(NamedTuple):
    """What `record_decision` is asked to record."""

    kind: SubjectKind
    subject: str
    state: State
    level: Level | None
    actor: str
    method: Method
    reason: str
    effective_at: datetime | None
    policy_version: str


def _recorded(asked: _Asked, row: Organization | TelemetryUser, *, only_a_change: bool) -> Decision:
    """Record it, with `row`, the subject's, locked. Raises `DecisionRefused` or `HoldsAlready`."""
    kind, subject, state = asked.kind, asked.subject, asked.state
    current = in_force()
    period = _open_period(kind, subject, current.material_since)
    before = State(period.state) if period else State.UNSET
    held = level_held(kind, subject, before)
    level = asked.level or (held if state == before == State.GRANTED else _default_level(state))
    if only_a_change and state == before and level == held:
        raise HoldsAlready
    version = _version_agreed_to(current, state, asked.policy_version, asked.effective_at)
    since = _holds_from(asked.effective_at, period, current.material_since)
    erases = tombstones.leaves_something(kind, subject, before, state)
    if period is None or before != state:
        _begin_period(kind, subject, before, state, since)
    row.state = state
    row.save(update_fields=["state", "updated_at"])
    decision = log.append(
        kind=kind, subject=subject, state=state, level=level, policy_version=version, actor=asked.actor[:150],
        method=asked.method, reason=asked.reason[:500], effective_at=since,
    )  # fmt: skip
    if erases:
        tombstones.ask_for_erasure(
            kind=kind,
            pseudonym=subject,
            actor=asked.actor,
            method=asked.method,
            reason=asked.reason,
            is_withdrawal=True,
            until=max(since, timezone.now()),
        )
    if state == State.UNSET:
        note_kept_rows(kind, subject)
    return decision


def wait_for_ingest(kind: SubjectKind, subject: str) -> None:
    """Wait at the barrier; what arrived until then is erased with what a withdrawal has asked to erase.

    Also where this machine's clock is behind the one that dates arrivals. Raises `BarrierNotReached`.
    """
    tombstones.extend_waiting(kind, subject, until=barrier.wait_for_ingest(subject))


def level_held(kind: SubjectKind, subject: str, state: str) -> Level:
    """The level that a subject's last decision allows, if `state` is the state that holds now."""
    if state != State.GRANTED:
        return Level.BASE
    decisions = Decision.objects.filter(subject_kind=kind, subject=subject).order_by("-number")
    last = decisions.values_list("state", "level").first()
    # Without a record of a grant the period stands alone: it counts as the least that a grant can mean.
    return Level(last[1]) if last and last[0] == State.GRANTED else Level.DETAILED


def _check_level(kind: SubjectKind, state: State, level: Level | None) -> None:
    if level is None:
        return
    if state != State.GRANTED or level not in GRANTABLE:
        raise DecisionRefused(f"a level ({', '.join(GRANTABLE)}) belongs to a grant")
    if level == Level.ACCOUNT and kind != SubjectKind.ORGANIZATION:
        raise DecisionRefused("only an organization can grant the level 'account'")


def _default_level(state: State) -> Level:
    return Level.DETAILED if state == State.GRANTED else Level.BASE


def _holds_from(
    effective_at: datetime | None, period: ConsentPeriod | None, material_since: datetime | None
) -> datetime:
    """When the decision takes effect. Raises `DecisionRefused` if `effective_at` is not possible."""
    now = timezone.now()
    if effective_at and effective_at > now:
        raise DecisionRefused("a decision cannot take effect in the future")
    # A machine whose clock is ahead of ours may have dated what came before.
    earlier = (now, period and period.since, material_since)
    since = effective_at or max(moment for moment in earlier if moment)
    if period and since < period.since:
        raise DecisionRefused(f"a later decision is already recorded (from {period.since:%F %T} UTC)")
    return since


def _begin_period(kind: SubjectKind, subject: str, before: State, state: State, since: datetime) -> None:
    """End the open period and begin another. Ingest no longer reads what a withdrawal covers.

    Of a grant that `unset` takes back it reads on: that grant is what makes `unset` a withdrawal.
    """
    earlier_periods = ConsentPeriod.objects.filter(subject_kind=kind, subject=subject)
    if state == State.DENIED:
        earlier_periods.filter(is_superseded=False).update(until=Coalesce("until", since), is_superseded=True)
    else:
        if is_withdrawal(before, state):
            earlier_periods.filter(is_superseded=False).exclude(until=None).update(is_superseded=True)
        earlier_periods.filter(until=None).update(until=since)
    ConsentPeriod.objects.create(subject_kind=kind, subject=subject, state=state, since=since)


def _open_period(kind: SubjectKind, subject: str, material_since: datetime | None) -> ConsentPeriod | None:
    """The subject's open period. A grant that a material change overtook is ended first, and the stale period
    returned. Call with the subject's row locked."""
    period = ConsentPeriod.objects.filter(subject_kind=kind, subject=subject, until=None).first()
    if period and material_since and is_overtaken(period, material_since):
        return end_overtaken(period, material_since)
    return period


def _version_agreed_to(current: Current, state: State, shown: str, effective_at: datetime | None) -> str:
    """The policy version to record. Raises `DecisionRefused` for a grant that is stale already."""
    if shown and not versions.exists(shown):
        raise DecisionRefused("the policy version that was shown does not exist")
    if state == State.GRANTED and current.material_since:
        if shown and versions.is_before_material(shown):
            raise DecisionRefused(
                f"this grant was given to policy version {shown}, but version {current.policy_version} is in "
                "force: it must be given again"
            )
        if effective_at and effective_at < current.material_since:
            raise DecisionRefused(
                "this grant was given before the last material change of the policy "
                f"({current.material_since:%F %T} UTC): it must be given again"
            )
    return shown or current.policy_version


def _locked(kind: SubjectKind, subject: str) -> Organization | TelemetryUser:
    """The subject's row, created if missing, and locked: decisions about a subject take turns."""
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
    """Create or change an organization's registration. An argument of None leaves its field as it is.

    Whether it is internal counts for reports of its past as well (`internal_use.py`).
    """
    changes = {"deployment_type": deployment_type, "label": label, "is_internal": is_internal}
    with transaction.atomic(using="default", durable=True):
        organization, _ = Organization.objects.get_or_create(pseudonym=pseudonym)
        was_internal = organization.is_internal
        changed = {name: value for name, value in changes.items() if value is not None}
        for name, value in changed.items():
            setattr(organization, name, value)
        # Only these fields: a decision recorded meanwhile may have changed the state.
        organization.save(update_fields=[*changed, "updated_at"])
    if deployment_type is not None:
        barrier.wait_for_ingest(pseudonym)  # another profile may apply from now on
    if organization.is_internal != was_internal:
        internal_use.days_counted_again(pseudonym)
    return organization
