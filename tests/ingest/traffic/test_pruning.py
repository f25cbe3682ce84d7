"""Old traffic counts are deleted, in batches, and no others."""

from datetime import UTC, datetime, timedelta

import pytest

from analytics.models import JobRun
from ingest.models import RejectedRequest, TrafficCount, UndeclaredName
from ingest.tasks import prune_counts
from ingest.traffic.pruning import prune_details, prune_traffic_counts, roll_up_minutes

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


def test_again_it_changes_nothing() -> None:
    assert prune_traffic_counts(now=NOW) == ""
    assert prune_counts() == ""
    assert JobRun.objects.get().summary == "Nothing was due."


def test_the_task_says_what_it_did() -> None:
    count_at(datetime(2020, 1, 1, tzinfo=UTC))
    assert prune_counts().startswith("Deleted 1 traffic counts from before ")
    assert JobRun.objects.get().job == "prune traffic counts"


def test_minutes_of_two_days_ago_become_their_hour_and_totals_stay() -> None:
    hour = datetime(2026, 3, 8, 10, tzinfo=UTC)
    for minute in (0, 1, 30, 59):
        count_at(hour + timedelta(minutes=minute))
    count_at(hour + timedelta(hours=3, minutes=1))  # not two days ago yet
    assert roll_up_minutes(now=NOW) == "Rolled up the traffic counts of 1 hours."
    rows = TrafficCount.objects.order_by("minute").values_list("minute", "count")
    assert list(rows) == [(hour, 4), (hour + timedelta(hours=3, minutes=1), 1)]
    count_at(hour + timedelta(minutes=7))  # a process whose database was away that long
    roll_up_minutes(now=NOW)
    assert rows.all()[0] == (hour, 5)
    assert roll_up_minutes(now=NOW) == ""


def test_details_are_kept_for_thirty_days() -> None:
    for days in (1, 31):
        at = NOW - timedelta(days=days)
        RejectedRequest.objects.create(
            at=at, signal="logs", transport="http", status="400", reason="malformed"
        )
        UndeclaredName.objects.create(day=at.date(), key_id=KEY, name="plan.tier", count=1)
    assert prune_details(now=NOW).startswith("Deleted 1 rejected requests and 1 undeclared names")
    assert prune_details(now=NOW) == ""


def test_minutes_become_their_hour_once_it_ended_two_days_ago() -> None:
    hour = datetime(2026, 3, 8, 12, tzinfo=UTC)  # the hour of NOW, two days before
    for minute in (hour - timedelta(minutes=1), hour, hour + timedelta(minutes=1)):
        count_at(minute)
    assert roll_up_minutes(now=NOW + timedelta(minutes=59)) == "Rolled up the traffic counts of 1 hours."
    minutes = TrafficCount.objects.order_by("minute").values_list("minute", flat=True)
    assert list(minutes) == [hour - timedelta(hours=1), hour, hour + timedelta(minutes=1)]
    assert roll_up_minutes(now=NOW + timedelta(minutes=60)) == "Rolled up the traffic counts of 1 hours."
    assert list(TrafficCount.objects.order_by("minute").values_list("minute", "count")) == [
        (hour - timedelta(hours=1), 1),
        (hour, 2),
    ]
    assert roll_up_minutes(now=NOW + timedelta(minutes=60)) == ""


def test_an_hour_keeps_its_keys_outcomes_and_reasons_apart() -> None:
    at = datetime(2026, 3, 1, 10, 5, tzinfo=UTC)
    for key, outcome, reason in ((1, "accepted", ""), (2, "accepted", ""), (1, "refused", "too_old")):
        for minutes in (0, 1):
            TrafficCount.objects.create(
                minute=at + timedelta(minutes=minutes),
                key_id=key,
                signal="logs",
                outcome=outcome,
                reason=reason,
                count=3,
            )
    roll_up_minutes(now=NOW)
    assert set(TrafficCount.objects.values_list("key_id", "outcome", "reason", "count")) == {
        *((1, "accepted", "", 6), (2, "accepted", "", 6), (1, "refused", "too_old", 6))
    }


def test_details_exactly_thirty_days_old_stay() -> None:
    for at in (NOW - timedelta(days=30), NOW - timedelta(days=30, microseconds=1)):
        RejectedRequest.objects.create(at=at, signal="logs", transport="http", status="400", reason="x")
    for day in (30, 31):
        UndeclaredName.objects.create(
            day=(NOW - timedelta(days=day)).date(), key_id=1, name=str(day), count=1
        )
    assert prune_details(now=NOW) == "Deleted 1 rejected requests and 1 undeclared names older than 30 days."
    assert prune_details(now=NOW) == ""
