"""What the gate reads from the database: whose rows, and what overrides them."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connections, transaction

from consent.decisions import tombstones
from consent.gate.gate import read_permissions
from consent.gate.permissions import OtherRegistry, Permissions
from consent.gate.rules import Profile, Switches
from consent.gate.switches import base_allowed, switches
from consent.models import ConsentPeriod, InForce, Organization, State, Tombstone
from consent.policies.in_force import were_undecided_kept
from tests.support.programs import until
from tests.support.second_connection import held, waiting

pytestmark = pytest.mark.django_db(transaction=True)

USER, ACME = "a" * 32, "b" * 32
SINCE = datetime(2026, 11, 1, tzinfo=UTC)
NOW = SINCE + timedelta(days=9)


def period(state: State, since: datetime = SINCE, kind: str = "user", subject: str = USER, **more) -> None:
    ConsentPeriod.objects.create(subject_kind=kind, subject=subject, state=state, since=since, **more)


def allowed(at: datetime = NOW, *, user: str = USER, organization: str = "") -> bool:
    return read_permissions({user} - {""}, {organization} - {""}, NOW).allows(organization, user, at)


def test_a_decision_is_about_its_own_kind_of_subject() -> None:
    period(State.GRANTED, kind="organization")
    assert not allowed()
    assert allowed(user="", organization=USER)


def test_a_grant_made_at_the_very_moment_of_a_material_change_is_not_stale() -> None:
    period(State.GRANTED)
    InForce.objects.update(material_since=SINCE)
    assert allowed()
    InForce.objects.update(material_since=SINCE + timedelta(microseconds=1))
    assert not allowed()


def test_an_organizations_registration_is_read(settings) -> None:
    settings.CONSENT_PROFILE_CLOUD, settings.CONSENT_PROFILE_SELF_HOSTED = "notice", "strict"
    notice = SINCE + timedelta(days=1)
    Organization.objects.create(
        pseudonym=ACME, deployment_type="cloud", is_internal=True, notice_since=notice
    )
    permissions = read_permissions([], [ACME, "c" * 32], NOW)
    assert permissions.internal() == {ACME}
    assert [permissions.allows(ACME, "", at) for at in (notice, notice - timedelta(microseconds=1))] == [
        True,
        False,
    ]
    assert not permissions.allows("c" * 32, "", notice)


def test_the_latest_tombstone_holds_to_its_very_end() -> None:
    period(State.GRANTED)
    for user, days in (("d" * 32, 3), ("", 1)):
        tombstones.raise_tombstones(Tombstone.Kind.USER, [USER], SINCE + timedelta(days=days), user=user)
    end = SINCE + timedelta(days=3)
    permissions = read_permissions([USER], [], NOW)
    assert not permissions.allows("", USER, end)
    assert permissions.allows("", USER, end + timedelta(microseconds=1))


def test_events_filtered_by_another_registry_are_sent_back() -> None:
    active = InForce.objects.get().registry_digest
    permissions = read_permissions([], [], NOW)
    assert permissions.registry_digest == active
    permissions.require_registry(active)
    permissions.require_registry("")
    with pytest.raises(OtherRegistry) as other:
        permissions.require_registry("0" * 64)
    assert other.value.digest == active
    Permissions({}, {}, {}, NOW).require_registry("0" * 64)  # none is active yet


# --- Events of the undecided ------------------------------------------------------------------------
def test_that_the_undecided_may_be_kept_is_noted_before_the_first_is(settings) -> None:
    InForce.objects.update(undecided_kept=False)
    settings.CONSENT_PROFILE_CLOUD = settings.CONSENT_PROFILE_SELF_HOSTED = "strict"
    read_permissions([USER], [], NOW)
    assert not were_undecided_kept()
    settings.CONSENT_PROFILE_CLOUD = "organization"
    read_permissions([USER], [], NOW)
    assert were_undecided_kept()


def test_a_denial_under_way_when_it_is_noted_is_read(settings) -> None:
    """The denial was told that there is nothing to erase, so nothing may be stored after it."""
    settings.CONSENT_PROFILE_CLOUD = settings.CONSENT_PROFILE_SELF_HOSTED = "organization"
    InForce.objects.update(undecided_kept=False)
    period(State.GRANTED, kind="organization", subject=ACME)

    def ask() -> bool:
        try:
            return allowed(organization=ACME)
        finally:
            connections.close_all()

    with closing(connections["default"].copy()) as denial, ThreadPoolExecutor(1) as pool:
        denial.cursor().execute("BEGIN")
        denial.cursor().execute("SELECT undecided_kept FROM consent_inforce FOR SHARE")
        answer = pool.submit(ask)
        try:
            until(lambda: waiting() == 1, what="the reader waits for the denial")
            denial.cursor().execute(
                "INSERT INTO consent_consentperiod (subject_kind, subject, state, since)"
                " VALUES ('user', %s, 'denied', %s)",
                [USER, SINCE],
            )
        finally:
            denial.cursor().execute("COMMIT")
        assert answer.result() is False


NOTE_WITHOUT_WAITING = "SELECT FROM consent_inforce FOR NO KEY UPDATE NOWAIT"


def test_who_asks_whether_the_undecided_were_kept_holds_the_answer_still() -> None:
    with transaction.atomic(using="default"):
        were_undecided_kept()
        with pytest.raises(OperationalError, match="lock"), held(NOTE_WITHOUT_WAITING):
            raise AssertionError("it was noted meanwhile")


def test_before_anything_is_in_force_the_undecided_may_have_been_kept() -> None:
    InForce.objects.all().delete()
    assert were_undecided_kept()


# --- The operator's switches ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("cloud", "self_hosted", "kept"),
    [("strict", "strict", False), ("strict", "notice", True), ("organization", "strict", True)],
)
def test_the_undecided_are_kept_unless_both_profiles_are_strict(cloud, self_hosted, kept) -> None:
    assert Switches(True, True, Profile(cloud), Profile(self_hosted), None).keep_undecided is kept


def test_the_settings_are_the_switches(settings) -> None:
    settings.TELEMETRY_ENABLED, settings.BASE_TELEMETRY_ENABLED = False, False
    settings.CONSENT_NOTICE_SINCE = "2026-11-02T09:00:00+00:00"
    assert (switches().detailed, switches().base, base_allowed()) == (False, False, False)
    assert switches().notice_since == datetime(2026, 11, 2, 9, tzinfo=UTC)
    settings.TELEMETRY_ENABLED = settings.BASE_TELEMETRY_ENABLED = True
    assert (switches().detailed, switches().base, base_allowed()) == (True, True, True)
