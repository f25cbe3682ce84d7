"""Licences: what a key of scope `heartbeat` is worth to the customer who presents it."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from analytics.customers.reported_numbers import MAX_NAME, NAME, NAME_FORM
from analytics.models import License
from consent.models import Key

EXPIRES_SOON = timedelta(days=30)
MAX_TEXT = MAX_NAME  # characters of an entitlement


class LicenceTerms(NamedTuple):
    """What a licence key is worth. `expires_at` is UTC; None: never."""

    valid: bool
    customer_name: str
    entitlements: dict[str, Any]
    expires_at: datetime | None
    warnings: list[str]


def terms_of(key: Key, *, now: datetime) -> LicenceTerms:
    """The terms recorded for a key in use. Without a record the key is valid, with no entitlements."""
    licence = License.objects.filter(key_id=key.pk).first()
    if licence is None:
        return LicenceTerms(True, key.name, {}, None, ["no terms are recorded for this licence"])
    ends = licence.expires_at
    if ends is not None and ends <= now:
        return LicenceTerms(False, licence.customer_name, {}, ends, [f"this licence expired on {ends:%F}"])
    soon = ends is not None and ends - now <= EXPIRES_SOON
    warnings = [f"this licence expires on {ends:%F}"] if soon else []
    return LicenceTerms(True, licence.customer_name, licence.entitlements, ends, warnings)


def no_terms(warning: str) -> LicenceTerms:
    """For a key that is unknown, revoked or expired."""
    return LicenceTerms(False, "", {}, None, [warning])


def fault_in_entitlements(entitlements: object) -> str:
    """What is wrong with the entitlements that an admin entered, in a sentence; '' when nothing is."""
    if not isinstance(entitlements, dict):
        return "Write a JSON object: names to numbers, true or false, or short texts."
    for name, value in entitlements.items():
        if not NAME.fullmatch(name):
            return f"A name has {NAME_FORM}."
        if not isinstance(value, bool | int | float | str) or len(str(value)) > MAX_TEXT:
            return f"“{name}” must be a number, true or false, or a text of at most {MAX_TEXT} characters."
    return ""
