"""Publishing a policy: what it does to grants and denials, and what it refuses."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from consent.decisions.consent_receipts import consent_receipt
from consent.decisions.recording import DecisionRefused, record_decision
from consent.decisions.status import consent_status
from consent.gate import barrier, gate
from consent.models import (
    ConsentPeriod,
    Decision,
    InForce,
    Method,
    Organization,
    PolicyVersion,
    State,
    SubjectKind,
    TelemetryUser,
)
from consent.policies import stale_grants
from consent.policies.activation import NotPublished, active_registry, adopt, bring_in, working_registry
from consent.policies.in_force import in_force
from consent.registry import registry
from consent.registry.registry import RegistryError, current_registry, files, from_text, load
from tests.support.declaring import MORE, PAIRING, collect
from tests.support.programs import until

pytestmark = pytest.mark.django_db(transaction=True)

USER, OTHER, ACME = "a" * 32, "c" * 32, "b" * 32


def decide(
    state: State, subject: str = USER, kind: SubjectKind = SubjectKind.USER, **more: object
) -> Decision:
    return record_decision(kind=kind, subject=subject, state=state, actor="test", method=Method.API, **more)


@pytest.fixture
def extension(tmp_path: Path, settings: LazySettings) -> Path:
    """The operator's own file, active and published, empty so far."""
    return collect(settings, tmp_path, "")


@pytest.fixture
def policy(tmp_path: Path) -> str:
    path = tmp_path / "policy.txt"
    path.write_text("What we collect, and why: another text.\n")
    return str(path)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("publish_policy", *arguments, stdout=out)
    return out.getvalue()


def refused(*arguments: str) -> str:
    before = PolicyVersion.objects.count()
    with pytest.raises(CommandError) as error:
        run(*arguments)
    assert PolicyVersion.objects.count() == before
    return str(error.value)


def allowed(user: str = USER, organization: str = "") -> bool:
    now = timezone.now()
    return gate.read_permissions({user} - {""}, {organization} - {""}, now).allows(organization, user, now)


# --- Material ---------------------------------------------------------------------------------------
def test_an_instance_begins_with_a_policy_that_says_what_it_collects() -> None:
    first = PolicyVersion.objects.get()
    assert (first.version, first.is_material, first.registry_digest) == (
        "1",
        False,
        current_registry().digest,
    )
    assert in_force() == ("1", None, current_registry().digest)


def test_a_material_version_makes_grants_stale_until_they_are_given_again(policy: str) -> None:
    decide(State.GRANTED)
    decide(State.GRANTED, ACME, SubjectKind.ORGANIZATION)
    assert allowed()
    output = run(policy)
    assert (
        "Published version 2. Grants stale until they are given again: 1 by users, 1 by organizations."
        in output
    )
    assert not allowed()
    assert TelemetryUser.objects.get(pseudonym=USER).state == State.STALE
    assert Organization.objects.get(pseudonym=ACME).state == State.STALE
    assert decide(State.GRANTED).policy_version == "2"
    assert allowed()
    assert TelemetryUser.objects.get(pseudonym=USER).state == State.GRANTED


def test_the_periods_have_no_gap(policy: str) -> None:
    decide(State.GRANTED)
    run(policy)
    granted, stale = ConsentPeriod.objects.order_by("since", "id")
    assert (granted.state, stale.state) == (State.GRANTED, State.STALE)
    assert granted.until == stale.since == PolicyVersion.objects.get(version="2").published_at
    assert stale.until is None


def test_denials_and_the_undecided_are_left_alone(policy: str) -> None:
    decide(State.DENIED)
    decide(State.UNSET, OTHER)
    before = list(ConsentPeriod.objects.values_list("subject", "state", "since", "until"))
    run(policy)
    assert list(ConsentPeriod.objects.values_list("subject", "state", "since", "until")) == before


def test_a_denial_while_stale_is_a_denial(policy: str) -> None:
    decide(State.GRANTED)
    run(policy)
    decide(State.DENIED)
    assert TelemetryUser.objects.get(pseudonym=USER).state == State.DENIED


def test_an_event_from_before_the_change_stays_out_after_a_new_grant(policy: str) -> None:
    decide(State.GRANTED, effective_at=timezone.now() - timedelta(hours=2))
    earlier = timezone.now() - timedelta(hours=1)
    run(policy)
    decide(State.GRANTED)
    now = timezone.now()
    permissions = gate.read_permissions({USER}, set(), now)
    assert not permissions.allows("", USER, earlier)
    assert permissions.allows("", USER, now)


