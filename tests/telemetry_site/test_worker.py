"""Jobs in a real worker: missed ones are made up for, and what a killed one left behind is repaired."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import date, datetime, timedelta
from pathlib import Path
from subprocess import Popen

import pytest
import redis
from celery import Task
from django.db import connections
from django.utils import timezone
from pytest_django import Settings

from analytics.jobs import decorator, runs
from analytics.jobs.timetable import Job, timetable
from analytics.models import DroppedPartition, JobRun, Mark, RolledDay, RollUp
from analytics.partitions import Month, existing
from analytics.rollups.building import build
from telemetry_site.celery import app
from tests.support.events import TODAY, ago, crowd, months_standing
from tests.support.programs import another_redis, environment, process, until
from tests.support.rolling import mark_everything

WORKER = ("-m", "celery", "-A", "telemetry_site", "worker", "--pool", "solo", "--loglevel", "warning")
OLD = [Month(2025, 1).plus(months) for months in range(8)]
Worker = Callable[[], AbstractContextManager[Popen[bytes]]]


@pytest.fixture
def worker(transactional_db: None, settings: Settings, tmp_path: Path) -> Iterator[Worker]:
    """Starts a worker (one process, so that killing it leaves nothing) with a queue of this test's own."""
    queue = another_redis(settings.REDIS_URL)
    yield lambda: process(*WORKER, env=environment(REDIS_URL=queue), log=tmp_path / "worker.log")
    with redis.Redis.from_url(queue) as connection:
        connection.flushdb()


def ran(job: str, ago: timedelta) -> None:
    at = timezone.now() - ago
    JobRun.objects.create(job=job, started_at=at, ended_at=at, outcome="done", summary="Done.")


def has_run_since(job: str, moment: datetime) -> bool:
    return JobRun.objects.filter(job=job, outcome="done", started_at__gt=moment).exists()


def test_what_was_missed_runs_within_the_next_tick(worker: Worker) -> None:
    for entry in timetable():
        ran(entry.name, timedelta(days=2))
    began = timezone.now()
    with worker():
        for entry in timetable():
            until(lambda name=entry.name: has_run_since(name, began), what=f"{entry.name} has run")


def test_what_was_not_missed_waits_for_its_time(worker: Worker) -> None:
    for entry in timetable():
        ran(entry.name, timedelta(days=2) if entry.name == "prune traffic counts" else timedelta(0))
    began = timezone.now()
    with worker():
        until(lambda: has_run_since("prune traffic counts", began), what="it has run")
    assert not has_run_since("roll up traffic counts", began)


@pytest.fixture
def old_months(transactional_db: None) -> Iterator[None]:
    """Months that are due for pruning, with a few rows."""
    with months_standing(OLD[0], OLD[-1]):
        yield


def standing() -> list[tuple[str, Month]]:
    return sorted((one.table, one.month) for one in existing() if one.month in OLD)


def in_ledger() -> list[tuple[str, Month]]:
    return sorted((line.table, Month.of(line.month)) for line in DroppedPartition.objects.all())


@pytest.mark.usefixtures("old_months")
@pytest.mark.proof
def test_a_worker_killed_in_a_prune_leaves_whole_months_and_the_next_run_drops_the_rest(
    worker: Worker,
) -> None:
    everything = standing()
    chance = random.Random(5)
    for _ in range(5):
        before = JobRun.objects.filter(job="prune").count()
        with worker() as running:
            until(lambda: JobRun.objects.filter(job="prune").count() > before, what="it prunes")  # noqa: B023
            time.sleep(chance.uniform(0, 0.15))
            running.kill()
            running.wait()
        until(lambda: not _backends_of_workers(), what="the database has noticed")
        assert sorted([*standing(), *in_ledger()]) == everything
        by_month = [month for _, month in standing()]
        assert {by_month.count(month) for month in by_month} <= {3}
    began = timezone.now()
    with worker():
        until(lambda: has_run_since("prune", began), what="the next run")
    assert (standing(), in_ledger()) == ([], everything)
    assert not JobRun.objects.filter(job="prune", outcome="running").exists()


@pytest.mark.proof
def test_a_worker_killed_while_it_builds_days_leaves_whole_days_and_the_next_run_builds_the_rest(
    worker: Worker,
) -> None:
    chance = random.Random(5)
    with months_standing(Month.of(TODAY).plus(-4), Month.of(TODAY)):
        crowd(5, events=400)
        mark_everything()
        for _ in range(3):
            left = Mark.objects.count()
            with worker() as running:
                until(lambda left=left: Mark.objects.count() < left, what="it builds")
                time.sleep(chance.uniform(0, 0.1))
                running.kill()
                running.wait()
            until(lambda: not _backends_of_workers(), what="the database has noticed")
            assert Mark.objects.exists(), "it was killed in the middle"
            JobRun.objects.all().delete()  # so that the next worker begins at once
        with worker():
            until(lambda: not Mark.objects.exists(), what="the next run")
        built = rolled_up()
        assert {day for day, _, _ in built} == set(
            RolledDay.objects.filter(events__gt=0).values_list("day", flat=True)
        )
        build.roll_up(ago(100), TODAY)
        assert rolled_up() == built


def rolled_up() -> list[tuple[date, str, bytes]]:
    return sorted(RollUp.objects.values_list("day", "kind", "content"))


def _backends_of_workers() -> bool:
    """Whether the analytics database still has a connection of a killed worker."""
    with connections["analytics"].cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend')"
        )
        return bool(cursor.fetchone()[0])


def task_of(entry: Job) -> "Task[[], str]":
    app.loader.import_default_modules()
    return app.tasks[decorator.task_of(entry.name)]


@pytest.mark.parametrize("entry", timetable(), ids=lambda entry: entry.name)
def test_every_job_is_retried_with_growing_pauses_and_has_a_time_limit(entry: Job) -> None:
    task = task_of(entry)
    assert task.autoretry_for == (Exception,)
    assert (task.retry_backoff, task.retry_jitter, task.max_retries) == (10, True, 6)
    assert 0 < task.soft_time_limit < task.time_limit <= 5 * 3600


@pytest.mark.django_db
@pytest.mark.parametrize("entry", timetable()[1:], ids=lambda entry: entry.name)
def test_every_job_runs_alone_under_its_name_in_the_timetable(entry: Job) -> None:
    with runs._only_one(entry.name):
        assert task_of(entry)() == "Another run of this job is under way."


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("entry", timetable(), ids=lambda entry: entry.name)
def test_a_second_run_finds_nothing_to_do(entry: Job) -> None:
    task = task_of(entry)
    task()
    said = {
        "beat": "Beat and a worker are alive.",
        "partitions": "Every partition exists.",
        "verify consent log": "0 decisions and 0 rows of the gate’s table verified, 0 differences.",
    }
    again = task()
    assert again == said.get(entry.name, "") or (entry.name, again[:15]) == ("prune", "Nothing to drop")
