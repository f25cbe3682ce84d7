"""The store: exactly once, nothing without consent, and one bad row does not stop the others."""

import random
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections
from django.utils import timezone

from analytics import partitions
from analytics.models import (
    EndpointUsage,
    FeatureUsage,
    Installation,
    InstallationEvent,
    Mark,
    UserActivity,
)
from analytics.storage import seal_border
from analytics.storage.admission import foretell
from analytics.storage.event_tables import event_table
from analytics.storage.rows import BaseEvent, Row
from analytics.storage.store import Receipt, StoreUnavailable, Storing
from consent.decisions.recording import record_decision, register_organization
from consent.gate import barrier, gate
from consent.gate.permissions import OtherRegistry
from consent.models import ConsentPeriod, InForce, Method, State, SubjectKind, TelemetryUser
from postgres.instants import microseconds
from postgres.locks import INGEST_BARRIER
from tests.support.programs import until
from tests.support.storing import store

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "analytics"])

USER, ORGANIZATION, INSTALLATION = "a" * 32, "b" * 32, "c" * 32
NAMES = {"activity": ("login", ""), "endpoint": ("/a", "GET", 200, 1.5), "feature": ("timer", "started")}
COUNTER = iter(range(1, 10**9))


def row(table="feature", *, at=None, user=USER, organization=ORGANIZATION, names=None, metadata=None, **more):
    return Row(
        table=table,
        id=uuid.UUID(int=next(COUNTER)).bytes,
        timestamp=microseconds(at or timezone.now()),
        user=user,
        user_id=user or "anon:" + "0" * 27,
        organization_id=organization,
        deployment_type="cloud",
        is_internal=more.get("is_internal", False),
        metadata=metadata or {},
        names=names or NAMES[table],
        do_not_track=more.get("do_not_track", False),
    )


def decide(state, *, kind=SubjectKind.USER, subject=USER, at=None):
    record_decision(kind=kind, subject=subject, state=state, actor="test", method=Method.API, effective_at=at)


@pytest.fixture
def consent(transactional_db):
    long_ago = timezone.now() - timedelta(days=200)
    decide(State.GRANTED, at=long_ago)
    decide(State.GRANTED, kind=SubjectKind.ORGANIZATION, subject=ORGANIZATION, at=long_ago)


def stored():
    return sum(model.objects.count() for model in (UserActivity, EndpointUsage, FeatureUsage))


def test_one_row_of_each_kind_lands_in_its_table(consent):
    receipt = store([row("activity"), row("endpoint"), row("feature", metadata={"plan": "pro", "seats": 3})])
    assert receipt == Receipt(inserted=3, duplicates=0, refused={})
    assert UserActivity.objects.get().event_type == "login"
    assert EndpointUsage.objects.get().duration_ms == 1.5
    assert FeatureUsage.objects.get().event_metadata == {"plan": "pro", "seats": 3}


def test_the_same_again_changes_nothing(consent):
    rows = [row() for _ in range(10)]
    assert store(rows).inserted == 10
    assert store(rows[5:]) == Receipt(inserted=0, duplicates=5, refused={})
    assert stored() == 10


def test_without_consent_nothing_is_stored_and_it_is_counted(transactional_db):
    assert store([row(), row(user="")]) == Receipt(0, 0, {"no_consent": 1, "no_consent_organization": 1})
    assert stored() == 0


def test_an_event_dated_before_the_grant_stays_out(transactional_db):
    now = timezone.now()
    for kind, subject in ((SubjectKind.USER, USER), (SubjectKind.ORGANIZATION, ORGANIZATION)):
        decide(State.GRANTED, kind=kind, subject=subject, at=now - timedelta(hours=1))
    receipt = store([row(at=now - timedelta(hours=2)), row(at=now - timedelta(minutes=30))])
    assert receipt == Receipt(1, 0, {"no_consent": 1})


def test_after_a_withdrawal_even_older_events_stay_out_and_a_new_grant_starts_anew(consent):
    before = timezone.now()
    decide(State.DENIED)
    assert store([row(at=before)]).refused == {"no_consent_user": 1}
    decide(State.GRANTED)
    assert store([row(at=before), row()]) == Receipt(1, 0, {"no_consent_user": 1})


def test_the_signal_wins_over_every_grant(consent):
    assert store([row(do_not_track=True)]).refused == {"do_not_track": 1}


def test_an_internal_organization_marks_its_rows(consent):
    register_organization(pseudonym=ORGANIZATION, is_internal=True)
    store([row()])
    assert FeatureUsage.objects.get().is_internal


