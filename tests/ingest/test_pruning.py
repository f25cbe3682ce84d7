"""Old traffic counts are deleted, in batches, and no others."""

from datetime import UTC, datetime, timedelta

import pytest

from analytics.models import JobRun
from ingest.models import TrafficCount
from ingest.pruning import prune_traffic_counts
from ingest.tasks import prune_counts

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
KEY = 4711
KEPT_FROM = datetime(2025, 3, 1, tzinfo=UTC)


def count_at(minute: datetime) -> None:
    TrafficCount.objects.create(minute=minute, key_id=KEY, signal="logs", outcome="accepted", count=1)


def test_counts_of_months_that_are_no_longer_kept_go_in_batches() -> None:
    for minutes in range(1, 8):
        count_at(KEPT_FROM - timedelta(minutes=minutes))
    for minute in (KEPT_FROM, NOW):
        count_at(minute)
    batches: list[int] = []
    said = prune_traffic_counts(now=NOW, batch=3, note=batches.append)
    assert (said, batches) == ("Deleted 7 traffic counts from before 2025-03.", [3, 3, 1])
    left = TrafficCount.objects.filter(key_id=KEY).order_by("minute").values_list("minute", flat=True)
    assert list(left) == [KEPT_FROM, NOW]


def test_again_it_changes_nothing_and_leaves_no_row() -> None:
    assert prune_traffic_counts(now=NOW) == ""
    assert prune_counts() == ""
    assert JobRun.objects.count() == 0


def test_the_task_says_what_it_did() -> None:
    count_at(datetime(2020, 1, 1, tzinfo=UTC))
    assert prune_counts().startswith("Deleted 1 traffic counts from before ")
    assert JobRun.objects.get().job == "prune traffic counts"
