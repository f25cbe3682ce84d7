"""Consent receipts: one subject's account of its decisions, by pseudonym, shaped after ISO/IEC TS 27560."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.utils import timezone

from consent.decisions.consent_receipts import consent_receipt
from consent.decisions.recording import record_decision
from consent.decisions.verification import verify
from consent.models import Decision, Method, State, SubjectKind
from consent.pseudonyms import pseudonym
from consent.registry.registry import current_registry

pytestmark = pytest.mark.django_db(transaction=True)


def decide(state: State, raw: str = "jane", **more: object) -> Decision:
    return record_decision(
        kind=SubjectKind.USER,
        subject=pseudonym("user", raw),
        state=state,
        actor="Jane Doe",
        method=Method.API,
        **more,  # type: ignore[arg-type]
    )


def printed(**subject: str) -> tuple[dict[str, object], str]:
    out = StringIO()
    call_command("consent_receipt", stdout=out, **subject)
    return json.loads(out.getvalue()), out.getvalue()


def test_a_receipt_tells_the_decisions_and_what_they_were_about(settings: LazySettings) -> None:
    settings.CONTROLLER_NAME, settings.PUBLIC_URL = "Aldermoor Ltd", "https://telemetry.example.com"
    granted, denied = decide(State.GRANTED), decide(State.DENIED)
    receipt, _ = printed(user="jane")
    assert receipt["schema_version"] == "ISO/IEC TS 27560:2023"
    assert receipt["pii_principal_id"] == pseudonym("user", "jane")
    assert receipt["consent_state"] == "denied"
    assert receipt["party_identification"][0]["party_name"] == "Aldermoor Ltd"
    assert receipt["pii_processing"]["privacy_notice"] == "https://telemetry.example.com/privacy/"
    events = [(event["event_state"], event["method"], event["policy_version"]) for event in receipt["events"]]
    assert events == [("consent given", "api", "1"), ("consent withdrawn", "api", "1")]
    assert [event["log_record"]["digest"] for event in receipt["events"]] == [granted.digest, denied.digest]
    assert verify().faults == []


def test_it_names_no_raw_id_nor_who_recorded_it() -> None:
    decide(State.GRANTED, reason="asked on the phone")
    _, text = printed(user="jane")
    assert "jane" not in text.lower()
    assert "phone" not in text


def test_the_purposes_are_the_detailed_attributes_of_the_registry() -> None:
    receipt, _ = printed(user="jane")
    purposes = receipt["pii_processing"]["purposes"]
    named = {one["pii_attribute_id"] for purpose in purposes for one in purpose["pii_information"]}
    assert named == {a.name for a in current_registry().attributes.values() if a.tier.name == "DETAILED"}
    assert {purpose["lawful_basis"] for purpose in purposes} == {"consent"}
    assert receipt["pii_processing"]["registry_digest"] == current_registry().digest


def test_a_material_change_is_an_event_of_its_own(tmp_path: object) -> None:
    decide(State.GRANTED)
    path = tmp_path / "policy.txt"  # type: ignore[operator]
    path.write_text("Another text.")
    call_command("publish_policy", str(path), stdout=StringIO())
    decide(State.GRANTED)
    receipt, _ = printed(user="jane")
    events = [(event["state"], event["event_state"], event["policy_version"]) for event in receipt["events"]]
    assert events == [
        ("granted", "consent given", "1"),
        ("stale", "consent invalidated", "2"),
        ("granted", "consent given", "2"),
    ]


def test_one_who_said_no_from_the_start_has_refused() -> None:
    decide(State.DENIED)
    receipt, _ = printed(user="jane")
    assert receipt["events"][0]["event_state"] == "consent refused"


def test_organizations_and_users_of_the_same_id_are_two() -> None:
    decide(State.GRANTED)
    of_user, _ = printed(user="jane")
    of_organization, _ = printed(organization="jane")
    assert of_organization["events"] == []
    assert of_organization["consent_state"] == "unset"
    assert of_organization["record_id"] != of_user["record_id"]
    assert printed(user="jane")[0]["record_id"] == of_user["record_id"]


@pytest.mark.parametrize(("kind", "subject"), [("user", "jane"), ("somebody", "a" * 32)])
def test_what_is_no_pseudonym_gets_none(kind: str, subject: str) -> None:
    with pytest.raises(ValueError):
        consent_receipt(kind, subject)


def test_the_command_wants_one_subject() -> None:
    with pytest.raises(CommandError):
        call_command("consent_receipt")


def test_each_event_has_the_standards_word_for_it() -> None:
    for state in (State.UNSET, State.GRANTED, State.UNSET, State.DENIED, State.GRANTED, State.DENIED):
        decide(state)
    receipt, _ = printed(user="jane")
    assert [event["event_state"] for event in receipt["events"]] == [
        *("unknown", "consent given", "consent withdrawn", "consent refused"),
        *("consent given", "consent withdrawn"),
    ]
    assert [event["level"] for event in receipt["events"]] == [
        *("base", "detailed", "base", "base", "detailed", "base")
    ]


def test_events_come_in_the_order_in_which_they_were_recorded() -> None:
    earlier = timezone.now() - timedelta(days=9)
    decide(State.GRANTED, effective_at=earlier)
    receipt, _ = printed(user="jane")
    (event,) = receipt["events"]
    assert event["effective_at"] == earlier.isoformat()
    assert event["event_time"] > event["effective_at"]
    assert event["event_type"] == "explicit"
    assert receipt["consent_state"] == "granted"


def test_nothing_is_made_up_where_the_operator_says_nothing(settings: LazySettings) -> None:
    settings.CONTROLLER_NAME = settings.CONTROLLER_CONTACT = settings.PUBLIC_URL = ""
    receipt, _ = printed(user="jane")
    (controller,) = receipt["party_identification"]
    assert [controller[f"party_{field}"] for field in ("name", "contact", "url")] == [None, None, None]
    assert receipt["pii_processing"]["privacy_notice"] is None
    assert receipt["pii_processing"]["purposes"][0]["retention_period"] == "P12M"
