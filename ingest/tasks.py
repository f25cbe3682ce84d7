"""The Celery tasks of this app. When they run: `analytics/jobs/timetable.py`."""

from django.utils import timezone

from analytics.jobs.decorator import job
from ingest.traffic import pruning


@job("roll up traffic counts")
def roll_up_counts() -> str:
    return pruning.roll_up_minutes(now=timezone.now())


@job("prune traffic counts")
def prune_counts() -> str:
    now = timezone.now()
    return " ".join(filter(None, (pruning.prune_traffic_counts(now=now), pruning.prune_details(now=now))))