def test_a_row_that_cannot_be_held_does_not_take_the_others_down(consent):
    rows = [row() for _ in range(20)]
    rows[7] = row(names=("nul\0", "started"))
    rows[13] = row(names=("x" * 101, "started"))
    assert store(rows) == Receipt(18, 0, {"unstorable": 2})


def test_what_happens_between_admitting_and_writing_happens_to_admitted_rows_only(consent):
    for attempt in Storing([row(), row(user="d" * 32)]).attempts():
        with attempt:
            admitted = attempt.admit()
            attempt.write([some._replace(names=("{other}", "started")) for some in admitted])
    assert [some.user for some in admitted] == [USER]
    assert FeatureUsage.objects.get().feature_name == "{other}"


def test_an_event_on_a_months_last_microsecond_lands(consent):
    first = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    edges = [first, first - timedelta(microseconds=1)]
    assert store([row(at=edge) for edge in edges]).inserted == 2
    this, last = partitions.Month.of(first.date()), partitions.Month.of(first.date()).plus(-1)
    with connections["analytics"].cursor() as cursor:
        for month in (this, last):
            cursor.execute(
                f"SELECT count(*) FROM {partitions.partition_name('analytics_feature_usage', month)}"
            )
            assert cursor.fetchone()[0] == 1


def test_a_missing_partition_is_made(consent):
    month = partitions.Month.of(timezone.now().date()).plus(-2)
    name = partitions.partition_name("analytics_feature_usage", month)
    with connections["analytics"].cursor() as cursor:
        cursor.execute(f"DROP TABLE {name}")
    assert store([row(at=month.starts_at + timedelta(days=3))]).inserted == 1


def test_a_base_event_makes_one_installation_and_counts_once(transactional_db):
    now = timezone.now()
    first = BaseEvent(uuid.uuid4().bytes, "first_seen", now, INSTALLATION, {"app_version": "1.0"}, False)
    later = BaseEvent(
        uuid.uuid4().bytes, "heartbeat", now + timedelta(hours=1), INSTALLATION, {"app_version": "1.1"}, False
    )
    store([], [later])
    assert store([], [first, later]) == Receipt(1, 1, {})
    installation = Installation.objects.get()
    assert (installation.app_version, installation.deployment_type) == ("1.1", "unknown")
    assert (installation.first_seen_at, installation.last_seen_at) == (now, now + timedelta(hours=1))
    assert InstallationEvent.objects.count() == 2


def test_base_events_ask_only_the_signal_and_the_switch(transactional_db, settings):
    event = BaseEvent(uuid.uuid4().bytes, "heartbeat", timezone.now(), INSTALLATION, {}, True)
    assert store([], [event]).refused == {"do_not_track": 1}
    settings.BASE_TELEMETRY_ENABLED = False
    assert store([], [event._replace(do_not_track=False)]).refused == {"base_telemetry_off": 1}
    assert Installation.objects.count() == 0


def in_threads(work, arguments):
    def run(argument):
        try:
            return work(argument)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(run, arguments))


def test_the_same_rows_from_many_at_once_in_any_order(consent):
    rows = [row(random.choice(["activity", "endpoint", "feature"])) for _ in range(512)]

    def send(seed):
        mine = rows[:]
        random.Random(seed).shuffle(mine)
        return [store(mine) for _ in range(3)]

    receipts = [receipt for some in in_threads(send, range(8)) for receipt in some]
    assert sum(receipt.inserted for receipt in receipts) == 512
    assert all(receipt.inserted + receipt.duplicates == 512 for receipt in receipts)
    assert stored() == 512


def test_no_row_is_committed_after_a_withdrawal_was_answered(consent):
    stop = threading.Event()
    late, windows = [], []

    def send(_):
        while not stop.is_set():
            store([row() for _ in range(20)])

    def flip(_):
        try:
            for _ in range(25):
                decide(State.GRANTED)
                time.sleep(0.02)
                before = stored()
                decide(State.DENIED)
                answered = stored()
                time.sleep(0.02)
                late.append(stored() - answered)
                windows.append(answered - before)
        finally:
            stop.set()

    in_threads(lambda number: flip(number) if number == 0 else send(number), range(5))
    assert late == [0] * 25
    assert stored() > 0


