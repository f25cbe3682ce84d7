"""A run of erasures: whom it waits for, in which order, and what one failure does to the rest."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import pytest
from django.db import DatabaseError, connections
from django.utils import timezone

from analytics import partitions
from analytics.erasure import run
from analytics.jobs import runs
from consent.decisions.tombstones import raise_tombstones
from consent.gate import barrier
from consent.models import ErasureRequest, State, Tombstone
from tests.analytics.erasure.stories import (
    ANONYMOUS,
    DAY,
    JANE,
    JIM,
    ask,
    carry_out,
    decide,
    erased,
    jane_has_rows,
    rows,
)
from tests.support.events import feature
from tests.support.failing import refusing
from tests.support.programs import until

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
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


def test_sessions_older_than_anything_kept_need_no_tombstone(settings) -> None:
    jane_has_rows()
    erased()
    old = timezone.now() - timedelta(days=32 * (settings.EVENT_RETENTION_MONTHS + 1))
    Tombstone.objects.update(until=old)
    erased(subject="f" * 32)
    assert set(Tombstone.objects.values_list("kind", "subject")) == {("user", JANE), ("user", "f" * 32)}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", [JANE, ANONYMOUS])
def test_an_erasure_waits_for_requests_under_way_of_the_user_and_of_every_session(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Holds a bucket, shared, as a request does that read consent before there were tombstones."""
    monkeypatch.setattr(barrier, "WAIT", "100ms")
    assert barrier.bucket(JANE) != barrier.bucket(ANONYMOUS)
    jane_has_rows()
    request = ask()
    with closing(connections["analytics"].copy()) as another:
        another.cursor().execute("BEGIN")
        another.cursor().execute(barrier.LOCK_SHARED, [barrier.LOCK_SPACE, barrier.buckets([name])])
        with pytest.raises(barrier.BarrierNotReached):
            run.carry_out()
        assert len(rows()["FeatureUsage"]) == 3
        assert Tombstone.objects.filter(subject=ANONYMOUS).exists()
        another.cursor().execute("ROLLBACK")
    carry_out()
    request.refresh_from_db()
    assert request.receipt["deleted"]["analytics_feature_usage"] == 3


@pytest.mark.django_db(transaction=True)
def test_a_request_that_is_asked_for_again_as_the_run_begins_takes_the_later_moment() -> None:
    request = ask()
    later = request.until + timedelta(hours=1)

    def begin() -> None:
        try:
            run._begin(ErasureRequest.objects.get())
        finally:
            connections.close_all()

    def is_waiting() -> bool:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return bool(cursor.fetchone()[0])

    with closing(connections["default"].copy()) as another, ThreadPoolExecutor(1) as pool:
        another.cursor().execute("BEGIN")
        another.cursor().execute("UPDATE consent_erasurerequest SET until = %s", [later])
        beginning = pool.submit(begin)
        until(is_waiting, what="the run waits for the one who asks")
        another.cursor().execute("COMMIT")
        beginning.result(10)
    request.refresh_from_db()
    assert (request.until, request.state) == (later, "running")


def test_of_a_subject_that_is_opted_out_everything_up_to_now_is_refused() -> None:
    request, other = ask(), ask(subject=JIM)
    decide(State.DENIED)
    began = timezone.now()
    carry_out()
    tombstones = dict(Tombstone.objects.values_list("subject", "until"))
    request.refresh_from_db()
    assert request.until == tombstones[JANE] > began
    assert (tombstones[JIM], request.receipt["denied"]) == (other.until, True)


def test_asked_for_after_the_run_has_begun_it_is_another_request() -> None:
    first = ask()
    run._begin(first)
    assert ask().pk != first.pk


def test_open_requests_are_due_the_oldest_first_and_those_with_a_problem_an_hour_later() -> None:
    waiting, running, done, lately, earlier = (ask(subject=f"{number}" * 32) for number in range(1, 6))
    ErasureRequest.objects.filter(pk=running.pk).update(state="running")
    ErasureRequest.objects.filter(pk=done.pk).update(state="done", receipt={}, finished_at=timezone.now())
    for request, minutes in ((lately, 59), (earlier, 61)):
        problem_at = timezone.now() - timedelta(minutes=minutes)
        ErasureRequest.objects.filter(pk=request.pk).update(state="running", problem_at=problem_at)
    assert list(run.due_requests()) == [waiting, running, earlier]


def test_a_run_takes_so_many_requests_and_so_much_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "REQUESTS_A_RUN", 2)
    for number in range(1, 4):
        ask(subject=f"{number}" * 32)
    assert run.carry_out() == "Erased 2 subjects."
    assert [request.state for request in ErasureRequest.objects.order_by("id")] == ["done", "done", "waiting"]
    monkeypatch.setattr(run, "BUDGET", -1.0)
    assert run.carry_out() == "Erased 0 subjects. 1 more to do."
    assert [request.state for request in ErasureRequest.objects.order_by("id")] == ["done", "done", "waiting"]


def test_a_single_request_is_carried_out_and_no_other_even_if_it_had_a_problem_lately() -> None:
    request, other = ask(), ask(subject=JIM)
    ErasureRequest.objects.filter(pk=request.pk).update(problem="A table.", problem_at=timezone.now())
    assert run.carry_out(only=request.pk) == "Erased 1 subjects."
    assert run.carry_out(only=request.pk) == ""
    other.refresh_from_db()
    assert other.state == "waiting"


def test_a_sessions_tombstone_stays_as_long_as_its_month_is_kept(settings) -> None:
    oldest = partitions.oldest_kept_month(timezone.now(), settings.EVENT_RETENTION_MONTHS).starts_at
    for name, moment in ((ANONYMOUS, oldest - timedelta(microseconds=1)), (f"anon:{'7' * 27}", oldest)):
        raise_tombstones(Tombstone.Kind.ANONYMOUS, [name], moment, user=JANE)
    run.carry_out()
    assert list(Tombstone.objects.values_list("subject", flat=True)) == [f"anon:{'7' * 27}"]
