"""The pipeline page: what arrived by outcome, status and key, the latest rejections, undeclared names."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from analytics.jobs import runs
from analytics.models import DroppedPartition, JobRun, RolledDay
from consent.keys import issue_key
from consent.models import Key
from ingest.models import TrafficCount, UndeclaredName
from ingest.traffic import counting

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(db: None) -> Key:
    return issue_key(name="web shop", scopes=["ingest"])[1]


def text_of(client: Client, query: str = "") -> str:
    answer = client.get(f"/dashboards/pipeline/{query}")
    assert answer.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def arrived(key: Key | None, outcome: str, reason: str = "", number: int = 1, days: int = 0) -> None:
    TrafficCount.objects.create(
        minute=timezone.now().replace(second=0, microsecond=0) - timedelta(days=days),
        key_id=key.pk if key else None,
        signal="logs",
        outcome=outcome,
        reason=reason,
        count=number,
    )


def test_an_empty_instance_says_what_would_be_there(staff: Client) -> None:
    page = text_of(staff)
    for words in ("No record arrived", "No request was rejected", "No key yet", "No undeclared attribute"):
        assert words in page


def test_records_and_requests_are_counted_apart(staff: Client, key: Key) -> None:
    arrived(key, "accepted", number=1500)
    arrived(key, "refused", "no_consent", 500)
    arrived(key, "duplicate", number=7)
    arrived(key, "skipped", "not_an_event", 9)
    arrived(None, "rejected", "no_key", 3)
    page = text_of(staff)
    assert "Accepted 1,500 74.7% of the records" in page
    assert "Dropped: no consent 500 24.9%" in page
    assert "Sent again, stored once 7 0.3%" in page
    assert "401 Unauthorized: no key, or an unknown one 3 100.0%" in page
    assert f"web shop {key.hint}… never 1,500 7 500 9 0" in page
    assert "No key, or a key deleted since 0 0 0 0 3" in page


def test_the_switch_goes_back_thirty_days(staff: Client, key: Key) -> None:
    arrived(key, "accepted", number=4321, days=20)
    assert "4,321" not in text_of(staff)
    month = text_of(staff, "?period=30d")
    assert "Accepted 4,321" in month
    assert "Day by day" in month
    assert text_of(staff, "?period=nonsense").count("Hour by hour") == 1


def test_a_revoked_key_is_marked(staff: Client, key: Key) -> None:
    arrived(key, "accepted")
    Key.objects.filter(pk=key.pk).update(revoked_at=timezone.now())
    assert "web shop revoked" in text_of(staff)


def test_each_job_is_listed_with_its_last_run(staff: Client) -> None:
    at = timezone.now().replace(microsecond=0)
    for job, outcome, said in (("prune", "failed", "It is blocked."), ("erasure", "done", "Erased 3 <b>.")):
        ended = at + timedelta(seconds=2)
        JobRun.objects.create(job=job, started_at=at, ended_at=ended, outcome=outcome, summary=said)
    page = text_of(staff)
    began = f"{at:%-d %b, %H:%M:%S}"
    assert f"Prune Failed {began} 2.00 s It is blocked." in page
    assert f"Erasure Done {began} 2.00 s Erased 3 &lt;b&gt;." in page
    assert "Partitions Not yet never" in page


def test_a_beat_that_was_missed_is_noticed(staff: Client) -> None:
    runs.note_beat(timezone.now())
    assert "No job is running" not in text_of(staff)
    runs.note_beat(timezone.now() - timedelta(minutes=5))
    page = text_of(staff)
    assert "No job is running" in page
    assert "Beat Late" in page


def test_a_changed_time_zone_is_noticed_until_its_days_are_rebuilt(staff: Client) -> None:
    day = RolledDay.objects.create(day=date(2026, 3, 1), zone="Asia/Tokyo", version=1)
    assert "Roll-ups were made for Asia/Tokyo; 1 day must be rebuilt for UTC." in text_of(staff)
    RolledDay.objects.filter(pk=day.pk).update(zone="UTC")
    assert "Roll-ups were made" not in text_of(staff)


def test_dropped_months_are_listed_all_tables_together(staff: Client) -> None:
    assert "No month has been deleted yet" in text_of(staff)
    at = datetime(2026, 2, 1, 0, 30, tzinfo=UTC)
    for table in ("analytics_feature_usage", "analytics_user_activity"):
        DroppedPartition.objects.create(
            month=date(2025, 1, 1), table=table, rows=1_200_000, size_bytes=300 * 2**20, dropped_at=at
        )
    assert "January 2025 2.40 M 600.0 MB 1 Feb 2026" in text_of(staff)


def test_the_latest_rejections_are_listed(staff: Client, key: Key) -> None:
    counting.reject(key.pk, "logs", "malformed", transport="http", status=400)
    counting.reject(None, "traces", "no_key", transport="grpc", status="UNAUTHENTICATED")
    counting.flush()
    page = text_of(staff)
    assert "400 malformed web shop logs HTTP" in page
    assert "UNAUTHENTICATED no key, or an unknown one none traces gRPC" in page


def test_undeclared_names_are_listed_until_they_are_declared(staff: Client, key: Key) -> None:
    names = {"cart.size": 40, "rare.name": 4, "plan": 100, "<b>": 9, "host.*": 900, "http.*": 8}
    counting.note_names(key.pk, names)
    counting.flush()
    page = text_of(staff)
    assert "cart.size web shop 40" in page
    assert "at least 900 records had attributes that SDKs" in page
    assert "need no declaration: host.*, http.*." in page
    assert page.index("cart.size") < page.index("host.*")
    assert "rare.name" not in page  # too few records to be told
    assert "plan web shop" not in page  # declared by now
    assert b"<b>&lt;" not in staff.get("/dashboards/pipeline/").content
    UndeclaredName.objects.update(day=timezone.now().date() - timedelta(days=3))
    assert "cart.size" not in text_of(staff)
    assert "cart.size" in text_of(staff, "?period=30d")
