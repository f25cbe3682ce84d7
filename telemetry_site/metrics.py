"""`/metrics` for Prometheus: the parts of `/ready` and jobs; `ingest/traffic/prometheus.py` adds ingest.

Processes keep their figures in a directory in memory (/dev/shm) where there is one: a full disk must
not stop a process that only counts.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from analytics.jobs import runs
from analytics.models import JobRun
from ingest.traffic import prometheus
from telemetry_site import health

MEMORY = Path("/dev/shm")  # noqa: S108  (a private directory is made in it)
PREFIX = "candid-metrics-"


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The whole instance's figures, in Prometheus' text format. Needs `OPERATOR_TOKEN` if that is set."""
    if not health.may_see_details(request):
        return HttpResponse(
            "needs 'Authorization: Bearer OPERATOR_TOKEN'\n",
            status=401,
            content_type="text/plain; charset=utf-8",
            headers={"WWW-Authenticate": "Bearer"},
        )
    body = prometheus.exposition(_Instance())
    return HttpResponse(body, content_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


class _Instance(Collector):
    """The version, the parts of `/ready`, and when each job last succeeded."""

    def collect(self) -> Iterable[Metric]:
        version = GaugeMetricFamily("candid_info", "Which version runs.", labels=["version"])
        version.add_metric([settings.VERSION], 1)
        ready = GaugeMetricFamily("candid_part_ready", "1 when the part of /ready is well.", labels=["part"])
        states = health.states(list(health.PARTS))
        for part, state in states.items():
            ready.add_metric([part], state == health.OK)
        yield from (version, ready)
        if states["analytics_database"] == health.OK:
            with contextlib.suppress(DatabaseError):
                yield from (_successes(), _failures())


def _failures() -> Metric:
    metric = GaugeMetricFamily(
        "candid_job_failed",
        "1 when a job's latest run that ended failed; for self-check: figures differ from their rows; "
        "for verify consent log: the consent log or the gate's table is not what was recorded.",
        labels=["job"],
    )
    for job, run in runs.latest_runs(ended=True).items():
        metric.add_metric([job], run.outcome == JobRun.Outcome.FAILED)
    return metric


def _successes() -> Metric:
    metric = GaugeMetricFamily(
        "candid_job_last_success_timestamp_seconds",
        "When a job last ended well, in seconds since 1970; beat is its tick through a worker.",
        labels=["job"],
    )
    with transaction.atomic(using="analytics"):
        with connections["analytics"].cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{health.STATEMENT_LIMIT}'")
        for job, at in runs.last_successes().items():
            metric.add_metric([job], at.timestamp())
    return metric


@contextlib.contextmanager
def directory(data_dir: Path) -> Iterator[Path]:
    """An empty directory for the figures of processes started inside the block; deleted afterwards.

    Also deletes what a killed supervisor left behind, recognized because nobody holds its lock.
    """
    place = MEMORY if os.access(MEMORY, os.W_OK) else data_dir
    for path in place.glob(f"{PREFIX}*/lock"):
        with contextlib.suppress(OSError), path.open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.parent, ignore_errors=True)
    directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)
