"""Runs a job: one run at a time across all processes, with a `JobRun` row that says how it went.

A run holds a PostgreSQL advisory lock, in a transaction on a connection of its own. The lock ends with the
run, even when the process is killed, and works through PgBouncer in transaction mode. A key that expires
could end before its run, or outlive it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

import psycopg
from django.db import connections
from django.db.models import Max
from django.utils import timezone

from analytics.jobs.timetable import Rest
from analytics.models import JobRun
from postgres import locks

RUNS_KEPT = 200  # per job
NOTHING_DUE = "Nothing was due."
BEAT = "beat"
ENDED = (JobRun.Outcome.DONE, JobRun.Outcome.FAILED)


def run_job(name: str, work: Callable[[], str]) -> JobRun:
    """Run `work`, unless another run of the job is under way; returns the row that says how it went.

    `work` returns a sentence that says what it did, or '' when nothing was due. Only the latest run with
    nothing due keeps its row, and only the latest that was skipped. An error is recorded, without the
    details that a database adds, and raised again.
    """
    with _only_one(name) as alone:
        started_at = timezone.now()
        if not alone:
            JobRun.objects.filter(job=name, outcome=JobRun.Outcome.SKIPPED).delete()
            return JobRun.objects.create(
                job=name,
                started_at=started_at,
                ended_at=started_at,
                outcome=JobRun.Outcome.SKIPPED,
                summary="Another run of this job is under way.",
            )
        _close_earlier(name, started_at)
        run = JobRun.objects.create(job=name, started_at=started_at, outcome=JobRun.Outcome.RUNNING)
        try:
            summary = work()
        except Exception as error:
            reason = str(error).partition("\n")[0]  # a database's next lines quote rows
            _end(run, JobRun.Outcome.FAILED, f"{type(error).__name__}: {reason}")
            raise
        if not summary:
            JobRun.objects.filter(job=name, summary=NOTHING_DUE).delete()
        _end(run, JobRun.Outcome.DONE, summary or NOTHING_DUE)
        run.summary = summary
        _forget_old_runs(name)
    return run


@contextmanager
def _only_one(name: str) -> Iterator[bool]:
    """Whether no other run of the job is under way; none can begin until the block ends."""
    database = connections["analytics"]
    connection = database.get_new_connection(database.get_connection_params())
    try:
        cursor = connection.cursor()
        # The transaction is idle for as long as the job runs. It has no snapshot, so VACUUM is not held up.
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute(locks.TRY_BY_NAME, [locks.JOB, name])
        row = cursor.fetchone()
        yield bool(row and row[0])
    finally:
        # The server ends a closed connection in its own time, and the lock with it: after this it is free.
        with suppress(psycopg.Error):
            connection.rollback()
        connection.close()


KILLED = "Its process ended before it did."
CLOSE = """
UPDATE analytics_jobrun SET outcome = 'failed', ended_at = %(now)s, summary = %(killed)s
 WHERE outcome = 'running' AND NOT EXISTS (
       SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND classid = %(space)s::oid AND objid = hashtext(job)::oid
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""


def close_abandoned(now: datetime) -> None:
    """Mark runs whose process was killed as failed. One statement, so a run that just ends is left alone."""
    with connections["analytics"].cursor() as cursor:
        cursor.execute(CLOSE, {"now": now, "killed": KILLED, "space": locks.JOB})


def _close_earlier(name: str, now: datetime) -> None:
    """Mark earlier runs as killed: whoever holds the lock knows that no other is alive."""
    JobRun.objects.filter(job=name, outcome=JobRun.Outcome.RUNNING).update(
        outcome=JobRun.Outcome.FAILED, ended_at=now, summary=KILLED
    )


def _end(run: JobRun, outcome: JobRun.Outcome, summary: str) -> None:
    run.outcome, run.ended_at, run.summary = outcome, timezone.now(), summary.strip()[:500]
    run.save(update_fields=["outcome", "ended_at", "summary"])


def _forget_old_runs(name: str) -> None:
    latest = JobRun.objects.filter(job=name).order_by("-started_at").values("pk")[:RUNS_KEPT]
    JobRun.objects.filter(job=name).exclude(pk__in=latest).delete()


def has_rested(name: str, now: datetime, rest: Rest) -> bool:
    """Whether the job's rest since its last run is over.

    Runs with nothing due do not count, nor do killed ones: what they began is resumed at once.
    """
    ended = JobRun.objects.filter(job=name, outcome__in=ENDED).exclude(summary__in=[NOTHING_DUE, KILLED])
    last = ended.order_by("-started_at").first()
    if last is None or last.ended_at is None:
        return True
    return now - last.ended_at >= min((last.ended_at - last.started_at) * rest.times, rest.at_most)


def note_beat(now: datetime) -> str:
    """Note that beat's tick came through a worker: one row, updated every minute."""
    summary = "Beat and a worker are alive."
    fields = {"started_at": now, "ended_at": now, "outcome": JobRun.Outcome.DONE, "summary": summary}
    if not JobRun.objects.filter(job=BEAT).update(**fields):
        JobRun.objects.create(job=BEAT, **fields)
    return summary


def last_beat() -> datetime | None:
    """When beat's last tick came through a worker (UTC): less than a minute ago when all is well."""
    return JobRun.objects.filter(job=BEAT).values_list("started_at", flat=True).first()


def latest_runs(*, ended: bool = False) -> dict[str, JobRun]:
    """The latest run of each job, by name; with `ended`, the latest that ended. Skipped runs do not count."""
    outcomes = ENDED if ended else (*ENDED, JobRun.Outcome.RUNNING)
    runs = JobRun.objects.filter(outcome__in=outcomes)
    return {run.job: run for run in runs.order_by("job", "-started_at").distinct("job")}


def last_successes() -> dict[str, datetime]:
    """When each job last succeeded (UTC), by name; a run with nothing due is a success."""
    done = JobRun.objects.filter(outcome=JobRun.Outcome.DONE, ended_at__isnull=False)
    return dict(done.values_list("job").annotate(Max("ended_at")).order_by("job"))
