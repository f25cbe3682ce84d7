"""Erasure: everything of a subject goes, nobody else's does, and the receipt says so."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections
from django.test import Client
from django.utils import timezone

from analytics.customers.reports import record_analytics, record_heartbeat
from analytics.erasure import derived, event_rows, receipts, remains, run
from analytics.jobs import runs
from analytics.models import (
    CustomerAnalytics,
    CustomerHeartbeat,
    EndpointUsage,
    FeatureUsage,
    Installation,
    JobRun,
    License,
    UserActivity,
)
from consent.decisions.recording import record_decision, register_organization
from consent.decisions.status import consent_status
from consent.decisions.tombstones import ask_for_erasure
from consent.keys import issue_key
from consent.models import ErasureRequest, Method, Organization, State, SubjectKind, Tombstone
from consent.pseudonyms import KINDS, pseudonym
from tests.support.events import activity, endpoint, feature, installation
from tests.support.failing import refusing
from tests.support.otlp import a_key, post, span, traces
from tests.support.programs import until

pytestmark = pytest.mark.django_db(transaction=True)

USER, ORGANIZATION = SubjectKind.USER, SubjectKind.ORGANIZATION
JANE, ACME = pseudonym("user", "jane"), pseudonym("organization", "acme")
SESSION, OTHER_SESSION = pseudonym("session", "s-1"), pseudonym("session", "s-2")
ANONYMOUS = f"anon:{SESSION[:27]}"
# Of these months partitions stand: what a test makes here, others would find.
DAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=10)


def ask(kind=USER, subject=JANE, **more):
    return ask_for_erasure(
        kind=kind, pseudonym=subject, actor="test", method=Method.API, reason="asked by letter", **more
    )


def carry_out() -> None:
    assert runs.run_job("erasure", run.carry_out).outcome == JobRun.Outcome.DONE


def erased(kind=USER, subject=JANE):
    """Ask, work it off, and the receipt."""
    request = ask(kind, subject)
    carry_out()
    request.refresh_from_db()
    assert request.problem == ""
    assert request.state == ErasureRequest.Stage.DONE
    return request.receipt


def decide(state, kind=USER, subject=JANE):
    record_decision(kind=kind, subject=subject, state=state, actor="test", method=Method.API)


def rows() -> dict[str, list[str]]:
    """Whose rows there are."""
    return {
        model.__name__: sorted(model.objects.values_list("user_id", flat=True))
        for model in (UserActivity, EndpointUsage, FeatureUsage)
    }


def jane_has_rows() -> None:
    activity(JANE, DAY, session=SESSION)
    activity(ANONYMOUS, DAY - timedelta(days=200), session=SESSION, event_type="session_start")
    feature(JANE, DAY)
    feature(JANE, DAY + timedelta(days=3))
    feature(ANONYMOUS, DAY)
    endpoint(JANE, DAY)


def test_a_users_rows_go_from_every_table_with_their_sessions_and_nobody_elses() -> None:
    jane_has_rows()
    activity("f" * 32, DAY, session=OTHER_SESSION)
    feature(f"anon:{OTHER_SESSION[:27]}", DAY)
    receipt = erased()
    assert rows() == {
        "UserActivity": ["f" * 32],
        "EndpointUsage": [],
        "FeatureUsage": [f"anon:{OTHER_SESSION[:27]}"],
    }
    assert receipt["deleted"] == {
        "analytics_endpoint_usage": 1,
        "analytics_feature_usage": 3,
        "analytics_user_activity": 2,
    }
    assert (receipt["subject"], receipt["kind"], receipt["sessions"]) == (JANE, "user", 1)
    assert {place["where"] for place in receipt["remains"]} == {
        "consent_tombstone.subject",
        "consent_tombstone.user",
        "consent_erasurerequest.pseudonym",
        "consent_erasurerequest.receipt",
    }
    assert receipt["searched"]["tables"] > 20


def test_more_rows_than_a_statement_takes_go_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_rows, "BATCH", 3)
    for minute in range(10):
        feature(JANE, DAY + timedelta(minutes=minute))
    assert erased()["deleted"] == {"analytics_feature_usage": 10}
    assert rows()["FeatureUsage"] == []


def test_an_organizations_erasure_takes_rows_reports_licence_label_and_installations() -> None:
    now = timezone.now()
    register_organization(pseudonym=ACME, label="Acme Corp.", deployment_type="cloud")
    _, key = issue_key(name="a key", scopes=["heartbeat"], organization_pseudonym=ACME)
    License.objects.create(key_id=key.pk, customer_name="Acme")
    License.objects.create(key_id=key.pk + 1, customer_name="Another")
    CustomerHeartbeat.objects.create(organization_id=ACME, timestamp=now, metrics={}, received_at=now)
    CustomerAnalytics.objects.create(organization_id=ACME, date=now.date(), analytics={}, received_at=now)
    installation(7)
    kept = installation(1)
    Installation.objects.filter(pk=kept.pk).update(pseudonym="e" * 32)
    feature(JANE, DAY, organization_id=ACME)
    feature(f"anon:{7:032x}"[:32], DAY, organization_id=ACME)
    feature(JANE, DAY, organization_id="b" * 32)
    receipt = erased(ORGANIZATION, ACME)
    assert receipt["deleted"] == {
        "analytics_feature_usage": 2,
        "analytics_customerheartbeat": 1,
        "analytics_customeranalytics": 1,
        "analytics_installation": 1,
        "analytics_installationevent": 1,
        "analytics_license": 1,
        "consent_organization.label": 1,
    }
    assert rows()["FeatureUsage"] == [JANE]
    assert [installation.pk for installation in Installation.objects.all()] == [kept.pk]
    assert [licence.customer_name for licence in License.objects.all()] == ["Another"]
    organization = Organization.objects.get(pseudonym=ACME)
    assert (organization.label, organization.deployment_type) == ("", "cloud")


def test_an_organization_that_withdraws_keeps_licence_and_label() -> None:
    register_organization(pseudonym=ACME, label="Acme Corp.")
    _, key = issue_key(name="a key", scopes=["heartbeat"], organization_pseudonym=ACME)
    License.objects.create(key_id=key.pk, customer_name="Acme")
    decide(State.GRANTED, ORGANIZATION, ACME)
    feature(JANE, DAY, organization_id=ACME)
    decide(State.DENIED, ORGANIZATION, ACME)
    carry_out()
    assert rows()["FeatureUsage"] == []
    assert License.objects.exists()
    assert Organization.objects.get(pseudonym=ACME).label == "Acme Corp."


def test_reports_dated_up_to_the_erasure_are_not_taken_again() -> None:
    now = timezone.now()
    ask(ORGANIZATION, ACME)
    late = record_heartbeat(organization=ACME, timestamp=now - timedelta(hours=1), metrics={"a": 1})
    day = record_analytics(organization=ACME, day=now.date(), analytics={"a": 1})
    newer = record_heartbeat(
        organization=ACME, timestamp=timezone.now() + timedelta(seconds=1), metrics={"a": 1}
    )
    assert [late.outcome, day.outcome, newer.outcome] == ["not_kept", "not_kept", "stored"]
    assert "erased" in late.warnings[0]


def test_asked_for_again_while_it_waits_it_is_the_same_request_with_a_later_tombstone() -> None:
    first, second = ask(), ask()
    assert first.pk == second.pk
    assert second.until > first.until
    assert Tombstone.objects.get().until == second.until


@pytest.mark.parametrize("setting", ["erase", "keep"])
def test_a_withdrawal_asks_for_erasure_unless_it_is_set_to_keep(settings, setting: str) -> None:
    settings.ON_WITHDRAWAL = setting
    decide(State.GRANTED)
    decide(State.DENIED)
    decide(State.DENIED)
    assert ErasureRequest.objects.count() == (setting == "erase")


def test_who_says_no_before_anything_could_be_kept_leaves_nothing_to_erase() -> None:
    decide(State.DENIED)
    assert not ErasureRequest.objects.exists()


@pytest.fixture
def notice(settings) -> None:
    """The undecided are kept."""
    settings.CONSENT_PROFILE_CLOUD = settings.CONSENT_PROFILE_SELF_HOSTED = "notice"
    settings.CONSENT_NOTICE_SINCE = (timezone.now() - timedelta(days=30)).isoformat()


def jane_is_sent(client: Client, key: str) -> None:
    event = span(at=timezone.now(), attributes={"user.id": "jane", "feature.name": "export"})
    assert post(client, "/v1/traces", traces(event), key).status_code == 200


@pytest.mark.usefixtures("notice")
def test_what_an_earlier_profile_kept_of_the_undecided_is_erased_when_they_opt_out(
    client: Client, settings
) -> None:
    jane_is_sent(client, a_key()[0])
    assert rows()["FeatureUsage"] == [JANE]
    settings.CONSENT_PROFILE_CLOUD = settings.CONSENT_PROFILE_SELF_HOSTED = "strict"
    decide(State.DENIED)
    carry_out()
    assert rows()["FeatureUsage"] == []


@pytest.mark.usefixtures("notice")
def test_the_first_event_of_all_the_undecided_waits_for_an_opt_out_under_way(client: Client) -> None:
    key, _ = a_key()

    def in_a_thread(what: Callable[..., None], *of: object) -> None:
        try:
            what(*of)
        finally:
            connections.close_all()

    def waiting() -> int:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
            return cursor.fetchone()[0]

    with closing(connections["default"].copy()) as another, ThreadPoolExecutor(2) as pool:
        another.cursor().execute("BEGIN")
        another.cursor().execute("SELECT FROM consent_decisionhead FOR UPDATE")
        try:
            opting_out = pool.submit(in_a_thread, decide, State.DENIED)
            until(lambda: waiting() == 1, what="the opt-out is under way")
            sending = pool.submit(in_a_thread, jane_is_sent, client, key)
            until(lambda: waiting() == 2 or sending.done(), what="the event has come to the gate")
        finally:
            another.cursor().execute("ROLLBACK")
        opting_out.result(10)
        sending.result(10)
    assert rows()["FeatureUsage"] == []


def test_a_grant_does_not_cancel_it_and_newer_rows_stay() -> None:
    decide(State.GRANTED)
    feature(JANE, DAY)
    decide(State.DENIED)
    decide(State.GRANTED)
    newer = timezone.now() + timedelta(seconds=1)
    feature(JANE, newer)
    carry_out()
    assert FeatureUsage.objects.get().timestamp == newer
    receipt = ErasureRequest.objects.get().receipt
    assert receipt["withdrawal"] is True
    assert {"where": "analytics_feature_usage.user_id", "rows": 1, "why": remains.NEWER_ROWS} in receipt[
        "remains"
    ]


def test_of_a_subject_that_is_opted_out_nothing_stays_whatever_the_senders_clock_said() -> None:
    decide(State.GRANTED)
    feature(JANE, timezone.now() + timedelta(hours=20), received_at=timezone.now())
    decide(State.DENIED)
    carry_out()
    assert rows()["FeatureUsage"] == []


def test_a_session_that_two_used_stays_in_the_others_rows_and_the_receipt_says_so() -> None:
    activity(JANE, DAY, session=SESSION)
    activity("f" * 32, DAY, session=SESSION)
    receipt = erased()
    assert rows()["UserActivity"] == ["f" * 32]
    assert {
        "where": "analytics_user_activity.session_id",
        "rows": 1,
        "why": remains.SHARED_SESSION,
    } in receipt["remains"]


@pytest.fixture
def _unknown_table() -> Iterator[None]:
    with connections["analytics"].cursor() as cursor:
        cursor.execute("CREATE TABLE somebodys_cache (content jsonb)")
        yield
        cursor.execute("DROP TABLE somebodys_cache")


@pytest.mark.usefixtures("_unknown_table")
def test_a_table_that_nobody_thought_of_keeps_the_erasure_open_and_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with connections["analytics"].cursor() as cursor:
        cursor.execute("INSERT INTO somebodys_cache VALUES (%s)", [json.dumps({"who": [f"user={JANE}"]})])
    request = ask()
    with pytest.raises(run.NotErased, match="1 not: The name is still in somebodys_cache"):
        carry_out()
    request.refresh_from_db()
    assert request.state == ErasureRequest.Stage.RUNNING
    assert "somebodys_cache.content" in request.problem
    assert JANE not in request.problem
    assert not run.due_requests().exists()  # for an hour: nobody changes that within a minute
    monkeypatch.setattr(run, "AGAIN_AFTER", timedelta(0))
    with connections["analytics"].cursor() as cursor:
        cursor.execute("DELETE FROM somebodys_cache")
    carry_out()
    request.refresh_from_db()
    assert (request.state, request.problem) == (ErasureRequest.Stage.DONE, "")


def test_a_key_in_redis_is_found(settings) -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.set(f"cache:{JANE}", "1")
        request = ask()
        with pytest.raises(run.NotErased):
            carry_out()
        client.delete(f"cache:{JANE}")
    request.refresh_from_db()
    assert "redis.key" in request.problem


def test_a_run_that_ends_between_two_days_is_gone_on_with_and_counts_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ended at every place: in each transaction that deletes, and in the next one, after its commit."""

    class Killed(BaseException):
        pass

    class Killer:
        """Strikes in the n-th transaction; with one row a statement, each day has one that finds nothing."""

        NAMES = frozenset()

        def __init__(self, number: int) -> None:
            self.left = number

        def touched(self, cursor, table, start, end) -> None:
            self.left -= 1
            if self.left == 0:
                raise Killed

        def erase(self, request) -> dict[str, int]:
            return {}

    monkeypatch.setattr(event_rows, "BATCH", 1)
    for number in range(1, 12):
        jane_has_rows()
        request = ask()
        monkeypatch.setattr(derived, "DERIVED", [Killer(number)])
        with pytest.raises(Killed):
            runs.run_job("erasure", run.carry_out)
        monkeypatch.setattr(derived, "DERIVED", [])
        carry_out()
        request.refresh_from_db()
        assert request.receipt["deleted"] == {
            "analytics_endpoint_usage": 1,
            "analytics_feature_usage": 3,
            "analytics_user_activity": 2,
        }, number
        assert rows() == {"UserActivity": [], "EndpointUsage": [], "FeatureUsage": []}


