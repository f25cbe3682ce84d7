"""The gate's table is what the decision log says: whatever was changed by hand in it is found and named."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from importlib import import_module
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from analytics.models import JobRun
from analytics.tasks import verify_consent_log
from consent.decisions import derivation, gate_table
from consent.decisions.recording import record_decision
from consent.decisions.tombstones import ask_for_erasure
from consent.decisions.verification import ConsentLogBroken, verify
from consent.gate import gate
from consent.models import ConsentPeriod, Method, State, SubjectKind, TelemetryUser, Tombstone
from consent.policies import publishing, stale_grants
from consent.pseudonyms import pseudonym
from telemetry_site import health, metrics
from tests.support.pages import one_line

pytestmark = pytest.mark.django_db(transaction=True)

USER, ORGANIZATION = SubjectKind.USER, SubjectKind.ORGANIZATION
JANE, JIM, ACME = "c" * 32, "d" * 32, "a" * 32


def decide(state: State, subject: str = JANE, kind: SubjectKind = USER, **more: object) -> None:
    record_decision(kind=kind, subject=subject, state=state, actor="test", method=Method.API, **more)


@pytest.fixture
def history() -> None:
    """Jim agrees. Jane agreed, was made stale, agreed again and has opted out. Acme agreed and is stale."""
    decide(State.GRANTED)
    decide(State.GRANTED, ACME, ORGANIZATION)
    publish()
    decide(State.GRANTED)
    decide(State.GRANTED, JIM)
    decide(State.DENIED)


def publish(**more: object) -> None:
    publishing.publish(text=f"Another text, {timezone.now()}.", actor="tests", **more)


def sql(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.rowcount


def row(subject: str, **more: object) -> ConsentPeriod:
    return ConsentPeriod.objects.get(subject=subject, **more)


def found() -> list[str]:
    """The differences, as the command says them."""
    with pytest.raises(CommandError) as broken:
        call_command("verify_consent_log", stdout=StringIO())
    assert broken.value.returncode == 1
    first, *named = str(broken.value).splitlines()
    assert first == f"The gate's table is not what the log says: {len(named)} differences."
    return named


def is_clean() -> bool:
    verdict = verify()
    assert [verdict.faults, verdict.differences.named] == [[], []]
    return verdict.differences.count == 0


def allowed(user: str) -> bool:
    now = timezone.now()
    return gate.read_permissions([user], [], now).allows("", user, now)


# --- Changed by hand --------------------------------------------------------------------------------
def test_one_update_opens_the_gate_and_is_found(history: None) -> None:
    assert is_clean()
    denied = row(JANE, until=None)
    assert not allowed(JANE)
    sql(f"UPDATE consent_consentperiod SET state = 'granted' WHERE id = {denied.pk}")
    assert allowed(JANE)
    (problem,) = found()
    assert problem.startswith(f"Row {denied.pk} (user {JANE}): granted from {denied.since:%F %T.%f} UTC")
    assert problem.endswith(f"the log says denied from {denied.since:%F %T.%f} UTC and still.")


@pytest.mark.parametrize("stranger", ["0" * 32, "b" * 32, "e" * 32], ids=["first", "between", "last"])
def test_an_inserted_row_is_found(history: None, stranger: str) -> None:
    sql(
        "INSERT INTO consent_consentperiod (subject_kind, subject, state, since)"
        f" VALUES ('user', '{stranger}', 'granted', now() - interval '1 year')"
    )
    (problem,) = found()
    assert problem.startswith(f"Row {row(stranger).pk} (user {stranger}): granted from ")
    assert problem.endswith("; no decision explains it.")


def test_an_inserted_row_of_somebody_who_has_decided_is_found(history: None) -> None:
    sql(
        "INSERT INTO consent_consentperiod (subject_kind, subject, state, since, until)"
        f" VALUES ('user', '{JANE}', 'granted', '2020-01-01', now())"
    )
    (problem,) = found()
    assert problem.startswith(f"Row {ConsentPeriod.objects.latest('pk').pk} (user {JANE})")


def test_a_deleted_row_is_found(history: None) -> None:
    sql(f"DELETE FROM consent_consentperiod WHERE subject = '{JANE}' AND state = 'denied'")
    (problem,) = found()
    assert problem.startswith(f"No row (user {JANE}): the log says denied from ")


def test_all_rows_of_somebody_deleted_are_found(history: None) -> None:
    assert sql(f"DELETE FROM consent_consentperiod WHERE subject = '{JANE}'") == 4
    assert [problem.partition(":")[0] for problem in found()] == [f"No row (user {JANE})"] * 4


@pytest.mark.parametrize(
    ("whose", "change"),
    [
        (JIM, "since = since - interval '1 microsecond'"),
        (JIM, "since = since - interval '1 year'"),
        (JIM, "until = now()"),
        (JIM, "is_superseded = true"),
        (JIM, "subject = repeat('e', 32)"),
        (JIM, "subject_kind = 'organization'"),
        (ACME, "state = 'denied'"),
    ],
)
def test_a_changed_row_is_found(history: None, whose: str, change: str) -> None:
    open_row = row(whose, until=None)
    sql(f"UPDATE consent_consentperiod SET {change} WHERE id = {open_row.pk}")
    assert any(problem.startswith(f"Row {open_row.pk} ") for problem in found())


def test_a_refusal_dated_earlier_is_found_behind_a_later_grant(history: None) -> None:
    """The shifted date lets in what was refused for good: events from before the withdrawal."""
    decide(State.GRANTED)
    denied, granted = row(JANE, state=State.DENIED), row(JANE, until=None)
    sql(f"UPDATE consent_consentperiod SET since = '2020-01-01' WHERE id IN ({denied.pk}, {granted.pk})")
    assert {f"Row {denied.pk}", f"Row {granted.pk}"} <= {problem.partition(" (")[0] for problem in found()}


def test_a_withdrawn_grant_that_the_gate_reads_again_is_found(history: None) -> None:
    sql(f"UPDATE consent_consentperiod SET is_superseded = false WHERE subject = '{JANE}'")
    assert len(found()) == 3


def test_a_grant_made_to_outlive_a_material_change_is_found(history: None) -> None:
    granted, stale = ConsentPeriod.objects.filter(subject=ACME).order_by("pk")
    stale.delete()
    sql(f"UPDATE consent_consentperiod SET until = NULL WHERE id = {granted.pk}")
    assert is_clean()  # the gate reads it as stale, from the one row that says what is in force
    sql("UPDATE consent_inforce SET material_since = NULL")
    policy, *problems = found()
    assert policy.startswith("The row of consent_inforce: the last material change is never; the policy")
    assert [problem.partition(" (")[0] for problem in problems] == [f"Row {granted.pk}", "No row"]


def test_a_policy_version_that_is_no_longer_material_is_found(history: None) -> None:
    sql("ALTER TABLE consent_policyversion DISABLE TRIGGER no_change")
    try:
        sql("UPDATE consent_policyversion SET is_material = false")
    finally:
        sql("ALTER TABLE consent_policyversion ENABLE ALWAYS TRIGGER no_change")
    assert len(found()) > 3


def test_the_flag_of_demo_data_excuses_nobody(history: None) -> None:
    TelemetryUser.objects.filter(pseudonym=JANE).update(is_demo=True)
    sql(f"UPDATE consent_consentperiod SET state = 'granted' WHERE subject = '{JANE}' AND until IS NULL")
    assert len(found()) == 1


def test_rows_are_compared_beside_a_broken_log_too(history: None) -> None:
    sql("UPDATE consent_decisionhead SET signature = repeat('0', 64)")
    sql(f"UPDATE consent_consentperiod SET state = 'granted' WHERE subject = '{JANE}' AND until IS NULL")
    verdict = verify()
    assert (len(verdict.faults), verdict.differences.count) == (1, 1)


# --- Tombstones -------------------------------------------------------------------------------------
def erased(subject: str = JIM) -> Tombstone:
    ask_for_erasure(kind=USER, pseudonym=subject, actor="test", method=Method.API)
    return Tombstone.objects.get(subject=subject)


def test_a_tombstone_that_is_gone_or_moved_is_found(history: None) -> None:
    stone = erased()
    assert is_clean()
    sql(f"UPDATE consent_tombstone SET until = until - interval '1 day' WHERE id = {stone.pk}")
    (moved,) = found()
    assert moved.startswith(f"Tombstone {stone.pk} (user {JIM}): refuses events up to ")
    stone.delete()
    (gone,) = found()
    assert gone.startswith(f"No tombstone (user {JIM}): an erasure was asked for up to ")


def test_a_tombstone_that_nobody_asked_for_is_found(history: None) -> None:
    stone = Tombstone.objects.create(kind="organization", subject=ACME, until=timezone.now())
    (problem,) = found()
    assert problem.startswith(f"Tombstone {stone.pk} (organization {ACME})")
    assert problem.endswith("; no erasure was asked for.")


# --- What is no difference --------------------------------------------------------------------------
def test_a_material_change_not_yet_written_into_the_rows(
    history: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "end_grants", lambda: stale_grants.EndedGrants(0, 0))
    publish()
    assert row(JIM).until is None
    assert is_clean()
    monkeypatch.undo()
    stale_grants.end_grants()
    assert row(JIM, until=None).state == State.STALE
    assert is_clean()


@contextmanager
def published_meanwhile(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A decision in this block was begun before the last publication: it does not know of it."""
    before = stale_grants.in_force()._replace(material_since=None)
    monkeypatch.setattr("consent.decisions.recording.in_force", lambda: before)
    yield
    monkeypatch.undo()