def test_an_organizations_stale_grant_covers_its_undecided_users_no_longer(
    policy: str, settings: LazySettings
) -> None:
    settings.CONSENT_PROFILE_CLOUD = settings.CONSENT_PROFILE_SELF_HOSTED = "organization"
    decide(State.GRANTED, ACME, SubjectKind.ORGANIZATION)
    assert allowed(OTHER, ACME)
    run(policy)
    assert not allowed(OTHER, ACME)
    decide(State.GRANTED, ACME, SubjectKind.ORGANIZATION)
    assert allowed(OTHER, ACME)


def test_a_notice_is_stale_until_it_is_given_again(policy: str, settings: LazySettings) -> None:
    settings.CONSENT_PROFILE_CLOUD = settings.CONSENT_PROFILE_SELF_HOSTED = "notice"
    settings.CONSENT_NOTICE_SINCE = (timezone.now() - timedelta(days=1)).isoformat()
    assert allowed(OTHER, ACME)
    run(policy)
    assert not allowed(OTHER, ACME)
    settings.CONSENT_NOTICE_SINCE = timezone.now().isoformat()
    assert allowed(OTHER, ACME)


def test_a_grant_to_a_version_that_is_no_longer_enough_is_refused(policy: str) -> None:
    run(policy)
    with pytest.raises(DecisionRefused, match="policy version 1, but version 2 is in force"):
        decide(State.GRANTED, policy_version="1")
    with pytest.raises(DecisionRefused, match="before the last material change of the policy"):
        decide(State.GRANTED, effective_at=timezone.now() - timedelta(days=1))
    with pytest.raises(DecisionRefused, match="shown does not exist"):
        decide(State.GRANTED, policy_version="17")
    assert decide(State.DENIED, policy_version="1").policy_version == "1"
    assert decide(State.GRANTED, policy_version="2").policy_version == "2"


def test_nobody_decides_to_be_stale() -> None:
    with pytest.raises(DecisionRefused):
        decide(State.STALE)


