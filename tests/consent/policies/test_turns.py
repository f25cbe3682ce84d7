"""Grants and publications take turns: neither happens in the middle of the other."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import call_command
from django.db import OperationalError, connections

from consent.decisions.recording import record_decision
from consent.models import Decision, InForce, Method, PolicyVersion, State, SubjectKind, TelemetryUser
from consent.policies import publishing, stale_grants
from consent.policies.activation import bring_in
from consent.policies.in_force import in_force, put_in_force, were_undecided_kept
from consent.registry.registry import current_registry
from postgres import locks
from tests.support.programs import until
from tests.support.second_connection import held, impatient, waiting

pytestmark = pytest.mark.django_db(transaction=True)

USER = "a" * 32


def decide(state: State, subject: str = USER) -> Decision:
    return record_decision(
        kind=SubjectKind.USER, subject=subject, state=state, actor="test", method=Method.API
    )


@pytest.mark.parametrize("state", [State.GRANTED, State.UNSET])
def test_a_grant_waits_for_a_publication(state: State) -> None:
    """Without sharing the lock, it could be recorded under the version before, and would stay granted."""
    with held(locks.TAKE, locks.PUBLISHING), impatient():
        with pytest.raises(OperationalError, match="lock timeout"):
            decide(state)
    assert not Decision.objects.exists()


def test_a_denial_waits_for_no_publication() -> None:
    with held(locks.TAKE, locks.PUBLISHING), impatient():
        assert decide(State.DENIED).state == State.DENIED


def test_grants_do_not_wait_for_each_other() -> None:
    with held(locks.TAKE_SHARED, locks.PUBLISHING), impatient():
        assert decide(State.GRANTED).state == State.GRANTED


@pytest.mark.parametrize("what", ["publish", "bring in"])
def test_a_publication_waits_for_grants_under_way(what: str) -> None:
    with held(locks.TAKE_SHARED, locks.PUBLISHING), impatient():
        with pytest.raises(OperationalError, match="lock timeout"):
            publishing.publish(text="Another.", actor="test") if what == "publish" else bring_in(actor="test")
    assert PolicyVersion.objects.count() == 1


def test_whoever_writes_down_stale_grants_locks_the_subject_before_its_period() -> None:
    """In the other order it would deadlock with a decision, which locks the subject first."""
    decide(State.GRANTED)
    put_in_force(current_registry(), policy_version="1", material_since=publishing.timezone.now())

    def end_grants() -> tuple[int, int]:
        try:
            return stale_grants.end_grants()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with held("SELECT FROM consent_telemetryuser FOR UPDATE"):
            ended = pool.submit(end_grants)
            until(lambda: waiting() == 1, what="it waits for the subject")
            with held("SELECT FROM consent_consentperiod FOR UPDATE NOWAIT"):
                pass
        assert ended.result() == (1, 0)
    assert TelemetryUser.objects.get().state == State.STALE


def test_a_subject_is_locked_while_it_decides() -> None:
    decide(State.UNSET)
    with held("SELECT FROM consent_telemetryuser FOR UPDATE"), impatient():
        with pytest.raises(OperationalError, match="lock timeout"):
            decide(State.DENIED)
        assert decide(State.DENIED, "b" * 32).state == State.DENIED


def test_what_is_in_force_keeps_that_the_undecided_were_kept() -> None:
    InForce.objects.all().delete()
    put_in_force(current_registry(), policy_version="1", material_since=None)
    assert not were_undecided_kept()
    InForce.objects.update(undecided_kept=True)
    put_in_force(current_registry(), policy_version="2", material_since=None)
    assert were_undecided_kept()
    assert in_force().policy_version == "2"


def test_an_editorial_version_keeps_the_moment_of_the_last_material_one() -> None:
    publishing.publish(text="Another.", actor="test")
    material_since = in_force().material_since
    publishing.publish(text="Another one.", editorial=True, actor="test")
    assert in_force().material_since == material_since != None  # noqa: E711


def test_a_published_version_keeps_who_published_it_however_long_the_name() -> None:
    policy = publishing.publish(text="Another.", actor="a" * 200).policy
    assert PolicyVersion.objects.get(pk=policy.pk).published_by == "a" * 150


@pytest.mark.parametrize("version", ["9" * 40, "v1.2_3-4"])
def test_a_version_may_have_forty_characters(version: str) -> None:
    assert publishing.publish(text="Another.", version=version, actor="test").policy.version == version


def test_a_policy_without_words_is_not_published() -> None:
    with pytest.raises(publishing.PolicyRefused, match="needs a text"):
        publishing.publish(text=" \n", actor="test")


def test_reloading_what_is_active_writes_nothing() -> None:
    before = InForce.objects.extra(select={"version": "xmin::text"}).values_list("version").get()
    call_command("reload_registry")
    assert InForce.objects.extra(select={"version": "xmin::text"}).values_list("version").get() == before
