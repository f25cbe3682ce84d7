"""Jobs: one run at a time across processes, each with a row that says how it went."""

from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from analytics.jobs import runs
from analytics.jobs.timetable import Rest
from analytics.models import JobRun, SentHeartbeat
from postgres import locks
from tests.support.programs import environment, process, until

LONG_JOB = """
import django, time
django.setup()
from analytics.jobs.runs import run_job
run_job("sweep", lambda: time.sleep(60) or "swept")
"""

HOUR = timedelta(hours=1)
REST = Rest(9, at_most=6 * HOUR)


def fails() -> str:
    raise ValueError("the broom is broken")


@pytest.mark.django_db
def test_a_run_leaves_a_row_that_says_what_it_did() -> None:
    run = runs.run_job("sweep", lambda: "Swept two rooms.")
    row = JobRun.objects.get()
    assert (row.job, row.outcome, row.summary) == ("sweep", "done", "Swept two rooms.")
    assert row.ended_at >= row.started_at
    assert run.pk == row.pk


@pytest.mark.django_db
def test_of_runs_with_nothing_due_the_latest_is_kept() -> None:
    runs.run_job("sweep", lambda: "Swept.")
    for _ in range(3):
        assert runs.run_job("sweep", lambda: "").summary == ""
    assert list(JobRun.objects.values_list("summary", flat=True)) == ["Nothing was due.", "Swept."]


@pytest.mark.django_db
def test_a_run_with_nothing_due_is_a_success() -> None:
    assert runs.last_successes() == {}
    with pytest.raises(ValueError, match="broom"):
        runs.run_job("sweep", fails)
    assert runs.last_successes() == {}
    run = runs.run_job("sweep", lambda: "")
    assert runs.last_successes() == {"sweep": run.ended_at}


@pytest.mark.django_db
def test_a_failed_run_is_recorded_and_raised() -> None:
    with pytest.raises(ValueError, match="broom"):
        runs.run_job("sweep", fails)
    assert JobRun.objects.get().summary == "ValueError: the broom is broken"
    assert JobRun.objects.get().outcome == "failed"


@pytest.mark.django_db
def test_what_a_database_says_of_a_row_is_not_recorded() -> None:
    def twice() -> str:
        SentHeartbeat.objects.create(name="heartbeat", day=date(2026, 3, 1))
        with transaction.atomic(using="analytics"):
            SentHeartbeat.objects.create(name="heartbeat", day=date(2026, 3, 1))
        return "Sent."

    with pytest.raises(IntegrityError, match="2026-03-01"):
        runs.run_job("sweep", twice)
    summary = JobRun.objects.get().summary
    assert summary.startswith("IntegrityError: duplicate key value")
    assert "2026-03-01" not in summary


@pytest.mark.django_db
def test_a_job_does_not_run_inside_itself() -> None:
    inner: list[JobRun] = []
    runs.run_job("sweep", lambda: inner.append(runs.run_job("sweep", fails)) or "Swept.")
    assert [run.outcome for run in inner] == ["skipped"]


@pytest.mark.django_db
def test_of_runs_that_found_another_the_latest_is_kept() -> None:
    def try_again() -> str:
        for _ in range(3):
            runs.run_job("sweep", fails)
        return "Swept."

    runs.run_job("sweep", try_again)
    assert sorted(JobRun.objects.values_list("outcome", flat=True)) == ["done", "skipped"]


@pytest.mark.django_db
def test_different_jobs_run_side_by_side() -> None:
    inner: list[JobRun] = []
    runs.run_job("sweep", lambda: inner.append(runs.run_job("wash", lambda: "Washed.")) or "Swept.")
    assert [run.outcome for run in inner] == ["done"]


@pytest.mark.django_db
def test_only_the_latest_runs_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "RUNS_KEPT", 3)
    for number in range(5):
        runs.run_job("sweep", lambda number=number: f"Swept {number}.")
    assert list(JobRun.objects.values_list("summary", flat=True)) == ["Swept 4.", "Swept 3.", "Swept 2."]


@pytest.mark.django_db(transaction=True)
def test_a_killed_run_frees_the_job_and_is_accounted_for(tmp_path: Path) -> None:
    with process("-c", LONG_JOB, env=environment(), log=tmp_path / "log") as other:
        until(lambda: JobRun.objects.filter(outcome="running").exists(), what="the other runs it")
        assert runs.run_job("sweep", fails).outcome == "skipped"
        other.kill()
        other.wait()
        until(lambda: runs.run_job("sweep", lambda: "Swept.").outcome == "done", what="the lock is free")
    killed = JobRun.objects.order_by("started_at")[0]
    assert (killed.outcome, killed.summary) == ("failed", "Its process ended before it did.")


@pytest.mark.django_db(transaction=True)
def test_only_killed_runs_are_closed(tmp_path: Path) -> None:
    killed = JobRun.objects.create(job="wash", started_at=timezone.now(), outcome="running")
    with process("-c", LONG_JOB, env=environment(), log=tmp_path / "log"):
        until(lambda: JobRun.objects.filter(job="sweep").exists(), what="the other runs it")
        runs.close_abandoned(timezone.now())
        assert JobRun.objects.get(job="sweep").outcome == "running"
    killed.refresh_from_db()
    assert (killed.outcome, killed.summary) == ("failed", "Its process ended before it did.")


