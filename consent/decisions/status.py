"""What holds for a subject now, as apps and people are told, and how a choice of theirs comes to hold."""

from datetime import datetime
from typing import NamedTuple

from django.utils import timezone

from consent.decisions.recording import HoldsAlready, record_decision
from consent.gate import barrier, gate
from consent.models import ConsentPeriod, Decision, Method, State, SubjectKind
from consent.policies import publishing


class ConsentStatus(NamedTuple):
    """A subject's own choice, and what it comes to. Times are UTC; None and '' when nothing was decided."""

    state: State
    since: datetime | None
    policy_version: str  # of the decision that was recorded last
    is_stale: bool  # granted under an earlier policy: counts as denied until it is granted again
    is_kept: bool  # whether a detailed event of this moment would be stored
    recorded_at: datetime | None
    recorded_by: str  # the key's name, or another method's: `admin`, `command`, `link`


def consent_status(kind: SubjectKind, subject: str, *, organization: str = "") -> ConsentStatus:
    """Of a pseudonym. With a user, `organization` (a pseudonym) may be named too, as in an event of both."""
    state, since = state_now(kind, subject)
    latest = _latest_decision(kind, subject)
    is_stale = state == State.STALE
    return ConsentStatus(
        state=State.GRANTED if is_stale else state,
        since=since,
        policy_version=latest.policy_version if latest else "",
        is_stale=is_stale,
        is_kept=_is_kept(kind, subject, organization),
        recorded_at=latest.recorded_at if latest else None,
        recorded_by=_by(latest) if latest else "",
    )


def record_choice(
    *, kind: SubjectKind, subject: str, state: State, actor: str, method: Method, policy_version: str = ""
) -> bool:
    """Make a choice hold before returning; whether a decision was recorded.

    `policy_version` is the one that the subject was shown, where that is known.

    What holds already is no second decision. But what is said again may follow a barrier that was not
    reached, so that is always waited for. Raises `BarrierNotReached` and `DecisionRefused`.
    """
    try:
        record_decision(
            kind=kind,
            subject=subject,
            state=state,
            actor=actor,
            method=method,
            policy_version=policy_version,
            only_a_change=True,
        )
    except HoldsAlready:
        if state != State.GRANTED:
            barrier.wait_for_ingest(subject)
        return False
    return True


def _is_kept(kind: SubjectKind, subject: str, organization: str) -> bool:
    users = [subject] if kind == SubjectKind.USER else []
    organizations = [organization or subject] if organization or not users else []
    now = timezone.now()
    permissions = gate.permissions(users, organizations, now)
    return permissions.allows("".join(organizations), "".join(users), now)


def state_now(kind: SubjectKind, subject: str) -> tuple[State, datetime | None]:
    """A subject's state, and since when (UTC; None where nothing was ever decided)."""
    period = ConsentPeriod.objects.filter(subject_kind=kind, subject=subject, until=None).first()
    if period is None:
        return State.UNSET, None
    material_since = publishing.in_force().material_since
    if publishing.is_overtaken(period, material_since):
        return State.STALE, material_since
    return State(period.state), period.since


def _latest_decision(kind: SubjectKind, subject: str) -> Decision | None:
    return Decision.objects.filter(subject_kind=kind, subject=subject).order_by("-number").first()


def _by(decision: Decision) -> str:
    return decision.actor if decision.method == Method.API else str(decision.method)
