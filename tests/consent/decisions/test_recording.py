"""Recording decisions: periods, the decision log, and the command."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from consent.decisions.recording import (
    DecisionRefused,
    HoldsAlready,
    record_decision,
    register_organization,
)
from consent.gate import gate
from consent.models import (
    ConsentPeriod,
    Decision,
    ErasureRequest,
    InForce,
    Method,
    Organization,
    State,
    SubjectKind,
    TelemetryUser,
)
from consent.pseudonyms import pseudonym
from tests.support.programs import until
from tests.support.second_connection import waiting

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "analytics"])

USER = "c" * 32


def decide(state, **more):
    return record_decision(
        kind=SubjectKind.USER, subject=USER, state=state, actor="test", method=Method.API, **more
    )


def test_a_decision_opens_a_period_and_is_on_record():
    decision = decide(State.GRANTED, reason="asked at sign-up")
    period = ConsentPeriod.objects.get()
    assert (period.state, period.since, period.until) == (State.GRANTED, decision.effective_at, None)
    assert Decision.objects.get().reason == "asked at sign-up"
    assert TelemetryUser.objects.get(pseudonym=USER).state == State.GRANTED


def test_a_new_state_closes_the_old_period_without_a_gap():
    decide(State.GRANTED)
    decide(State.DENIED)
    first, second = ConsentPeriod.objects.order_by("since")
    assert first.until == second.since
    assert second.until is None


def test_saying_the_same_again_is_on_record_but_does_not_shift_the_period():
    decide(State.GRANTED)
    since = ConsentPeriod.objects.get().since
    decide(State.GRANTED)
    assert ConsentPeriod.objects.get().since == since
    assert Decision.objects.count() == 2


def test_ingest_reads_no_more_of_somebody_who_changes_their_mind_often():
    """Reading every period there ever was would make a request ten times slower after 500 of them."""
    between = []
    for _ in range(5):
        decide(State.GRANTED)
        between.append(timezone.now())
        decide(State.DENIED)
    decide(State.GRANTED)
    read = ConsentPeriod.objects.filter(is_superseded=False).order_by("since")
    assert [period.state for period in read] == [State.DENIED, State.GRANTED]
    now = timezone.now()
    permissions = gate.read_permissions({USER}, set(), now)
    assert [permissions.allows("", USER, at) for at in [*between, now]] == [False] * 5 + [True]


def test_a_decision_made_earlier_can_be_recorded_but_not_before_a_later_one():
    now = timezone.now()
    decide(State.GRANTED, effective_at=now - timedelta(days=30))
    with pytest.raises(DecisionRefused):
        decide(State.DENIED, effective_at=now - timedelta(days=60))
    with pytest.raises(DecisionRefused):
        decide(State.DENIED, effective_at=now + timedelta(days=1))


def test_the_command_records_pseudonyms_only():
    out = StringIO()
    call_command(
        "set_consent", "granted", organization="acme", user="jane", deployment_type="cloud", stdout=out
    )
    organization = Organization.objects.get(pseudonym=pseudonym("organization", "acme"))
    assert (organization.state, organization.deployment_type) == ("granted", "cloud")
    assert TelemetryUser.objects.get(pseudonym=pseudonym("user", "jane")).state == "granted"
    assert set(Decision.objects.values_list("method", flat=True)) == {"command"}
    assert "jane" not in out.getvalue()
    assert "acme" not in out.getvalue()


@pytest.mark.parametrize(
    "arguments",
    [{}, {"user": "jane", "deployment_type": "cloud"}, {"user": "jane", "since": "yesterday"}],
)
def test_the_command_says_what_is_missing(arguments):
    with pytest.raises(CommandError):
        call_command("set_consent", "granted", **arguments)


def test_a_registration_does_not_bring_back_an_older_state(monkeypatch):
    """Saving the whole row would write back the state that was read before a decision."""
    original = Organization.save

    def a_decision_comes_first(self, *args, **kwargs):
        Organization.objects.filter(pk=self.pk).update(state=State.DENIED)
        original(self, *args, **kwargs)

    register_organization(pseudonym=USER, deployment_type="cloud")
    monkeypatch.setattr(Organization, "save", a_decision_comes_first)
    register_organization(pseudonym=USER, label="north")
    row = Organization.objects.get(pseudonym=USER)
    assert (row.state, row.label, row.deployment_type) == (State.DENIED, "north", "cloud")


def test_a_decision_takes_effect_between_the_one_before_and_now(monkeypatch):
    moment = timezone.now() - timedelta(days=30)
    decide(State.GRANTED, effective_at=moment)
    with pytest.raises(DecisionRefused, match="later decision"):
        decide(State.DENIED, effective_at=moment - timedelta(microseconds=1))
    assert decide(State.DENIED, effective_at=moment).effective_at == moment
    now = timezone.now()
    monkeypatch.setattr("consent.decisions.recording.timezone.now", lambda: now)
    with pytest.raises(DecisionRefused, match="future"):
        decide(State.UNSET, effective_at=now + timedelta(microseconds=1))
    assert decide(State.UNSET, effective_at=now).effective_at == now


def test_a_decision_follows_one_that_another_clock_has_dated_ahead():
    decide(State.GRANTED)
    ahead = timezone.now() + timedelta(seconds=5)
    ConsentPeriod.objects.update(since=ahead)
    assert decide(State.DENIED).effective_at == ahead


def test_who_and_why_are_cut_to_what_the_log_holds():
    decision = decide(State.GRANTED, reason="r" * 600)
    assert len(decision.reason) == 500
    named = record_decision(
        kind=SubjectKind.USER, subject=USER, state=State.DENIED, actor="a" * 200, method=Method.API
    )
    assert named.actor == "a" * 150


@pytest.mark.parametrize(("state", "level"), [("granted", "detailed"), ("denied", "base"), ("unset", "base")])
def test_the_level_of_a_decision(state, level):
    assert decide(State(state)).level == level


def test_the_same_from_the_start_is_nothing_new_only_where_that_is_asked():
    with pytest.raises(HoldsAlready):
        decide(State.UNSET, only_a_change=True)
    assert not TelemetryUser.objects.exists()
    decide(State.UNSET)
    assert Decision.objects.count() == 1


@pytest.mark.parametrize(
    ("given", "moment"),
    [
        ("2026-11-02", "2026-11-02T00:00:00+00:00"),
        ("2026-11-02T09:30", "2026-11-02T09:30:00+00:00"),
        ("2026-11-02T09:30+02:00", "2026-11-02T07:30:00+00:00"),
    ],
)
def test_the_commands_time_is_utc_unless_it_says_otherwise(given, moment):
    call_command("set_consent", "granted", user="jane", since=given, stdout=StringIO())
    assert Decision.objects.get().effective_at.isoformat() == moment


# --- What a withdrawal erases -----------------------------------------------------------------------
def erasures():
    return ErasureRequest.objects.filter(is_withdrawal=True).count()


def test_a_withdrawal_asks_for_erasure_once(settings):
    settings.ON_WITHDRAWAL = "erase"
    InForce.objects.update(undecided_kept=False)
    decide(State.DENIED)
    assert erasures() == 0  # nothing was kept before
    decide(State.UNSET)
    assert erasures() == 0  # nobody had agreed
    decide(State.GRANTED)
    decide(State.UNSET)
    assert erasures() == 1
    decide(State.DENIED)
    assert erasures() == 1
    ErasureRequest.objects.update(state="running")
    decide(State.DENIED)
    assert erasures() == 1


def test_a_withdrawal_erases_what_was_kept_of_the_undecided(settings):
    settings.ON_WITHDRAWAL = "erase"
    InForce.objects.update(undecided_kept=True)
    decide(State.DENIED)
    assert erasures() == 1


def test_the_operator_may_keep_what_was_there_before_a_withdrawal(settings):
    settings.ON_WITHDRAWAL = "keep"
    decide(State.GRANTED)
    decide(State.DENIED)
    assert not ErasureRequest.objects.exists()


def test_a_decision_waits_for_one_under_way_and_reads_what_it_left():
    """Without waiting, both would read the state before either is written, and both would be recorded."""
    decide(State.UNSET)

    def deny_again():
        try:
            with pytest.raises(HoldsAlready):
                decide(State.DENIED, only_a_change=True)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool, closing(connections["default"].copy()) as another:
        another.cursor().execute("BEGIN")
        another.cursor().execute("SELECT FROM consent_telemetryuser FOR UPDATE")
        denied = pool.submit(deny_again)
        until(lambda: waiting() == 1, what="the second decision waits for the first")
        another.cursor().execute("UPDATE consent_consentperiod SET until = now() WHERE until IS NULL")
        another.cursor().execute(
            "INSERT INTO consent_consentperiod (subject_kind, subject, state, since)"
            " VALUES ('user', %s, 'denied', now())",
            [USER],
        )
        another.cursor().execute("COMMIT")
        denied.result()
    assert Decision.objects.count() == 1
