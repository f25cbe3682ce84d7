"""What Celery runs for ingest (when: `telemetry_site/celery.py`)."""

from django.utils import timezone

from analytics import jobs
from analytics.tasks import task
from ingest import pruning


@task(seconds=600)
def prune_counts() -> str:
    return jobs.run_job(
        "prune traffic counts", lambda: pruning.prune_traffic_counts(now=timezone.now())
    ).summary