def test_a_denial_that_began_before_a_publication(monkeypatch: pytest.MonkeyPatch) -> None:
    decide(State.GRANTED)
    monkeypatch.setattr(publishing, "end_grants", lambda: stale_grants.EndedGrants(0, 0))
    publish()
    with published_meanwhile(monkeypatch):
        decide(State.DENIED)
    assert [one.state for one in ConsentPeriod.objects.order_by("pk")] == ["granted", "denied"]
    assert is_clean()
    monkeypatch.setattr(publishing, "end_grants", stale_grants.end_grants)
    decide(State.GRANTED)
    publish()
    decide(State.GRANTED)  # just after a publication, too, but this one knows of it
    assert is_clean()
    monkeypatch.setattr(derivation, "UNAWARE_FOR", timedelta(0))
    assert len(found()) == 2


def test_a_grant_given_again_by_a_clock_that_is_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    decide(State.GRANTED)
    ahead = timezone.now() + timedelta(seconds=5)
    monkeypatch.setattr("django.utils.timezone.now", lambda: ahead)
    decide(State.GRANTED)
    monkeypatch.undo()
    publish()
    assert [one.state for one in ConsentPeriod.objects.order_by("pk")] == ["granted", "stale"]
    assert is_clean()


def test_rows_from_before_they_were_marked_as_passed_over_are_marked_by_the_migration(history: None) -> None:
    for state in (State.GRANTED, State.UNSET):
        decide(state, JIM)
        decide(state, ACME, ORGANIZATION)
    sql("UPDATE consent_consentperiod SET is_superseded = false")
    assert len(found()) > 3
    migration = import_module("consent.migrations.0011_superseded_up_to_date")
    sql(migration.MARK)
    assert is_clean()


