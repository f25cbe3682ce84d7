"""The timetable as beat has it, and how each job stands by it: what pages, the admin and `/ready` say.

The table itself is above, in `telemetry_site/celery.py`; here it is read from Celery's configuration.
A job is due once its time has come since its last run began. Beat sends it then; what beat did not
send, because it or the worker was away, the tick of every minute sends.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from celery import current_app
from celery.schedules import crontab

from analytics.jobs import runs
from analytics.models import JobRun

GRACE = timedelta(seconds=30)  # in which what beat has sent begins
LATE_AFTER = timedelta(minutes=3)  # after the time in the table; the tick has sent it again by then
SENT_AGAIN_FOR = timedelta(minutes=1)  # then the next tick will


class Standing(StrEnum):
    DONE = "done"
    RUNNING = "running"
    FAILED = "failed"
    LATE = "late"
    NEW = "new"


class JobState(NamedTuple):
    """A job of the timetable. `run` is the one that `sentence` is about; times are UTC."""

    job: str
    standing: Standing
    run: JobRun | None
    sentence: str
    next_at: datetime

    @property
    def is_bad(self) -> bool:
        return self.standing in (Standing.FAILED, Standing.LATE)

    @property
    def took(self) -> timedelta | None:
        return self.run.ended_at - self.run.started_at if self.run and self.run.ended_at else None


def states(now: datetime) -> list[JobState]:
    """How each job stands, in the timetable's order."""
    latest, ended = runs.latest_runs(), runs.latest_runs(ended=True)
    return [
        _state(job, entry["schedule"], latest.get(job), ended.get(job), now)
        for job, entry in _entries().items()
    ]


def tick(*, now: datetime) -> str:
    """Note that beat and a worker are alive, account for killed runs, and send what was missed."""
    said = runs.note_beat(now)
    runs.close_abandoned(now)
    latest = runs.latest_runs()
    for job, entry in _entries().items():
        if _was_missed(latest.get(job), entry["schedule"], now):
            current_app.send_task(entry["task"], expires=SENT_AGAIN_FOR.total_seconds())
    return said


def _was_missed(latest: JobRun | None, when: crontab | timedelta, now: datetime) -> bool:
    if latest is None:
        return True
    return latest.outcome != JobRun.Outcome.RUNNING and _due_after(when, latest.started_at) < now - GRACE


def _entries() -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = current_app.conf.beat_schedule
    return entries


def _state(
    job: str, when: crontab | timedelta, latest: JobRun | None, ended: JobRun | None, now: datetime
) -> JobState:
    if latest is None:
        return JobState(job, Standing.NEW, None, "It has not run yet.", _due_after(when, now))
    due_at = _due_after(when, latest.started_at)
    next_at = due_at if due_at > now else _due_after(when, now)
    if ended and ended.outcome == JobRun.Outcome.FAILED:
        return JobState(job, Standing.FAILED, ended, ended.summary, next_at)
    if latest.outcome == JobRun.Outcome.RUNNING:
        return JobState(job, Standing.RUNNING, latest, "It is under way.", next_at)
    if due_at < now - LATE_AFTER:
        said = f"It was due at {due_at:%Y-%m-%d %H:%M} UTC and did not begin: are beat and a worker running?"
        return JobState(job, Standing.LATE, latest, said, next_at)
    return JobState(job, Standing.DONE, latest, latest.summary, next_at)


def _due_after(when: crontab | timedelta, moment: datetime) -> datetime:
    """The first time in the timetable after a moment."""
    if isinstance(when, timedelta):
        return moment + when
    last, step, _ = when.remaining_delta(moment)
    due: datetime = last + step
    return due
