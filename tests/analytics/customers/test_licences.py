"""What a licence key is worth, and to the second until when; and which entitlements may be entered."""

from datetime import UTC, datetime, timedelta

import pytest

from analytics.customers.licences import fault_in_entitlements, no_terms, terms_of
from analytics.models import License
from consent.keys import issue_key
from consent.models import Key

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def key_with(**terms: object) -> Key:
    _, key = issue_key(name="Acme", scopes=["heartbeat"])
    License.objects.create(key_id=key.pk, customer_name="Acme GmbH", entitlements={"seats": 5}, **terms)
    return key


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("ends_in", "is_valid", "warning"),
    [
        (None, True, ""),
        (timedelta(0), False, "expired on 2026-03-10"),
        (SECOND, True, "expires on 2026-03-10"),
        (timedelta(days=30), True, "expires on 2026-04-09"),
        (timedelta(days=30) + SECOND, True, ""),
    ],
)
def test_a_licence_warns_thirty_days_before_it_ends(
    ends_in: timedelta | None, is_valid: bool, warning: str
) -> None:
    ends = NOW + ends_in if ends_in is not None else None
    terms = terms_of(key_with(expires_at=ends), now=NOW)
    assert (terms.valid, terms.expires_at, terms.customer_name) == (is_valid, ends, "Acme GmbH")
    assert terms.entitlements == ({"seats": 5} if is_valid else {})
    assert terms.warnings == ([f"this licence {warning}"] if warning else [])


@pytest.mark.django_db
def test_without_a_record_a_key_is_valid_and_an_unknown_key_is_not() -> None:
    _, key = issue_key(name="Acme", scopes=["heartbeat"])
    key_with(expires_at=NOW)
    assert terms_of(key, now=NOW)[:4] == (True, "Acme", {}, None)
    assert no_terms("unknown") == (False, "", {}, None, ["unknown"])


@pytest.mark.parametrize(
    ("entitlements", "is_fine"),
    [
        ({}, True),
        ({"a" * 100: "x" * 100, "sso": True, "seats": 5, "share": 0.5}, True),
        ({"a" * 101: 1}, False),
        ({"1a": 1}, False),
        ({"a": "x" * 101}, False),
        ({"a": None}, False),
        ({"a": []}, False),
        ([], False),
        (None, False),
    ],
)
def test_entitlements_are_short_names_to_short_values(entitlements: object, is_fine: bool) -> None:
    assert (fault_in_entitlements(entitlements) == "") is is_fine
