"""The decision log: nothing in it can be changed, and a change made all the same is found and named."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, OperationalError, connection, connections

from consent.decisions import verification
from consent.decisions.recording import record_decision
from consent.decisions.verification import verify
from consent.models import ConsentPeriod, Decision, DecisionHead, Method, State, SubjectKind
from tests.support.second_connection import held, impatient

pytestmark = pytest.mark.django_db(transaction=True)

LENGTH = 6
COPIED = (
    "subject_kind, subject, state, level, policy_version, actor, method, reason, effective_at, recorded_at"
)


def decide(state: State = State.GRANTED, subject: str = "c" * 32, **more: object) -> Decision:
    return record_decision(
        kind=SubjectKind.USER, subject=subject, state=state, actor="test", method=Method.API, **more
    )


@pytest.fixture
def log() -> list[Decision]:
    states = (State.GRANTED, State.DENIED, State.UNSET)
    return [decide(states[number % 3], reason=f"reason {number}") for number in range(LENGTH)]


def tamper(*statements: str) -> None:
    """What an attacker who owns the tables does: switch the triggers off, change rows, switch them on."""
    tables = {"consent_decision": "no_change", "consent_decisionhead": "no_delete"}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            cursor.execute(statement)
        for table, trigger in tables.items():
            cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")


def verified(**options: object) -> str:
    out = StringIO()
    call_command("verify_consent_log", stdout=out, **options)
    return out.getvalue()


def faults_reported() -> str:
    with pytest.raises(CommandError) as broken:
        verified()
    assert broken.value.returncode == 1
    return str(broken.value)


# --- What the database refuses ----------------------------------------------------------------------
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE consent_decision SET state = 'granted' WHERE number = 2",
        "DELETE FROM consent_decision WHERE number = 2",
        "DELETE FROM consent_decisionhead",
    ],
)
def test_the_database_refuses_changes(log: list[Decision], statement: str) -> None:
    with pytest.raises(IntegrityError, match="append-only"), connection.cursor() as cursor:
        cursor.execute(statement)
    assert verified().startswith(f"{LENGTH} decisions, all as they were recorded.")


def test_the_orm_is_refused_too(log: list[Decision]) -> None:
    with pytest.raises(IntegrityError):
        log[0].delete()
    with pytest.raises(IntegrityError):
        Decision.objects.update(reason="another")


@pytest.mark.parametrize("table", ["consent_decision", "consent_decisionhead"])
def test_the_database_refuses_truncate_but_for_the_switch_of_the_tests(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER no_truncate")
        try:
            with pytest.raises(IntegrityError, match="append-only: TRUNCATE"):
                cursor.execute(f"TRUNCATE {table}")
        finally:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER no_truncate")


def test_a_session_that_plays_a_replica_is_refused_too(log: list[Decision]) -> None:
    with connection.cursor() as cursor:
        try:
            cursor.execute("SET session_replication_role = replica")
        except DatabaseError:
            pytest.skip("this server's role may not play a replica")
        try:
            with pytest.raises(IntegrityError):
                cursor.execute("DELETE FROM consent_decision")
        finally:
            cursor.execute("SET session_replication_role = origin")


# --- What the walk finds ----------------------------------------------------------------------------
def test_an_untouched_log_is_sound(log: list[Decision]) -> None:
    assert [decision.number for decision in log] == list(range(1, LENGTH + 1))
    assert f"Anchor: {LENGTH}:{log[-1].digest}" in verified()


def test_an_empty_log_is_sound() -> None:
    assert verified().startswith("0 decisions")


@pytest.mark.parametrize(
    "change",
    [
        "state = 'granted'",
        "subject = 'd' || substr(subject, 2)",
        "subject_kind = 'organization'",
        "level = 'nothing'",
        "policy_version = '2'",
        "actor = actor || 's'",
        "method = 'admin'",
        "reason = replace(reason, '3', '4')",
        "effective_at = effective_at + interval '1 microsecond'",
        "recorded_at = recorded_at - interval '1 microsecond'",
        "digest = translate(digest, '0123456789abcdef', '123456789abcdef0')",
        "previous = translate(previous, '0123456789abcdef', '123456789abcdef0')",
    ],
)
def test_one_altered_byte(log: list[Decision], change: str) -> None:
    number = 4 if "reason" in change else 5 if "state" in change else 3
    tamper(f"UPDATE consent_decision SET {change} WHERE number = {number}")
    assert f"Record {number} (recorded" in faults_reported()
    assert "was altered" in faults_reported()


def test_a_deleted_record(log: list[Decision]) -> None:
    tamper("DELETE FROM consent_decision WHERE number = 3")
    assert "Record 3 is missing: it was deleted" in faults_reported()


def test_a_deleted_record_whose_place_was_closed(log: list[Decision]) -> None:
    tamper(
        "DELETE FROM consent_decision WHERE number = 3",
        *(f"UPDATE consent_decision SET number = {n - 1} WHERE number = {n}" for n in range(4, LENGTH + 1)),
    )
    assert "Record 3 is missing: it was deleted, and the later ones were renumbered" in faults_reported()


def test_the_last_record_deleted(log: list[Decision]) -> None:
    tamper(f"DELETE FROM consent_decision WHERE number = {LENGTH}")
    assert f"Record {LENGTH} is missing: it was deleted" in faults_reported()


def test_all_records_deleted(log: list[Decision]) -> None:
    tamper("DELETE FROM consent_decision")
    assert "Record 1 is missing" in faults_reported()


def insert(number: int, like: int = 1) -> str:
    return (
        f"INSERT INTO consent_decision (number, previous, digest, {COPIED}) "
        f"SELECT {number}, previous, digest, {COPIED} FROM consent_decision WHERE number = {like}"
    )


def test_an_inserted_record_at_the_end(log: list[Decision]) -> None:
    tamper(insert(LENGTH + 1))
    assert f"Record {LENGTH + 1} (recorded" in faults_reported()
    assert "was inserted" in faults_reported()


def test_an_inserted_record_in_the_middle(log: list[Decision]) -> None:
    later = (f"UPDATE consent_decision SET number = {n + 1} WHERE number = {n}" for n in range(LENGTH, 2, -1))
    tamper(*later, insert(3))
    assert "Record 3 (recorded" in faults_reported()
    assert "was inserted: its seal is not ours" in faults_reported()


def test_two_records_that_were_exchanged(log: list[Decision]) -> None:
    tamper(
        "UPDATE consent_decision SET number = 99 WHERE number = 3",
        "UPDATE consent_decision SET number = 3 WHERE number = 4",
        "UPDATE consent_decision SET number = 4 WHERE number = 99",
    )
    assert "Record 3" in faults_reported()


@pytest.mark.parametrize(
    "change",
    [
        "count = count - 1",
        "digest = translate(digest, '0123456789abcdef', '123456789abcdef0')",
        "signature = repeat('0', 64)",
    ],
)
def test_an_altered_head(log: list[Decision], change: str) -> None:
    tamper(f"UPDATE consent_decisionhead SET {change}")
    assert "The head row was altered" in faults_reported()


def test_a_head_that_is_gone(log: list[Decision]) -> None:
    tamper("DELETE FROM consent_decisionhead")
    assert "The head row is missing" in faults_reported()


def test_a_head_that_was_put_back_leaves_a_record_too_many(log: list[Decision]) -> None:
    head = DecisionHead.objects.get()
    decide(State.DENIED)
    put_back = f"count = {head.count}, digest = '{head.digest}', signature = '{head.signature}'"
    tamper(f"UPDATE consent_decisionhead SET {put_back}")
    assert "or an earlier head was restored" in faults_reported()


def test_a_log_put_back_as_a_whole_is_found_by_an_anchor_kept_elsewhere(log: list[Decision]) -> None:
    head, periods = DecisionHead.objects.get(), list(ConsentPeriod.objects.order_by("pk"))
    decide(State.DENIED)
    anchor = verified().partition("Anchor: ")[2].strip()
    put_back = f"count = {head.count}, digest = '{head.digest}', signature = '{head.signature}'"
    tamper(
        f"DELETE FROM consent_decision WHERE number = {LENGTH + 1}",
        f"UPDATE consent_decisionhead SET {put_back}",
        "DELETE FROM consent_consentperiod",
    )
    ConsentPeriod.objects.bulk_create(periods)
    verified()  # by itself it is a sound log
    with pytest.raises(CommandError, match=f"Record {LENGTH + 1} is missing"):
        verified(anchor=anchor)


def test_another_key_seals_another_log(log: list[Decision], settings: object) -> None:
    settings.CONSENT_LOG_KEY = "somebody else's"  # type: ignore[attr-defined]
    assert "Record 1" in faults_reported()


def test_a_new_id_hash_key_keeps_the_log_when_the_old_one_is_named(
    log: list[Decision], settings: object
) -> None:
    settings.CONSENT_LOG_KEY, settings.ID_HASH_KEY = settings.ID_HASH_KEY, "new"  # type: ignore[attr-defined]
    assert verified().startswith(f"{LENGTH} decisions")


# --- A broken log still takes records, and stays broken ---------------------------------------------
@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        (lambda: tamper("DELETE FROM consent_decisionhead"), "The head row is unsigned"),
        (lambda: tamper("UPDATE consent_decisionhead SET count = 0"), "The head row is unsigned"),
        (lambda: tamper(insert(LENGTH + 1)), f"Record {LENGTH + 1} (recorded"),
        (
            lambda: tamper(f"DELETE FROM consent_decision WHERE number = {LENGTH}"),
            f"Record {LENGTH} is missing",
        ),
    ],
    ids=["head gone", "head altered", "record inserted", "last deleted"],
)
def test_a_withdrawal_is_recorded_all_the_same_and_hides_nothing(
    log: list[Decision], how: Callable[[], None], sentence: str
) -> None:
    how()
    decision = decide(State.DENIED)
    assert Decision.objects.get(pk=decision.pk).state == State.DENIED
    assert sentence in faults_reported()


# --- Many at once -----------------------------------------------------------------------------------
def test_eight_writers_leave_no_gap() -> None:
    each, failures = 25, []

    def write(writer: int) -> None:
        try:
            for number in range(each):
                own, shared = f"{writer:032x}", "f" * 32
                decide(
                    State.DENIED if number % 2 else State.GRANTED, subject=shared if number % 5 == 0 else own
                )
        except Exception as error:
            failures.append(error)
        finally:
            connections.close_all()

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(8)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    assert not failures
    assert list(Decision.objects.order_by("number").values_list("number", flat=True)) == list(
        range(1, 8 * each + 1)
    )
    assert verify().faults == []


def test_a_record_is_added_with_the_head_locked(log: list[Decision]) -> None:
    with held("SELECT FROM consent_decisionhead FOR UPDATE"), impatient():
        with pytest.raises(OperationalError, match="lock timeout"):
            decide(State.DENIED)
    assert verify().records == LENGTH


def test_a_long_walk_says_how_far_it_is(log: list[Decision], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "RECORDS_AT_ONCE", 2)
    told: list[tuple[int, int]] = []
    verdict = verify(advance=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == [2, 4, 6, 6, 2 * LENGTH]
    assert {total for _, total in told} == {2 * LENGTH}  # each record is read twice
    assert (verdict.records, verdict.anchor) == (LENGTH, (LENGTH, log[-1].digest))


def test_an_anchor_is_the_seal_of_its_own_record(log: list[Decision]) -> None:
    for number in (1, LENGTH):
        assert verify(anchor=verification.Anchor(number, log[number - 1].digest)).faults == []
        (fault,) = verify(anchor=verification.Anchor(number, "0" * 64)).faults
        assert fault == f"record {number} is not the one it was when the anchor was taken"


@pytest.mark.parametrize("anchor", ["6", "6:abc", f"x:{'0' * 64}", f"6:{'0' * 64} "])
def test_what_is_no_anchor_is_refused(anchor: str) -> None:
    with pytest.raises(CommandError, match="COUNT:DIGEST"):
        verified(anchor=anchor)


def test_a_sound_log_is_signed_anew_with_each_record_and_a_broken_one_is_not(log: list[Decision]) -> None:
    assert DecisionHead.objects.get().count == LENGTH
    tamper("UPDATE consent_decisionhead SET signature = repeat('0', 64)")
    decide(State.DENIED)
    head = DecisionHead.objects.get()
    assert (head.count, head.signature) == (LENGTH + 1, "")


def test_a_decision_recorded_during_the_walk_is_no_fault(
    log: list[Decision], monkeypatch: pytest.MonkeyPatch
) -> None:
    records = verification._records

    def decide_meanwhile() -> None:
        decide(State.DENIED, subject="d" * 32)
        connections.close_all()

    def after_another_decision() -> object:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(decide_meanwhile).result()
        return records()

    monkeypatch.setattr(verification, "_records", after_another_decision)
    verdict = verify()
    assert (verdict.faults, verdict.records) == ([], LENGTH)
    assert Decision.objects.count() == LENGTH + 1
