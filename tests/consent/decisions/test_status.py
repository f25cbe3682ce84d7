"""What an app or a person is told about a subject, and that a choice which already holds is certain, too."""

from datetime import timedelta

import pytest
from django.conf import LazySettings

from consent.decisions.recording import BarrierNotReached, record_decision, register_organization
from consent.decisions.status import consent_status, record_choice, state_now
from consent.gate import barrier
from consent.models import ConsentPeriod, Decision, InForce, Method, Organization, State, SubjectKind
from tests.support.second_connection import held

pytestmark = pytest.mark.django_db(transaction=True)

USER, ACME = "a" * 32, "b" * 32


@pytest.fixture(autouse=True)
def _short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(barrier, "WAIT", "100ms")


def decide(state: State, method: Method = Method.API, actor: str = "app", **more: object) -> Decision:
    fields = {"kind": SubjectKind.USER, "subject": USER} | more
    return record_decision(state=state, actor=actor, method=method, **fields)


def choose(state: State) -> bool:
    return record_choice(kind=SubjectKind.USER, subject=USER, state=state, actor="app", method=Method.API)


def in_flight(subject: str = USER):
    """A request that has the subject's events and has not ended."""
    lock = "SELECT pg_advisory_xact_lock_shared(%s, %s)"
    return held(lock, [barrier.LOCK_SPACE, barrier.bucket(subject)], database="analytics")


@pytest.mark.parametrize("state", [State.DENIED, State.UNSET])
def test_all_but_a_grant_waits_for_events_in_flight_each_time_it_is_said(state: State) -> None:
    decide(State.GRANTED)
    with in_flight():
        for _ in range(2):
            with pytest.raises(BarrierNotReached):
                choose(state)
    assert choose(state) is False
    assert Decision.objects.filter(state=state).count() == 1


def test_a_grant_waits_for_nothing() -> None:
    with in_flight():
        assert choose(State.GRANTED) is True
        assert choose(State.GRANTED) is False


def test_a_subject_that_never_decided_need_not_be_unset() -> None:
    assert choose(State.UNSET) is False
    assert not Decision.objects.exists()


def test_the_status_is_that_of_the_latest_decision() -> None:
    decide(State.GRANTED)
    decide(State.DENIED, Method.ADMIN, "mira")
    status = consent_status(SubjectKind.USER, USER)
    assert (status.state, status.recorded_by, status.policy_version) == (State.DENIED, "admin", "1")
    decide(State.GRANTED)
    latest = Decision.objects.first()
    status = consent_status(SubjectKind.USER, USER)
    assert (status.recorded_by, status.recorded_at) == ("app", latest.recorded_at)
    assert (status.state, status.is_stale, status.is_kept) == (State.GRANTED, False, True)


def test_a_grant_of_the_very_moment_of_a_material_change_is_not_stale() -> None:
    since = decide(State.GRANTED).effective_at
    InForce.objects.update(material_since=since)
    assert state_now(SubjectKind.USER, USER) == (State.GRANTED, since)
    InForce.objects.update(material_since=since + timedelta(microseconds=1))
    assert state_now(SubjectKind.USER, USER)[0] == State.STALE
    assert consent_status(SubjectKind.USER, USER)[:1] == (State.GRANTED,)
    assert consent_status(SubjectKind.USER, USER).is_stale


def test_an_ended_period_is_no_state() -> None:
    decide(State.GRANTED)
    ConsentPeriod.objects.update(until=ConsentPeriod.objects.get().since)
    assert state_now(SubjectKind.USER, USER) == (State.UNSET, None)


def test_a_user_is_asked_about_together_with_the_organization(settings: LazySettings) -> None:
    decide(State.GRANTED)
    assert consent_status(SubjectKind.USER, USER).is_kept
    assert not consent_status(SubjectKind.USER, USER, organization=ACME).is_kept
    decide(State.GRANTED, kind=SubjectKind.ORGANIZATION, subject=ACME)
    assert consent_status(SubjectKind.USER, USER, organization=ACME).is_kept
    assert consent_status(SubjectKind.ORGANIZATION, ACME).is_kept


def test_another_deployment_type_waits_for_events_in_flight_and_a_label_does_not() -> None:
    with in_flight(ACME):
        register_organization(pseudonym=ACME, label="north", is_internal=True)
        with pytest.raises(BarrierNotReached):
            register_organization(pseudonym=ACME, deployment_type="cloud")
    row = Organization.objects.get()
    assert (row.label, row.is_internal, row.deployment_type) == ("north", True, "cloud")