@pytest.mark.parametrize("when", ["true", "NEW.state = 'done'"])
def test_a_request_that_fails_keeps_no_other_from_being_done_and_the_run_fails(when: str) -> None:
    jane_has_rows()
    feature("f" * 32, DAY)
    bad, good = ask(), ask(subject="f" * 32)
    only_hers = f"NEW.pseudonym = '{JANE}' AND {when}"
    with refusing("consent_erasurerequest", only_hers, database="default"):
        with pytest.raises(DatabaseError, match="no room"):
            runs.run_job("erasure", run.carry_out)
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.receipt, good.state) == (None, ErasureRequest.Stage.DONE)
    assert runs.latest_runs()["erasure"].outcome == "failed"
    carry_out()
    bad.refresh_from_db()
    assert bad.receipt["deleted"]["analytics_feature_usage"] == 3


def test_what_is_derived_is_told_of_each_day_and_its_rows_are_in_the_receipt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Marks:
        NAMES = frozenset()
        days: set[tuple[str, datetime]] = set()

        def touched(self, cursor, table, start, end) -> None:
            self.days.add((table, start))

        def erase(self, request) -> dict[str, int]:
            return {"somebodys_roll_up": 4}

    monkeypatch.setattr(derived, "DERIVED", [Marks()])
    feature(JANE, DAY)
    endpoint(JANE, DAY + timedelta(days=1))
    assert erased()["deleted"]["somebodys_roll_up"] == 4
    assert Marks.days == {
        ("analytics_feature_usage", DAY),
        ("analytics_endpoint_usage", DAY + timedelta(days=1)),
    }


