"""What holds for a subject now, as apps and people see it, and recording what a subject chose."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from django.utils import timezone

from consent.decisions.recording import HoldsAlready, level_held, record_decision, wait_for_ingest
from consent.gate import gate
from consent.gate.rules import AGREED
from consent.models import ConsentPeriod, Decision, Level, Method, State, SubjectKind
from consent.policies.in_force import in_force
from consent.policies.stale_grants import is_overtaken


class ConsentStatus(NamedTuple):
    """A subject's own choice, and what follows from it. Times are UTC; None and '' before any decision."""

    state: State
    since: datetime | None
    policy_version: str  # of the latest decision
    is_stale: bool  # granted under an earlier policy: counts as denied until it is granted again
    is_kept: bool  # whether a detailed event that happened now would be stored
    recorded_at: datetime | None
    level: Level  # what the subject's own choice allows now
    recorded_by: str  # the key's name, or the method if not the API: `admin`, `command`, `link`
    is_taken_back: bool  # `unset` now, and a grant until then


def consent_status(kind: SubjectKind, subject: str, *, organization: str = "") -> ConsentStatus:
    """The status of a subject (a pseudonym). For a user, `organization` may be named too, as events do."""
    state, since = state_now(kind, subject)
    latest = Decision.objects.filter(subject_kind=kind, subject=subject).order_by("-number").first()
    is_stale = state == State.STALE
    return ConsentStatus(
        state=State.GRANTED if is_stale else state,
        since=since,
        policy_version=latest.policy_version if latest else "",
        is_stale=is_stale,
        is_kept=_is_kept(kind, subject, organization),
        recorded_at=latest.recorded_at if latest else None,
        level=level_held(kind, subject, state),
        recorded_by=_recorded_by(latest) if latest else "",
        is_taken_back=state == State.UNSET and _agreed_until(kind, subject, since),
    )


def record_choice(
    *,
    kind: SubjectKind,
    subject: str,
    state: State,
    actor: str,
    method: Method,
    policy_version: str = "",
    level: Level | None = None,
    while_true: Callable[[], bool] = lambda: True,
) -> bool:
    """Make a choice hold before returning. Returns whether it was recorded: only a new choice is.

    `policy_version` is the one that the subject was shown, if known; `level` is what a grant is for;
    `while_true` as for `record_decision`. A repeated choice, unless it is a grant, still waits for the
    barrier, because the barrier may not have been reached the first time. Raises `BarrierNotReached`,
    `DecisionRefused` and `Overtaken`.
    """
    try:
        record_decision(
            kind=kind,
            subject=subject,
            state=state,
            level=level,
            actor=actor,
            method=method,
            policy_version=policy_version,
            only_a_change=True,
            while_true=while_true,
        )
    except HoldsAlready:
        if state != State.GRANTED:
            wait_for_ingest(kind, subject)
        return False
    return True


def state_now(kind: SubjectKind, subject: str) -> tuple[State, datetime | None]:
    """A subject's state, and since when (UTC; None before any decision)."""
    period = ConsentPeriod.objects.filter(subject_kind=kind, subject=subject, until=None).first()
    if period is None:
        return State.UNSET, None
    material_since = in_force().material_since
    if is_overtaken(period, material_since):
        return State.STALE, material_since
    return State(period.state), period.since


def _agreed_until(kind: SubjectKind, subject: str, moment: datetime | None) -> bool:
    periods = ConsentPeriod.objects.filter(subject_kind=kind, subject=subject, state__in=AGREED)
    return moment is not None and periods.filter(until=moment).exists()


def _is_kept(kind: SubjectKind, subject: str, organization: str) -> bool:
    users = [subject] if kind == SubjectKind.USER else []
    organizations = [organization or subject] if organization or not users else []
    now = timezone.now()
    permissions = gate.read_permissions(users, organizations, now)
    return permissions.allows("".join(organizations), "".join(users), now)


def _recorded_by(decision: Decision) -> str:
    return decision.actor if decision.method == Method.API else str(decision.method)
