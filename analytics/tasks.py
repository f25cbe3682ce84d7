"""What Celery runs: each task is one line that calls a service (when: `telemetry_site/celery.py`).

A task that fails is tried again with growing pauses; the next time in the timetable tries anyway.
What a task returns is the sentence of its `JobRun` row, for the worker's log.
"""

from collections.abc import Callable
from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from analytics.erasure import erasing
from analytics.heartbeats import sending
from analytics.heartbeats.delivery import Refused
from analytics.jobs import runs, status
from analytics.rollups.building import build
from analytics.storage import pruning

SIX_HOURS = timedelta(hours=6)
# A run begins no further day after so many seconds, and the next one waits four times as long as the last
# one took, so that ingest has the processors; today is never more than 90 seconds behind all the same.
ROLL_UP_SECONDS, ROLL_UP_RESTS, ROLL_UP_RESTS_AT_MOST = 15.0, 4.0, timedelta(seconds=40)


def task(*, seconds: int) -> Callable[[Callable[[], str]], Callable[[], str]]:
    """A task that may take so long, and is tried again after about 10, 20, 40 … seconds (at most 600).

    The pauses are drawn at random, so that a fleet that lost the same server does not come back at once.
    """

    def decorate(function: Callable[[], str]) -> Callable[[], str]:
        made: Callable[[], str] = shared_task(
            autoretry_for=(Exception,),
            dont_autoretry_for=(Refused, erasing.NotErased),
            max_retries=6,
            retry_backoff=10,
            retry_backoff_max=600,
            retry_jitter=True,
            soft_time_limit=seconds,
            time_limit=seconds + 30,
        )(function)
        return made

    return decorate


@task(seconds=30)
def tick() -> str:
    return status.tick(now=timezone.now())


@task(seconds=120)
def make_partitions() -> str:
    return runs.run_job("partitions", lambda: pruning.make_partitions(now=timezone.now())).summary


@task(seconds=1500)
def prune() -> str:
    return runs.run_job("prune", lambda: pruning.prune(now=timezone.now()).sentence).summary


@task(seconds=4 * 3600)  # each run ends with a search through everything, some 4 µs a row
def erase() -> str:
    return runs.run_job("erasure", _erase_if_rested).summary


@task(seconds=900)
def roll_up() -> str:
    return runs.run_job("roll-ups", _roll_up_if_rested).summary


@task(seconds=60)
def send_first_seen() -> str:
    return runs.run_job("first seen", lambda: sending.send_first_seen(now=timezone.now())).summary


@task(seconds=60)
def send_heartbeat() -> str:
    return runs.run_job("heartbeat", lambda: sending.send_heartbeat(now=timezone.now())).summary


@task(seconds=120)
def send_metrics() -> str:
    return runs.run_job("metrics", lambda: sending.send_metrics(now=timezone.now())).summary


@task(seconds=1500)
def send_daily_analytics() -> str:
    return runs.run_job("daily analytics", lambda: sending.send_daily_analytics(now=timezone.now())).summary


def _erase_if_rested() -> str:
    is_due = erasing.due().exists() and runs.has_rested("erasure", timezone.now(), times=9, at_most=SIX_HOURS)
    return erasing.work_off() if is_due else ""


def _roll_up_if_rested() -> str:
    rested = runs.has_rested("roll-ups", timezone.now(), times=ROLL_UP_RESTS, at_most=ROLL_UP_RESTS_AT_MOST)
    return build.roll_up(budget=ROLL_UP_SECONDS).sentence if rested else ""