def test_the_receipt_verifies_and_a_changed_one_does_not(tmp_path: Path, settings) -> None:
    jane_has_rows()
    settings.RECEIPTS_DIR = str(tmp_path)
    receipt = erased()
    file = tmp_path / f"{receipt['id']}.json"
    out = StringIO()
    call_command("verify_receipt", str(file), stdout=out)
    assert "6 rows of user" in out.getvalue()
    for change in ({"deleted": {}}, {"subject": "f" * 32}, {"remains": []}, {"note": "added"}):
        file.write_text(json.dumps(receipt | change))
        with pytest.raises(CommandError, match="was changed after it was signed"):
            call_command("verify_receipt", str(file))
    settings.ID_HASH_KEY = "another key"
    file.write_text(json.dumps(receipt))
    with pytest.raises(CommandError, match="another ID_HASH_KEY"):
        call_command("verify_receipt", str(file))


@pytest.mark.parametrize("content", ["", "[]", "{}", "[" * 100_000, '{"format": "candid-erasure-receipt/1"}'])
def test_what_is_no_receipt_is_said_to_be_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "receipt.json").write_text(content)
    with pytest.raises(CommandError):
        call_command("verify_receipt", str(tmp_path / "receipt.json"))


def test_the_receipts_key_makes_no_pseudonym() -> None:
    """Both are HMACs under `ID_HASH_KEY`: one begins with its kind and a zero byte, one with the purpose."""
    assert not any(receipts.PURPOSE.startswith(kind.encode() + b"\0") for kind in KINDS)


