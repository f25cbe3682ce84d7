"""The timetable: every scheduled job, when it runs, how long it may take and how long it rests.

To add a job, add a line here, and a function under `@job(NAME)` in the app's `tasks.py`. A check at
start (`candid.E028`) names what is missing. Celery beat, the worker, the admin, the dashboards and
`/ready` all read this table.

A job works out from the data what is due: a missed run costs nothing, and a second one changes nothing.
"""

from datetime import timedelta
from typing import NamedTuple

from celery.schedules import crontab
from django.conf import settings

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


class Rest(NamedTuple):
    """A pause after each run: `times` as long as the run took, but no longer than `at_most`."""

    times: float
    at_most: timedelta


class Job(NamedTuple):
    """One line of the timetable. Its `JobRun` rows carry its name."""

    name: str
    when: crontab | timedelta  # UTC; an interval counts from the last run
    may_wait: timedelta  # for a worker; then the message is dropped, and the next run does the work
    time_limit: timedelta
    at_start: bool = False  # also when a worker starts, since settings may have changed
    rest: Rest | None = None
    is_on: bool = True


class UnknownJob(Exception):
    """A function is bound to a job that the timetable does not have."""


def all_jobs() -> list[Job]:
    """Every job, including those that the settings switch off."""
    sends = bool(settings.HEARTBEAT_ENDPOINT)
    interval = timedelta(seconds=settings.HEARTBEAT_INTERVAL_SECONDS)
    often = 20 * SECOND
    from_three = crontab(minute="*/10", hour="3-23")  # each instance has its own minute after three
    from_analytics_hour = crontab(minute="5,35", hour=f"{settings.ANALYTICS_HOUR_UTC}-23")
    # Each erasure run ends with a search of every table, about 4 µs a row.
    long = Rest(9, at_most=6 * HOUR)
    # Leaves ingest the processors; with it, reports of today are still at most 90 seconds behind.
    brief = Rest(4, at_most=40 * SECOND)
    # fmt: off
    return [
        #   name                      when (UTC)                  may wait  time limit   at start  rest
        Job("beat",                   crontab(),                  MINUTE,   30 * SECOND, True),
        Job("partitions",             crontab(minute=10),         HOUR,     2 * MINUTE,  True),
        Job("prune",                  crontab(minute=30),         HOUR,     25 * MINUTE, True),
        Job("erasure",                crontab(),                  MINUTE,   4 * HOUR,    True,     long),
        Job("roll-ups",               often,                      often,    15 * MINUTE, False,    brief),
        Job("roll up traffic counts", crontab(minute=20),         HOUR,     10 * MINUTE),
        Job("prune traffic counts",   crontab(minute=40, hour=4), HOUR,     10 * MINUTE),
        Job("self-check",             crontab(minute=25, hour=3), HOUR,     2 * HOUR),
        Job("verify consent log",     crontab(minute=55, hour=3), HOUR,     2 * HOUR),
        Job("first seen",             crontab(minute=50),         HOUR,     MINUTE,      is_on=sends),
        Job("heartbeat",              from_three,                 HOUR,     MINUTE,      is_on=sends),
        Job("metrics",                interval,                   interval, 2 * MINUTE,  is_on=sends),
        Job("daily analytics",        from_analytics_hour,        HOUR,     25 * MINUTE, is_on=sends),
    ]
    # fmt: on


def timetable() -> list[Job]:
    """The jobs that the settings switch on, in the table's order."""
    return [job for job in all_jobs() if job.is_on]


def find_job(name: str) -> Job:
    """The job of this name. Raises `UnknownJob`."""
    for job in all_jobs():
        if job.name == name:
            return job
    raise UnknownJob(f"There is no job “{name}”: add a line for it to analytics/jobs/timetable.py.")