def test_a_row_put_back_with_another_id_is_no_difference(history: None) -> None:
    gone = row(JANE, state=State.STALE)
    gone.delete()
    assert len(found()) == 1
    gone.pk = None
    gone.save()
    assert is_clean()


def test_decisions_about_demo_subjects_outlast_the_demo_data() -> None:
    call_command("seed_demo", "--days", "3", "--events", "100", "--users", "10", stdout=StringIO())
    for number in range(12):
        decide(State.DENIED, pseudonym("user", f"demo-user-{number}"))
    assert is_clean()
    call_command("seed_demo", "--remove", stdout=StringIO())
    assert is_clean()


def test_a_grant_given_twice_or_for_more_begins_nothing_new() -> None:
    for level in (None, "account", "detailed"):
        decide(State.GRANTED, ACME, ORGANIZATION, level=level)
    assert ConsentPeriod.objects.count() == 1
    assert is_clean()


def test_decisions_dated_before_they_were_recorded() -> None:
    long_ago = timezone.now() - timedelta(days=30)
    for days, state in enumerate((State.GRANTED, State.UNSET, State.GRANTED, State.DENIED, State.GRANTED)):
        decide(state, effective_at=long_ago + timedelta(days=days))
    assert is_clean()


def test_demo_data_has_periods_and_no_decisions() -> None:
    for kind, state in (("user", State.GRANTED), ("organization", State.DENIED)):
        name = pseudonym(kind, f"demo-{kind}-7")
        ConsentPeriod.objects.create(subject_kind=kind, subject=name, state=state, since=timezone.now())
    assert is_clean()