def test_the_command_erases_at_once_and_prints_the_receipt() -> None:
    jane_has_rows()
    out = StringIO()
    call_command("erase", user="jane", yes=True, stdout=out)
    assert json.loads(out.getvalue())["deleted"]["analytics_feature_usage"] == 3
    assert rows() == {"UserActivity": [], "EndpointUsage": [], "FeatureUsage": []}
    assert "jane" not in out.getvalue()


@pytest.mark.usefixtures("_unknown_table")
def test_the_command_says_what_is_in_the_way() -> None:
    with connections["analytics"].cursor() as cursor:
        cursor.execute("INSERT INTO somebodys_cache VALUES (%s)", [json.dumps(JANE)])
    with pytest.raises(CommandError, match=r"somebodys_cache\.content"):
        call_command("erase", user="jane", yes=True)


def test_the_command_asks_first() -> None:
    jane_has_rows()
    with pytest.raises(CommandError, match="Nothing was erased"):
        call_command("erase", user="jane")
    assert not ErasureRequest.objects.exists()


def test_replaying_erases_what_a_restored_backup_brought_back() -> None:
    jane_has_rows()
    erased()
    jane_has_rows()
    feature(JANE, timezone.now() + timedelta(seconds=1))  # newer than the erasure
    out = StringIO()
    call_command("replay_erasures", stdout=out)
    assert "1 erasures again: 6 rows" in out.getvalue()
    assert rows() == {"UserActivity": [], "EndpointUsage": [], "FeatureUsage": [JANE]}


