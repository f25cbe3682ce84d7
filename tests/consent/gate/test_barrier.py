"""The barrier: who waits for whom, for how long, and what is left behind."""

import pytest
from django.db import OperationalError, connections, transaction

from consent.gate import barrier
from consent.pseudonyms import ANONYMOUS
from postgres import locks
from postgres.pipeline import ask
from tests.support.second_connection import connection_ended, held, impatient

pytestmark = pytest.mark.django_db(transaction=True)

SHARED = "SELECT pg_advisory_xact_lock_shared(%s, %s)"
EXCLUSIVE = "SELECT pg_advisory_xact_lock(%s, %s)"
USER = "00ff" + "0" * 28  # bucket 63
OTHER = "0040" + "0" * 28  # bucket 0


@pytest.fixture(autouse=True)
def _short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(barrier, "WAIT", "100ms")


def in_flight(number: int, lock: str = SHARED):
    """A request that has events of a subject in this bucket and has not ended."""
    return held(lock, [barrier.LOCK_SPACE, number], database="analytics")


def test_buckets_are_ascending_and_each_once() -> None:
    assert barrier.buckets([USER, OTHER, USER, ""]) == [0, 63]
    assert barrier.bucket(ANONYMOUS + USER[:27]) == barrier.bucket(USER) == 63


def test_a_withdrawal_waits_for_its_own_bucket_only() -> None:
    with in_flight(63):
        barrier.wait_for_ingest(OTHER)
        with pytest.raises(barrier.BarrierNotReached):
            barrier.wait_for_ingest(USER)
    barrier.wait_for_ingest(USER)


@pytest.mark.parametrize("number", [0, 1, barrier.BUCKETS - 1])
def test_waiting_for_all_ingest_leaves_out_no_bucket(number: int) -> None:
    with in_flight(number), pytest.raises(barrier.BarrierNotReached):
        barrier.wait_for_all_ingest()
    barrier.wait_for_all_ingest()


def test_nothing_stays_locked_nor_limited_after_the_wait() -> None:
    barrier.wait_for_ingest(USER)
    with connections["analytics"].cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)
    with impatient_other(63):
        pass


def test_a_database_that_is_away_is_no_barrier() -> None:
    with connection_ended("analytics"), pytest.raises(barrier.BarrierNotReached):
        barrier.wait_for_ingest(USER)
    barrier.wait_for_ingest(USER)


def test_ingest_shares_the_locks_of_all_its_subjects_and_waits_for_a_withdrawal() -> None:
    def lock() -> None:
        with transaction.atomic(using="analytics"):
            connections["analytics"].cursor().execute("SELECT 1")
            ask(connections["analytics"].connection, barrier.lock_shared([USER, OTHER]))
            for number, taken in ((63, True), (0, True), (1, False)):
                if taken:
                    with pytest.raises(OperationalError), impatient_other(number):
                        raise AssertionError("the bucket was free")
                else:
                    with impatient_other(number):
                        pass

    with in_flight(63):
        lock()  # another request's shared lock does not hinder it
    with impatient("analytics"), in_flight(0, EXCLUSIVE), pytest.raises(Exception, match="lock timeout"):
        lock()


def impatient_other(number: int):
    """A withdrawal that gives up at once."""
    return held(
        "SELECT pg_advisory_xact_lock(%s, %s) FROM set_config('lock_timeout', '50ms', true)",
        [locks.INGEST_BARRIER, number],
        database="analytics",
    )