def test_a_database_that_is_away_means_send_it_again(consent):
    """The server ends our connections; the store opens new ones, and says so when it cannot."""
    wrapper = connections["analytics"]
    wrapper.ensure_connection()
    with psycopg.connect(
        **{**wrapper.get_connection_params(), "cursor_factory": None}, autocommit=True
    ) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [wrapper.connection.info.backend_pid])
    assert store([row()]).inserted == 1
    wrapper.close()
    host = wrapper.settings_dict["PORT"]
    wrapper.settings_dict["PORT"] = "1"
    try:
        with pytest.raises(StoreUnavailable):
            store([row()])
    finally:
        wrapper.close()
        wrapper.settings_dict["PORT"] = host


@pytest.mark.parametrize("state", [State.DENIED, State.UNSET])
def test_a_request_that_began_before_a_withdrawal_and_waited_for_it_stores_nothing(consent, state):
    """It kept the time at which it began, and by that time the new state was still to come."""
    began = timezone.now()
    decide(state)
    permissions = gate.read_permissions([USER], [ORGANIZATION], began)
    assert not permissions.allows(ORGANIZATION, USER, began - timedelta(hours=1))


def test_a_withdrawal_dated_ahead_by_another_machine_holds_at_once(consent):
    now = timezone.now()
    decide(State.UNSET)
    ConsentPeriod.objects.filter(until=None).update(since=now + timedelta(seconds=30))
    assert store([row(at=now - timedelta(hours=1))]).refused == {"no_consent_user": 1}


@pytest.mark.parametrize("number", [3, 200])
def test_what_is_written_is_marked_in_the_same_transaction_and_nothing_else_is(consent, number):
    start = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(days=3)
    moments = [start, start + timedelta(minutes=14, seconds=59), start + timedelta(hours=5, minutes=15)]
    store([row(at=moments[place % 3]) for place in range(number)] + [row(user="d" * 32)])
    first = int(start.timestamp()) // 900
    assert sorted(Mark.objects.values_list("quarter", flat=True)) == [first, first + 21]


def test_what_is_refused_is_not_marked(consent):
    store([row(user="d" * 32) for _ in range(100)])
    store([row(user="d" * 32)])
    assert not Mark.objects.exists()


BASE = BaseEvent(uuid.uuid4().bytes, "heartbeat", timezone.now(), INSTALLATION, {}, False)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_unstorable_row_beside_base_events_is_refused_alone(consent, number):
    base_events = [BASE._replace(id=uuid.uuid4().bytes) for _ in range(number)]
    receipt = store([row(names=("nul\0", "started"))], base_events)
    assert receipt == Receipt(number, 0, {"unstorable": 1})


def test_an_unstorable_base_event_is_refused_alone(consent):
    receipt = store([row(), row()], [BASE._replace(facts={"app_version": "nul\0"}), BASE])
    assert receipt == Receipt(3, 0, {"unstorable": 1})


def test_a_row_of_no_known_month_that_cannot_be_made_means_send_it_again(consent, monkeypatch):
    monkeypatch.setattr(seal_border, "make_partitions", lambda now: [])
    month = partitions.Month.of(timezone.now().date()).plus(-2)
    name = partitions.partition_name("analytics_feature_usage", month)
    with connections["analytics"].cursor() as cursor:
        cursor.execute(f"ALTER TABLE analytics_feature_usage DETACH PARTITION {name}")
    try:
        with pytest.raises(StoreUnavailable, match="a partition is missing"):
            store([row(at=month.starts_at + timedelta(days=3))])
    finally:
        with connections["analytics"].cursor() as cursor:
            cursor.execute(
                partitions.ATTACH.format(
                    table="analytics_feature_usage",
                    name=name,
                    first=f"{month}-01 00:00:00+00",
                    end=f"{month.plus(1)}-01 00:00:00+00",
                )
            )


def stored_after(faults, state):
    """The receipt of one row whose first transactions fail with this SQLSTATE."""
    storing = Storing([row()])
    for number, attempt in enumerate(storing.attempts()):
        with attempt:
            admitted = attempt.admit()
            if number < faults:
                with connections["analytics"].cursor() as cursor:
                    cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$")
            attempt.write(admitted)
    return storing.receipt


@pytest.mark.parametrize("state", ["40001", "40P01", "53300"])
def test_a_fault_that_passes_is_tried_three_times(consent, state):
    assert stored_after(2, state) == Receipt(1, 0, {})
    with pytest.raises(StoreUnavailable, match=state):
        stored_after(3, state)
    assert stored() == 1