def test_receipts_replay_what_the_restored_database_knows_nothing_of(tmp_path: Path, settings) -> None:
    settings.RECEIPTS_DIR = str(tmp_path)
    jane_has_rows()
    decide(State.GRANTED)
    decide(State.DENIED)
    carry_out()
    # The backup is from before the withdrawal.
    ErasureRequest.objects.all().delete()
    Tombstone.objects.all().delete()
    decide(State.GRANTED)
    jane_has_rows()
    call_command("replay_erasures", receipts=tmp_path, stdout=StringIO())
    assert rows() == {"UserActivity": [], "EndpointUsage": [], "FeatureUsage": []}
    assert Tombstone.objects.filter(subject=JANE).exists()
    assert Tombstone.objects.filter(subject=ANONYMOUS).exists()
    call_command("export_subject", user="jane", stdout=(out := StringIO()))
    exported = json.loads(out.getvalue())
    assert exported["user"][0]["state"] == "denied"
    assert "receipt" in exported["decisions"][-1]["reason"]


def undecided_who_opts_out(client: Client) -> None:
    jane_is_sent(client, a_key()[0])
    decide(State.DENIED)


def opted_out_and_then_asks(client: Client) -> None:
    decide(State.GRANTED)
    decide(State.DENIED)
    ask()