# --- While it is written down for many --------------------------------------------------------------
def test_nobody_waits_until_it_is_written_down_for_everybody(
    policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 200,000 users, writing takes five seconds. Here it stops after one; yet all are stale."""
    monkeypatch.setattr(stale_grants, "BATCH", 1)
    decide(State.GRANTED)
    decide(State.GRANTED, OTHER)
    with closing(connections["default"].copy()) as another, ThreadPoolExecutor(1) as pool:
        another.cursor().execute("BEGIN")
        lock = "SELECT FROM consent_telemetryuser WHERE pseudonym = %s FOR UPDATE"
        another.cursor().execute(lock, [OTHER])
        try:
            publication = pool.submit(run_and_close, policy)
            stale = ConsentPeriod.objects.filter(subject=USER, state=State.STALE)
            until(stale.exists, what="the first grant has ended")
            assert not publication.done()
            assert not allowed(OTHER)
            assert consent_status(SubjectKind.USER, OTHER).is_stale
            assert decide(State.DENIED).policy_version == "2"
        finally:
            another.cursor().execute("ROLLBACK")
        publication.result()
    assert TelemetryUser.objects.get(pseudonym=OTHER).state == State.STALE
    assert TelemetryUser.objects.get(pseudonym=USER).state == State.DENIED


@pytest.fixture
def interrupted(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 2 was published, but the process was killed before anybody's grant was ended."""
    decide(State.GRANTED)
    with monkeypatch.context() as patch:
        patch.setattr(stale_grants, "_end_grants", lambda kind, at: 0)
        run(policy)
    assert ConsentPeriod.objects.get().state == State.GRANTED


@pytest.mark.usefixtures("interrupted")
def test_an_interrupted_publication_holds_and_is_completed_by_the_next_start() -> None:
    assert not allowed()
    assert consent_status(SubjectKind.USER, USER).is_stale
    assert consent_receipt("user", USER)["consent_state"] == State.STALE
    bring_in(actor="test")
    granted, stale = ConsentPeriod.objects.order_by("since", "id")
    assert granted.until == stale.since == in_force().material_since
    assert TelemetryUser.objects.get().state == State.STALE


@pytest.mark.usefixtures("interrupted")
@pytest.mark.parametrize("state", [State.GRANTED, State.DENIED, State.UNSET])
def test_a_decision_completes_it_for_its_subject(state: State) -> None:
    between = timezone.now()
    decide(state)
    periods = ConsentPeriod.objects.order_by("since", "id")
    assert [period.state for period in periods] == [State.GRANTED, State.STALE, state]
    assert not gate.read_permissions({USER}, set(), timezone.now()).allows("", USER, between)
    assert allowed() == (state == State.GRANTED)


@pytest.mark.usefixtures("interrupted")
def test_another_publication_completes_it_first(tmp_path: Path) -> None:
    (tmp_path / "later.txt").write_text("Later.")
    first = in_force().material_since
    run(str(tmp_path / "later.txt"))
    assert ConsentPeriod.objects.get(state=State.STALE).since == first


def test_a_grant_that_another_clock_has_dated_ahead_is_stale_too(policy: str) -> None:
    decide(State.GRANTED)
    ConsentPeriod.objects.update(since=timezone.now() + timedelta(seconds=3))
    run(policy)
    assert TelemetryUser.objects.get().state == State.STALE
    decide(State.GRANTED, OTHER)
    assert not consent_status(SubjectKind.USER, OTHER).is_stale


def test_a_material_change_is_never_dated_before_an_earlier_one(
    policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = timezone.now() + timedelta(seconds=30)
    monkeypatch.setattr("django.utils.timezone.now", lambda: ahead)
    run(policy)
    monkeypatch.undo()
    Path(policy).write_text("Yet another text.")
    run(policy)
    first, second = PolicyVersion.objects.filter(is_material=True).order_by("id")
    assert first.published_at < second.published_at == in_force().material_since


def run_and_close(*arguments: str) -> None:
    try:
        run(*arguments)
    finally:
        connections.close_all()


# --- Editorial --------------------------------------------------------------------------------------
def test_an_editorial_version_leaves_grants_alone(policy: str) -> None:
    decide(State.GRANTED)
    assert "an editorial change: grants stay" in run(policy, "--editorial")
    assert allowed()
    assert decide(State.DENIED).policy_version == "2"


def test_editorial_is_refused_when_more_is_collected(extension: Path, policy: str) -> None:
    decide(State.GRANTED)
    extension.write_text(MORE)
    output = refused(policy, "--editorial")
    assert "this is not an editorial change" in output
    assert "'colour_scheme' is now collected (Colour scheme)" in output
    assert allowed()
    assert "colour_scheme" not in active_registry().attributes


def test_editorial_is_refused_when_events_are_kept_longer(policy: str, settings: LazySettings) -> None:
    settings.EVENT_RETENTION_MONTHS = 24
    assert "events are kept for 24 months instead of 12" in refused(policy, "--editorial")


# --- What is published, and what not ----------------------------------------------------------------
def test_publishing_makes_the_registry_active(extension: Path) -> None:
    extension.write_text(MORE)
    assert "'colour_scheme' is now collected" in run()
    assert "colour_scheme" in active_registry().attributes
    assert PolicyVersion.objects.latest("id").text == PolicyVersion.objects.earliest("id").text


def test_a_dry_run_tells_and_changes_nothing(extension: Path) -> None:
    decide(State.GRANTED)
    extension.write_text(MORE)
    output = run("--dry-run")
    assert "material: 'colour_scheme' is now collected" in output
    assert "would make grants stale: 1 by users, 0 by organizations." in output
    assert PolicyVersion.objects.count() == 1
    assert allowed()


def test_nothing_new_is_not_published() -> None:
    assert "nothing has changed since version 1" in refused()


@pytest.mark.parametrize("version", ["1", "two words", "-x", "9" * 41])
def test_versions_are_new_and_plain(policy: str, version: str) -> None:
    assert "version" in refused(policy, f"--version={version}")


def test_a_version_that_is_no_number_has_no_next_one(policy: str, tmp_path: Path) -> None:
    run(policy, "--version", "2026-11")
    (tmp_path / "later.txt").write_text("Later.")
    assert "name the version" in refused(str(tmp_path / "later.txt"))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "cannot be read" in refused(str(tmp_path / "none.txt"))


@pytest.mark.parametrize("change", ["text = ''", "is_material = false"])
def test_what_is_published_cannot_be_changed(policy: str, change: str) -> None:
    run(policy)
    for statement in (f"UPDATE consent_policyversion SET {change}", "DELETE FROM consent_policyversion"):
        with pytest.raises(IntegrityError, match="append-only"), connections["default"].cursor() as cursor:
            cursor.execute(statement)


def test_ingest_in_flight_is_waited_for(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a request that has read the old state holds its bucket, publishing cannot be certain."""
    monkeypatch.setattr(barrier, "WAIT", "200ms")
    with transaction.atomic(using="analytics"), connections["analytics"].cursor() as cursor:
        cursor.execute(barrier.LOCK_SHARED, [barrier.LOCK_SPACE, [barrier.bucket(USER)]])
        ended: list[str] = []

        def another() -> None:
            try:
                run(policy)
            except CommandError as error:
                ended.append(str(error))
            finally:
                connections.close_all()

        thread = threading.Thread(target=another)
        thread.start()
        thread.join()
    assert "events in flight could not be ruled out" in ended[0]


def test_reloading_again_waits_again_for_ingest_in_flight(
    extension: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(barrier, "WAIT", "100ms")
    extension.write_text(MORE)
    run()
    extension.write_text("")
    with closing(connections["analytics"].copy()) as sender:
        sender.cursor().execute("BEGIN")
        sender.cursor().execute(barrier.LOCK_SHARED, [barrier.LOCK_SPACE, [barrier.bucket(USER)]])
        for _ in range(2):
            with pytest.raises(CommandError, match="Active, but events in flight could not be ruled out"):
                call_command("reload_registry")
        sender.cursor().execute("ROLLBACK")
    call_command("reload_registry", stdout=StringIO())
    assert "colour_scheme" not in active_registry().attributes


def test_grants_and_publications_at_once_leave_no_old_grant_standing(tmp_path: Path) -> None:
    """Every grant that holds at the end was recorded under the last version."""
    stop, failures = threading.Event(), []

    def grant(writer: int) -> None:
        number = 0
        try:
            while not stop.is_set():
                number += 1
                decide(State.DENIED if number % 3 == 0 else State.GRANTED, f"{writer * 7 + number % 5:032x}")
        except Exception as error:
            failures.append(error)
        finally:
            connections.close_all()

    writers = [threading.Thread(target=grant, args=(writer,)) for writer in range(4)]
    for thread in writers:
        thread.start()
    try:
        for number in range(6):
            (tmp_path / "text.txt").write_text(f"Text {number}.")
            run(str(tmp_path / "text.txt"))
    finally:
        stop.set()
        for thread in writers:
            thread.join()
    assert not failures
    last = in_force().policy_version
    for user in TelemetryUser.objects.filter(state=State.GRANTED):
        granted = Decision.objects.filter(subject=user.pseudonym, state=State.GRANTED).latest("number")
        assert granted.policy_version == last
    for user in TelemetryUser.objects.all():
        assert ConsentPeriod.objects.get(subject=user.pseudonym, until=None).state == user.state


# --- The active registry ----------------------------------------------------------------------------
def test_less_becomes_active_without_a_policy_and_may_come_back(extension: Path) -> None:
    extension.write_text(MORE)
    run()
    extension.write_text("")
    out = StringIO()
    call_command("reload_registry", stdout=out)
    assert "'colour_scheme' is no longer collected" in out.getvalue()
    assert "colour_scheme" not in active_registry().attributes
    extension.write_text(MORE)
    call_command("reload_registry", stdout=out)  # it is still what the published policy says
    assert "colour_scheme" in active_registry().attributes


def test_more_does_not_become_active_without_a_policy(extension: Path) -> None:
    before = InForce.objects.values().get()
    extension.write_text(MORE)
    with pytest.raises(NotPublished):
        bring_in(actor="test")
    with pytest.raises(CommandError, match="colour_scheme"):
        call_command("reload_registry")
    assert InForce.objects.values().get() == before


def test_broken_files_are_refused_mistake_by_mistake_and_the_old_registry_stays(extension: Path) -> None:
    before = InForce.objects.values().get()
    extension.write_text(
        MORE.replace('"choice"', '"colour"').replace('tier = "detailed"\n', "") + "[surprise]\n"
    )
    for command in ("reload_registry", "publish_policy"):
        with pytest.raises(CommandError) as error:
            call_command(command)
        assert "unknown section 'surprise'" in str(error.value)
        assert "'tier' is missing" in str(error.value)
    assert InForce.objects.values().get() == before
    assert "colour_scheme" not in active_registry().attributes


def test_what_is_active_is_the_same_as_what_was_declared(extension: Path) -> None:
    extension.write_text(MORE + PAIRING)
    run()
    declared, active = load(files()), from_text(InForce.objects.get().registry)
    assert active.digest == declared.digest
    assert active.content() == declared.content()
    assert list(active.attributes) == list(declared.attributes)
    assert active.clean("colour_scheme", "DARK") == declared.clean("colour_scheme", "DARK")


def test_an_unreadable_active_registry_is_no_registry() -> None:
    InForce.objects.update(registry="{}", registry_digest="0" * 64)
    with pytest.raises(RegistryError):
        active_registry()


def test_with_broken_files_the_active_registry_goes_on_working(
    extension: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extension.write_text(MORE)
    run()
    extension.write_text("[surprise]\n")
    monkeypatch.setattr(registry, "_current", None)
    assert "colour_scheme" in working_registry().attributes
    monkeypatch.setattr(registry, "_current", None)
    assert "colour_scheme" in adopt(in_force().registry_digest).attributes
    monkeypatch.setattr(registry, "_current", None)
    InForce.objects.all().delete()
    with pytest.raises(RegistryError, match="no registry is active"):
        adopt("0" * 64)
