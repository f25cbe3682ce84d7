"""Consent receipts: the record of one subject's consent, in a form that the subject can keep.

Shaped after ISO/IEC TS 27560:2023 (consent record information structure): a header, the processing with
its purposes, the parties, the events. A receipt holds the pseudonym, not the raw id.
"""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from consent.decisions.status import state_now
from consent.models import ConsentPeriod, Decision, PolicyVersion, State, SubjectKind
from consent.policies.in_force import in_force
from consent.pseudonyms import is_pseudonym, keyed_digest

SCHEMA = "ISO/IEC TS 27560:2023"
LAWFUL_BASIS = "consent"
EXPLICIT, IMPLICIT = "explicit", "implicit"
COLLECTED_BY = "OpenTelemetry events that the product sends, filtered by the registry of the policy version"


def consent_receipt(kind: str, pseudonym: str) -> dict[str, Any]:
    """The receipt of a subject (`user` or `organization`), in plain types for JSON; times are ISO 8601, UTC.

    An unknown subject gets a receipt without events. Raises `ValueError` if `pseudonym` is not one.
    """
    kind = SubjectKind(kind)
    if not is_pseudonym(pseudonym):
        raise ValueError("a receipt is made for a pseudonym: 32 lower-case hex digits")
    events = _events(kind, pseudonym)
    current = in_force().policy_version
    policy = PolicyVersion.objects.filter(version=current).first()
    return {
        "schema_version": SCHEMA,
        "record_id": _record_id(kind, pseudonym),
        "receipt_issued_at": _moment(timezone.now()),
        "pii_principal_id": pseudonym,
        "pii_principal_kind": kind.value,
        "consent_state": events[-1]["state"] if events else State.UNSET.value,
        "language": settings.LANGUAGE_CODE,
        "pii_processing": {
            "privacy_notice": _notice(),
            "policy_version": current,
            "policy_published_at": _moment(policy.published_at) if policy else None,
            "registry_digest": policy.registry_digest if policy else None,
            "purposes": _purposes(policy) if policy else [],
        },
        "party_identification": [
            {
                "party_id": "controller",
                "party_role": "PII controller",
                "party_name": settings.CONTROLLER_NAME or None,
                "party_contact": settings.CONTROLLER_CONTACT or None,
                "party_url": settings.PUBLIC_URL or None,
            }
        ],
        "events": events,
    }


def _record_id(kind: SubjectKind, pseudonym: str) -> str:
    """The same for every receipt of a subject; reveals nothing about it."""
    return keyed_digest(f"consent record\0{kind}\0{pseudonym}".encode(), 16).hex()


def _notice() -> str | None:
    return f"{settings.PUBLIC_URL}/privacy/" if settings.PUBLIC_URL else None


def _purposes(policy: PolicyVersion) -> list[dict[str, Any]]:
    """The detailed attributes by purpose. Base attributes need no consent."""
    purposes: dict[str, dict[str, Any]] = {}
    for entry in policy.registry["attributes"]:
        if entry["tier"] != "detailed":
            continue
        purpose = purposes.setdefault(
            entry["purpose"],
            {
                "purpose": entry["purpose"],
                "purpose_description": entry["why"],
                "lawful_basis": LAWFUL_BASIS,
                "collection_method": COLLECTED_BY,
                "retention_period": f"P{policy.retention_months}M",
                "withdrawal_method": _notice(),
                "pii_information": [],
            },
        )
        purpose["pii_information"].append(
            {"pii_attribute_id": entry["name"], "pii_type": entry["kind"], "example": entry["example"]}
        )
    return list(purposes.values())


def _events(kind: SubjectKind, pseudonym: str) -> list[dict[str, Any]]:
    """Decisions, and grants that became stale, in the order of recording."""
    decisions = Decision.objects.filter(subject_kind=kind, subject=pseudonym).order_by("number")
    stale_periods = ConsentPeriod.objects.filter(subject_kind=kind, subject=pseudonym, state=State.STALE)
    stale_since = set(stale_periods.values_list("since", flat=True))
    state, since = state_now(kind, pseudonym)
    if state == State.STALE and since:
        stale_since.add(since)  # the stale period may not be written yet
    dated = [(row.recorded_at, _decided(row)) for row in decisions]
    dated += [(at, _made_stale(at)) for at in stale_since]
    events = [event for _, event in sorted(dated, key=lambda pair: pair[0])]
    before = State.UNSET.value
    for event in events:
        event["event_state"] = _event_state(event["state"], before)
        before = event["state"]
    return events


def _decided(row: Decision) -> dict[str, Any]:
    return {
        "event_time": _moment(row.recorded_at),
        "effective_at": _moment(row.effective_at),
        "event_type": EXPLICIT,
        "state": row.state,
        "level": row.level,
        "method": row.method,
        "policy_version": row.policy_version,
        "log_record": {"number": row.number, "digest": row.digest},
    }


def _made_stale(at: datetime) -> dict[str, Any]:
    policy = PolicyVersion.objects.filter(is_material=True, published_at__lte=at).order_by("-id").first()
    return {
        "event_time": _moment(at),
        "effective_at": _moment(at),
        "event_type": IMPLICIT,
        "state": State.STALE.value,
        "level": "base",
        "method": "policy",
        "policy_version": policy.version if policy else None,
        "log_record": None,
    }


def _event_state(state: str, before: str) -> str:
    """The state in the words of ISO/IEC TS 27560."""
    if state == State.GRANTED:
        return "consent given"
    if state == State.STALE:
        return "consent invalidated"
    had_consented = before in (State.GRANTED, State.STALE)
    return "consent withdrawn" if had_consented else "consent refused" if state == State.DENIED else "unknown"


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