@pytest.mark.usefixtures("notice")
@pytest.mark.parametrize("story", [undecided_who_opts_out, opted_out_and_then_asks])
@pytest.mark.parametrize("of_the_backup", [State.UNSET, State.GRANTED])
def test_whoever_was_opted_out_when_erased_is_so_after_a_restore(
    client: Client, tmp_path: Path, settings, story, of_the_backup: State
) -> None:
    settings.RECEIPTS_DIR = str(tmp_path)
    story(client)
    carry_out()
    ErasureRequest.objects.all().delete()
    Tombstone.objects.all().delete()
    decide(of_the_backup)
    call_command("replay_erasures", receipts=tmp_path, stdout=StringIO())
    assert consent_status(USER, JANE).state == State.DENIED


def test_an_erasure_that_the_backup_knows_as_open_tells_of_the_denial_since(tmp_path: Path, settings) -> None:
    settings.RECEIPTS_DIR = str(tmp_path)
    decide(State.GRANTED)
    ask()
    decide(State.DENIED)
    carry_out()
    ErasureRequest.objects.update(state="waiting", receipt=None, finished_at=None)
    decide(State.GRANTED)
    call_command("replay_erasures", receipts=tmp_path, stdout=StringIO())
    assert consent_status(USER, JANE).state == State.DENIED


@pytest.mark.parametrize(("is_withdrawal", "state"), [(True, State.DENIED), (False, State.GRANTED)])
def test_a_receipt_of_before_tells_of_the_denial_by_its_withdrawal(
    tmp_path: Path, is_withdrawal: bool, state: State
) -> None:
    decide(State.GRANTED)
    written_before = erased()
    del written_before["denied"], written_before["signature"]
    ErasureRequest.objects.all().delete()
    receipt = receipts.signed(written_before | {"withdrawal": is_withdrawal})
    receipts.write(receipt, tmp_path / "receipt.json")
    call_command("replay_erasures", receipts=tmp_path, stdout=StringIO())
    assert consent_status(USER, JANE).state == state


def test_a_changed_receipt_stops_the_replaying(tmp_path: Path, settings) -> None:
    settings.RECEIPTS_DIR = str(tmp_path)
    receipt = erased()
    (tmp_path / "changed.json").write_text(json.dumps(receipt | {"subject": "f" * 32}))
    with pytest.raises(CommandError, match=r"changed\.json: the receipt was changed"):
        call_command("replay_erasures", receipts=tmp_path)


def test_sessions_older_than_anything_kept_need_no_tombstone(settings) -> None:
    jane_has_rows()
    erased()
    old = timezone.now() - timedelta(days=32 * (settings.EVENT_RETENTION_MONTHS + 1))
    Tombstone.objects.update(until=old)
    erased(subject="f" * 32)
    assert set(Tombstone.objects.values_list("kind", "subject")) == {("user", JANE), ("user", "f" * 32)}