@pytest.mark.django_db
def test_the_beat_is_one_row_that_moves_on() -> None:
    assert runs.last_beat() is None
    for minute in (1, 2):
        runs.note_beat(datetime(2026, 3, 1, 12, minute, tzinfo=UTC))
    assert runs.last_beat() == datetime(2026, 3, 1, 12, 2, tzinfo=UTC)
    assert JobRun.objects.count() == 1


@pytest.mark.django_db
def test_the_latest_run_of_each_job_can_be_read() -> None:
    for job, said in (("sweep", "one"), ("wash", "two"), ("sweep", "three")):
        runs.run_job(job, lambda said=said: said)
    JobRun.objects.create(job="wash", started_at=timezone.now(), outcome="running")
    JobRun.objects.create(job="sweep", started_at=timezone.now(), outcome="skipped")
    latest = {job: (run.outcome, run.summary) for job, run in runs.latest_runs().items()}
    assert latest == {"sweep": ("done", "three"), "wash": ("running", "")}
    assert {job: run.summary for job, run in runs.latest_runs(ended=True).items()} == {
        "sweep": "three",
        "wash": "two",
    }


@pytest.mark.django_db
@pytest.mark.parametrize(("after", "rested"), [(80, False), (90, True)])
def test_a_long_run_is_followed_by_a_longer_rest(after: int, rested: bool) -> None:
    begin = datetime(2026, 3, 1, 12, tzinfo=UTC)
    end = begin + timedelta(minutes=10)

    def has_rested(name: str) -> bool:
        return runs.has_rested(name, end + timedelta(minutes=after), REST)

    assert has_rested("sweep")  # it never ran
    JobRun.objects.create(job="sweep", started_at=begin, ended_at=end, outcome="done")
    assert has_rested("sweep") is rested
    for outcome, said in (("skipped", "Another."), ("done", runs.NOTHING_DUE)):
        JobRun.objects.create(job="sweep", started_at=end, ended_at=end, outcome=outcome, summary=said)
    assert has_rested("sweep") is rested


@pytest.mark.django_db
def test_no_rest_is_longer_than_the_longest() -> None:
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    JobRun.objects.create(job="sweep", started_at=begin, ended_at=begin + timedelta(hours=3), outcome="done")
    assert runs.has_rested("sweep", begin + timedelta(hours=9), REST)


@pytest.mark.django_db
def test_a_long_account_is_cut_and_not_refused() -> None:
    runs.run_job("sweep", lambda: " " + "x" * 600)
    assert JobRun.objects.get().summary == "x" * 500


@pytest.mark.django_db(transaction=True)
def test_a_job_is_skipped_while_somebody_else_holds_its_lock() -> None:
    with closing(connections["analytics"].copy()) as another:
        another.cursor().execute("BEGIN")
        another.cursor().execute(locks.TRY_BY_NAME, [locks.JOB, "sweep"])
        run = runs.run_job("sweep", fails)
        assert (run.outcome, run.summary) == ("skipped", "Another run of this job is under way.")
        assert runs.run_job("wash", lambda: "Washed.").outcome == "done"
        another.cursor().execute("ROLLBACK")
    assert runs.run_job("sweep", lambda: "Swept.").outcome == "done"


@pytest.mark.django_db
def test_the_lock_is_kept_however_long_the_job_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may end idle transactions; this one is idle for as long as the job runs."""
    opened = []
    database = connections["analytics"]
    connect = database.get_new_connection
    monkeypatch.setattr(
        database, "get_new_connection", lambda given: opened.append(connect(given)) or opened[0]
    )

    def limit() -> str:
        return str(opened[0].execute("SHOW idle_in_transaction_session_timeout").fetchone()[0])

    given = database.get_connection_params()
    options = f"{given.get('options', '')} -c idle_in_transaction_session_timeout=60000".strip()
    monkeypatch.setattr(database, "get_connection_params", lambda: given | {"options": options})
    runs.run_job("sweep", lambda: limit())
    assert JobRun.objects.get().summary == "0"
    assert opened[0].closed


@pytest.mark.django_db
def test_a_run_accounts_for_killed_runs_of_its_own_job_only() -> None:
    for job in ("sweep", "wash"):
        JobRun.objects.create(job=job, started_at=timezone.now(), outcome="running")
    runs.run_job("sweep", lambda: "Swept.")
    outcomes = JobRun.objects.order_by("id").values_list("job", "outcome")
    assert list(outcomes) == [("sweep", "failed"), ("wash", "running"), ("sweep", "done")]


@pytest.mark.django_db
def test_what_a_killed_run_began_is_resumed_without_a_rest() -> None:
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    killed = JobRun.objects.create(job="sweep", started_at=begin, ended_at=begin + HOUR, outcome="failed")
    assert not runs.has_rested("sweep", begin + HOUR, REST)
    killed.summary = runs.KILLED
    killed.save()
    assert runs.has_rested("sweep", begin + HOUR, REST)


@pytest.mark.django_db
def test_the_longest_rest_ends_to_the_second() -> None:
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    JobRun.objects.create(job="sweep", started_at=begin, ended_at=begin + 3 * HOUR, outcome="done")
    assert not runs.has_rested("sweep", begin + 9 * HOUR - timedelta(seconds=1), REST)


@pytest.mark.django_db
def test_old_runs_of_other_jobs_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "RUNS_KEPT", 1)
    for job in ("wash", "sweep", "sweep"):
        runs.run_job(job, lambda: "Done.")
    assert sorted(JobRun.objects.values_list("job", flat=True)) == ["sweep", "wash"]
