"""The timetable, and a real worker that runs its jobs from a real Redis."""

import os
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
from pytest_django import Settings

from analytics.jobs import runs
from analytics.jobs.timetable import find_job, timetable
from analytics.models import JobRun
from telemetry_site.celery import app
from tests.support.programs import ROOT, another_redis, environment, process, until


def test_nothing_is_sent_without_an_endpoint(settings: Settings) -> None:
    settings.HEARTBEAT_ENDPOINT = ""
    assert [job.name for job in timetable()] == [
        "beat",
        "partitions",
        "prune",
        "erasure",
        "roll-ups",
        "roll up traffic counts",
        "prune traffic counts",
        "self-check",
        "verify consent log",
    ]
    settings.HEARTBEAT_ENDPOINT = "http://vendor.test"
    sending = [job.name for job in timetable()][9:]
    assert sending == ["first seen", "heartbeat", "metrics", "daily analytics"]


def test_times_follow_the_settings(settings: Settings) -> None:
    settings.HEARTBEAT_INTERVAL_SECONDS, settings.ANALYTICS_HOUR_UTC = 90, 5
    assert find_job("metrics").when == timedelta(seconds=90)
    assert min(find_job("daily analytics").when.hour) == 5
    assert min(find_job("heartbeat").when.hour) == 3


def test_beat_uses_the_timetable_and_keeps_no_file() -> None:
    app.finalize()
    assert [(name, entry["schedule"]) for name, entry in app.conf.beat_schedule.items()] == [
        (job.name, job.when) for job in timetable()
    ]
    assert app.conf.beat_schedule["erasure"]["task"] == "analytics.tasks.erase"
    assert app.conf.beat_schedule["prune traffic counts"]["task"] == "ingest.tasks.prune_counts"
    assert app.conf.beat_scheduler == "celery.beat:Scheduler"


def test_a_task_nobody_began_in_time_is_dropped() -> None:
    app.finalize()
    assert app.conf.beat_schedule["beat"]["options"] == {"expires": 60.0}


@pytest.mark.django_db(transaction=True)
def test_a_real_worker_runs_a_task_from_the_real_redis(tmp_path: Path) -> None:
    queue = f"test-{uuid.uuid4()}"
    log = tmp_path / "worker.log"
    began = datetime.now(UTC)
    worker = ("-m", "celery", "-A", "telemetry_site", "worker", "-c", "1", "-Q", queue, "--loglevel", "info")
    with process(*worker, env=environment(), log=log):
        app.send_task("analytics.tasks.prune", queue=queue)
        app.send_task("analytics.tasks.tick", queue=queue)
        until(lambda: JobRun.objects.filter(job="prune", outcome="done").exists(), what="the job's row")
        until(lambda: (runs.last_beat() or began) > began, what="beat's tick")
    assert JobRun.objects.get(job="prune").summary.startswith("Nothing to drop")
    assert "succeeded" in log.read_text()


SEND = "import sys; from telemetry_site.celery import app; app.send_task('a task', queue=sys.argv[1])"


def test_the_queue_is_in_the_database_that_redis_url_names(settings: Settings) -> None:
    queue, there = f"test-{uuid.uuid4()}", another_redis(settings.REDIS_URL)
    subprocess.run(
        [sys.executable, "-c", SEND, queue], cwd=ROOT, env=os.environ | {"REDIS_URL": there}, check=True
    )
    with redis.Redis.from_url(settings.REDIS_URL) as usual, redis.Redis.from_url(there) as numbered_seven:
        assert (usual.llen(queue), numbered_seven.llen(queue)) == (0, 1)
        numbered_seven.flushdb()