def test_an_error_after_the_commit_is_the_callers_and_nothing_counts_twice(consent):
    storing = Storing([row()])
    (attempt,) = storing.attempts()

    def write_and_go_wrong():
        with attempt:
            attempt.write(attempt.admit())
            connections["analytics"].cursor().execute("SELECT 1 / 0")

    with pytest.raises(DatabaseError):
        write_and_go_wrong()
    assert (storing.receipt, list(storing.attempts()), stored()) == (Receipt(1, 0, {}), [], 1)


def test_what_is_not_written_is_undone_and_its_locks_end(consent):
    for attempt in Storing([row()]).attempts():
        with attempt:
            attempt.admit()
            assert held_by_ingest(USER)
    assert (stored(), held_by_ingest(USER)) == (0, False)


def test_rows_of_another_registry_are_not_stored(consent):
    InForce.objects.update_or_create(defaults={"registry_digest": "new"})
    with pytest.raises(OtherRegistry):
        store([row()], registry="old")
    assert (stored(), held_by_ingest(USER)) == (0, False)
    assert store([row()], registry="new").inserted == 1


def held_by_ingest(subject):
    """Whether a withdrawal of this subject would wait now."""
    database = connections["analytics"]
    with database.get_new_connection(database.get_connection_params()) as other:
        return other.execute(
            "SELECT NOT pg_try_advisory_xact_lock(%s, %s)", [INGEST_BARRIER, barrier.bucket(subject)]
        ).fetchone()[0]


@pytest.mark.parametrize("subject", [USER, ORGANIZATION, "anon:" + "0" * 27])
def test_every_subject_is_locked_until_the_rows_are_written(consent, subject):
    rows = [row(), row(user="")]
    for attempt in Storing(rows).attempts():
        with attempt:
            admitted = attempt.admit()
            assert held_by_ingest(subject)
            attempt.write(admitted)
    assert not held_by_ingest(subject)


def test_a_withdrawal_that_ingest_waited_for_is_seen(consent):
    """Consent is read after the lock is held, not before."""
    database = connections["analytics"]
    withdrawing = database.get_new_connection(database.get_connection_params())
    withdrawing.execute("SELECT pg_advisory_xact_lock(%s, %s)", [INGEST_BARRIER, barrier.bucket(USER)])
    with ThreadPoolExecutor(1) as pool:
        storing = pool.submit(in_threads, store, [[row()]])
        until(somebody_waits, what="ingest waits for the lock")
        TelemetryUser.objects.filter(pseudonym=USER).update(state=State.DENIED)
        ConsentPeriod.objects.filter(subject=USER, until=None).update(state=State.DENIED)
        withdrawing.close()
        assert storing.result(30) == [Receipt(0, 0, {"no_consent_user": 1})]


def somebody_waits():
    with connections["analytics"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return cursor.fetchone() != (0,)


def test_rows_at_the_borders_of_a_grant(transactional_db):
    since = timezone.now().replace(microsecond=500) - timedelta(hours=2)
    for kind, subject in ((SubjectKind.USER, USER), (SubjectKind.ORGANIZATION, ORGANIZATION)):
        decide(State.GRANTED, kind=kind, subject=subject, at=since)
    one = timedelta(microseconds=1)
    assert store([row(at=since)]).inserted == 1
    assert store([row(at=since - one)]).refused == {"no_consent": 1}


def test_of_two_facts_of_one_moment_the_one_that_came_last_counts(transactional_db):
    for version in ("1.0", "1.1"):
        store([], [BASE._replace(id=uuid.uuid4().bytes, facts={"app_version": version})])
    assert Installation.objects.get().app_version == "1.1"
    older = BASE._replace(
        id=uuid.uuid4().bytes, timestamp=BASE.timestamp - timedelta(days=1), facts={"app_version": "0.9"}
    )
    store([], [older])
    installation = Installation.objects.get()
    assert (installation.app_version, installation.first_seen_at) == ("1.1", older.timestamp)


def test_columns_that_differ_from_a_models_are_refused_at_start():
    with pytest.raises(ImproperlyConfigured, match=r"analytics.UserActivity .* analytics/storage/rows.py"):
        event_table("feature", UserActivity)


def test_a_dry_run_tells_what_would_be_stored(consent):
    event = row()
    assert foretell(event) == (event, "")
    assert foretell(row(user="d" * 32))[1] == "no_consent_user"
    assert (foretell(BASE)[1], foretell(BASE._replace(do_not_track=True))[1]) == ("", "do_not_track")
    assert stored() == 0
