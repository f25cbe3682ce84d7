"""How each job stands against the timetable: what pages, the admin and `/ready` say.

A job is due when a time in the table has passed since its last run began. Beat sends it then. If beat or the
worker was down, the tick, which runs every minute, sends what was missed.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from celery import current_app
from celery.schedules import crontab

from analytics.jobs import runs
from analytics.jobs.decorator import task_of
from analytics.jobs.timetable import Job, timetable
from analytics.models import JobRun

GRACE = timedelta(seconds=30)  # by then a job that beat sent has begun
LATE_AFTER = timedelta(minutes=3)  # past its time in the table; by then the tick has sent it again
SENT_AGAIN_FOR = timedelta(minutes=1)  # then the message expires, and the next tick sends another


class JobStanding(StrEnum):
    DONE = "done"
    RUNNING = "running"
    FAILED = "failed"
    LATE = "late"
    NEW = "new"


class JobState(NamedTuple):
    """How a job of the timetable stands. `sentence` is about `run`; times are UTC."""

    job: str
    standing: JobStanding
    run: JobRun | None
    sentence: str
    next_at: datetime

    @property
    def is_bad(self) -> bool:
        return self.standing in (JobStanding.FAILED, JobStanding.LATE)

    @property
    def took(self) -> timedelta | None:
        return self.run.ended_at - self.run.started_at if self.run and self.run.ended_at else None


def states(now: datetime) -> list[JobState]:
    """How each job stands, in the timetable's order."""
    latest, ended = runs.latest_runs(), runs.latest_runs(ended=True)
    return [_state(job, latest.get(job.name), ended.get(job.name), now) for job in timetable()]


def tick(*, now: datetime) -> str:
    """Note that beat and a worker are alive, mark killed runs as failed, and send what was missed."""
    sentence = runs.note_beat(now)
    runs.close_abandoned(now)
    latest = runs.latest_runs()
    for job in timetable():
        if _was_missed(latest.get(job.name), job.when, now):
            current_app.send_task(task_of(job.name), expires=SENT_AGAIN_FOR.total_seconds())
    return sentence


def _was_missed(latest: JobRun | None, when: crontab | timedelta, now: datetime) -> bool:
    if latest is None:
        return True
    return latest.outcome != JobRun.Outcome.RUNNING and _due_after(when, latest.started_at) < now - GRACE


def _state(job: Job, latest: JobRun | None, ended: JobRun | None, now: datetime) -> JobState:
    if latest is None:
        return JobState(job.name, JobStanding.NEW, None, "It has not run yet.", _due_after(job.when, now))
    due_at = _due_after(job.when, latest.started_at)
    next_at = due_at if due_at > now else _due_after(job.when, now)
    if ended and ended.outcome == JobRun.Outcome.FAILED:
        return JobState(job.name, JobStanding.FAILED, ended, ended.summary, next_at)
    if latest.outcome == JobRun.Outcome.RUNNING:
        return JobState(job.name, JobStanding.RUNNING, latest, "It is running.", next_at)
    if due_at < now - LATE_AFTER:
        sentence = (
            f"It was due at {due_at:%Y-%m-%d %H:%M} UTC and did not begin: are beat and a worker running?"
        )
        return JobState(job.name, JobStanding.LATE, latest, sentence, next_at)
    return JobState(job.name, JobStanding.DONE, latest, latest.summary, next_at)


def _due_after(when: crontab | timedelta, moment: datetime) -> datetime:
    """The first time in the timetable after a moment."""
    if isinstance(when, timedelta):
        return moment + when
    last, step, _ = when.remaining_delta(moment)
    due: datetime = last + step
    return due