# --- What staff and operators see -------------------------------------------------------------------
def opened(subject: str = JANE) -> int:
    open_row = row(subject, until=None)
    sql(f"UPDATE consent_consentperiod SET state = 'granted' WHERE id = {open_row.pk}")
    return open_row.pk


def test_the_job_says_how_much_it_verified(history: None) -> None:
    words = "5 decisions and 7 rows of the gate’s table verified, 0 differences."
    assert verify_consent_log() == words
    assert JobRun.objects.get(job="verify consent log").summary == words
    health._consent_log()


def test_a_difference_stands_on_pipeline_in_ready_and_in_metrics_without_a_name(history: None) -> None:
    number = opened()
    with pytest.raises(ConsentLogBroken):
        verify_consent_log()
    run = JobRun.objects.get(job="verify consent log")
    assert run.outcome == JobRun.Outcome.FAILED
    assert run.summary.endswith(f"1 differences between gate and log: row {number}")
    staff = Client()
    staff.force_login(User.objects.create_user("mira", password="mira-mira", is_staff=True))
    assert f"row {number}" in one_line(staff.get("/dashboards/pipeline/"))
    with pytest.raises(
        health.NotWell, match=r"not what was recorded \(verified at .*manage.py verify_consent"
    ):
        health._consent_log()
    (sample,) = [one for one in metrics._failures().samples if one.labels == {"job": "verify consent log"}]
    assert sample.value == 1


def test_ready_says_so_without_stopping_to_receive(history: None) -> None:
    JobRun.objects.create(job="beat", started_at=timezone.now(), ended_at=timezone.now(), outcome="done")
    opened()
    with pytest.raises(ConsentLogBroken):
        verify_consent_log()
    health._looks.clear()
    answer = Client().get("/ready?part=consent_log")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert "not what was recorded" in answer.json()["parts"]["consent_log"]


def test_a_later_run_that_finds_nothing_ends_it_and_one_that_broke_off_does_not(history: None) -> None:
    number = opened()
    with pytest.raises(ConsentLogBroken):
        verify_consent_log()
    JobRun.objects.create(
        job="verify consent log",
        started_at=timezone.now(),
        outcome="failed",
        summary="OperationalError: gone",
    )
    with pytest.raises(health.NotWell):
        health._consent_log()
    sql(f"UPDATE consent_consentperiod SET state = 'denied' WHERE id = {number}")
    call_command("verify_consent_log", stdout=StringIO())
    health._consent_log()


def test_many_differences_are_counted_and_the_first_are_named(
    history: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_table, "NAMED", 5)
    sql(
        "UPDATE consent_consentperiod SET since = since - interval '1 second', until = until - interval '1 s'"
    )
    with pytest.raises(CommandError, match=r"the log says: 7 differences\.\n(.*\n){5}And 2 more\.$"):
        call_command("verify_consent_log", stdout=StringIO())


def test_a_long_history_is_compared_a_few_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_table, "AHEAD", 3)
    monkeypatch.setattr(gate_table, "AT_ONCE", 2)
    begin = timezone.now() - timedelta(days=1)
    for minute in range(12):
        moment: datetime = begin + timedelta(minutes=minute)
        decide(State.UNSET if minute % 2 else State.GRANTED, effective_at=moment)
    assert is_clean()
    gone = ConsentPeriod.objects.order_by("pk")[6]
    gone.delete()
    (problem,) = found()
    assert problem.startswith(f"No row (user {JANE}): the log says granted from {gone.since:%F %T.%f}")
