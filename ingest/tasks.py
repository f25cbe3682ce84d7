"""What Celery runs for ingest (when: `telemetry_site/celery.py`)."""

from django.utils import timezone

from analytics.jobs import runs
from analytics.tasks import task
from ingest.traffic import pruning


@task(seconds=600)
def prune_counts() -> str:
    return runs.run_job("prune traffic counts", _prune).summary


@task(seconds=600)
def roll_up_counts() -> str:
    return runs.run_job("roll up traffic counts", lambda: pruning.roll_up_minutes(now=timezone.now())).summary


def _prune() -> str:
    now = timezone.now()
    return " ".join(filter(None, (pruning.prune_traffic_counts(now=now), pruning.prune_details(now=now))))
