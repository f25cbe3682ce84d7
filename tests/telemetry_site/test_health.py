"""`/health` and `/ready`."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from analytics import jobs, partitions


def parts(client: Client) -> dict[str, str]:
    return dict(client.get("/ready").json()["parts"])


def test_health_asks_no_database(client: Client) -> None:
    assert client.get("/health").json() == {"status": "ok"}


def test_ready_when_every_part_is_well(client: Client, db: None) -> None:
    jobs.note_beat(timezone.now())
    answer = client.get("/ready")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "parts": dict.fromkeys(("database", "analytics_database", "redis", "partitions", "beat"), "ok"),
    }


def test_a_late_beat_is_not_ready(client: Client, db: None) -> None:
    jobs.note_beat(timezone.now() - timedelta(minutes=4))
    assert client.get("/ready").status_code == 503
    assert parts(client)["beat"].startswith("beat's last tick came at")


def test_a_missing_partition_is_named(client: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    this_month = partitions.Month.of(timezone.now().date())
    kept = [one for one in partitions.existing() if one.month != this_month.plus(1)]
    monkeypatch.setattr(partitions, "existing", lambda: kept)
    assert f"has no partition for {this_month.plus(1)}" in parts(client)["partitions"]


def test_a_redis_that_does_not_answer_is_said_without_its_address(
    client: Client, db: None, settings: Settings
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert parts(client)["redis"] == "does not answer"
