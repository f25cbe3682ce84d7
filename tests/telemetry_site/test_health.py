"""`/health` and `/ready`."""

import socket
import threading
import time
from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from django.conf import settings as django_settings
from django.db import connections
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from analytics import partitions
from analytics.jobs import runs
from analytics.models import JobRun, RolledDay
from telemetry_site import health
from tests.support.events import months_standing

pytestmark = pytest.mark.django_db(transaction=True)  # parts are looked at by other connections
NAMES = (
    "database",
    "analytics_database",
    "partitions",
    "pruning",
    "beat",
    "jobs",
    "consent_log",
    "time_zone",
    "redis",
)


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> Iterator[None]:
    health._looks.clear()
    yield
    for look in health._looks.values():
        look.done.wait(10)


def parts(client: Client, query: str = "") -> dict[str, str]:
    health._looks.clear()
    return dict(client.get(f"/ready{query}").json()["parts"])


def test_health_asks_no_database(client: Client) -> None:
    assert client.get("/health").json() == {"status": "ok"}


def test_ready_when_every_part_is_well(client: Client) -> None:
    runs.note_beat(timezone.now())
    answer = client.get("/ready")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "parts": dict.fromkeys(NAMES, "ok")}


def test_a_late_beat_is_not_ready(client: Client) -> None:
    runs.note_beat(timezone.now() - timedelta(minutes=4))
    assert client.get("/ready").status_code == 503
    assert parts(client)["beat"].startswith("beat's last tick came at")


def test_a_failing_job_is_named_and_no_reason_to_stop_receiving(client: Client) -> None:
    runs.note_beat(timezone.now())
    with pytest.raises(ZeroDivisionError):
        runs.run_job("prune", lambda: str(1 // 0))
    answer = client.get("/ready")
    assert answer.status_code == 200
    assert answer.json()["parts"]["jobs"].startswith("failed: prune (at 2")
    runs.run_job("prune", lambda: "")
    assert parts(client)["jobs"] == "ok"


def test_a_job_that_does_not_begin_is_named(client: Client) -> None:
    runs.note_beat(timezone.now())
    runs.run_job("prune", lambda: "Pruned.")
    assert parts(client)["jobs"] == "ok"
    JobRun.objects.filter(job="prune").update(started_at=timezone.now() - timedelta(hours=2))
    assert parts(client)["jobs"].startswith("late: prune;")
    assert client.get("/ready").status_code == 200


def test_days_of_another_time_zone_are_counted_and_no_reason_to_stop_receiving(
    client: Client, settings: Settings
) -> None:
    settings.REPORT_TIME_ZONE = "Europe/Berlin"
    runs.note_beat(timezone.now())
    for day, zone in ((1, "UTC"), (2, "UTC"), (3, "Europe/Berlin")):
        RolledDay.objects.create(day=date(2026, 3, day), zone=zone, version=1)
    RolledDay.objects.create(day=date(2026, 2, 1), zone="UTC", version=1, state="sealed")
    answer = client.get("/ready")
    assert answer.status_code == 200
    said = answer.json()["parts"]["time_zone"]
    assert said.startswith("Roll-ups were made for UTC; 2 days must be rebuilt for Europe/Berlin.")
    assert said.endswith("manage.py roll_up")


@pytest.fixture
def month_before_the_rule(settings: Settings) -> Iterator[partitions.Month]:
    """A partition of the latest month that should have been pruned."""
    month = partitions.oldest_kept_month(timezone.now(), settings.EVENT_RETENTION_MONTHS).plus(-1)
    with months_standing(month, month):
        yield month


@pytest.mark.parametrize(("days", "status"), [(0, 200), (1.9, 200), (2.1, 503), (40, 503)])
def test_a_month_that_stands_two_days_after_its_time_is_not_ready(
    client: Client,
    month_before_the_rule: partitions.Month,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    days: float,
    status: int,
) -> None:
    due_at = month_before_the_rule.plus(settings.EVENT_RETENTION_MONTHS + 1).starts_at
    monkeypatch.setattr(timezone, "now", lambda: due_at + timedelta(days=days))
    runs.note_beat(timezone.now())
    answer = client.get("/ready?part=pruning")
    assert answer.status_code == status
    said = f"{month_before_the_rule} should have been dropped: run `manage.py prune`"
    assert answer.json()["parts"]["pruning"] == ("ok" if status == 200 else said)


def test_a_redis_that_does_not_answer_is_said_without_its_address(client: Client, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert parts(client)["redis"] == "does not answer"


def test_only_the_parts_asked_for_decide(client: Client, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    query = "?part=database&part=analytics_database&part=partitions"
    assert client.get(f"/ready{query}").status_code == 200
    assert parts(client, query) == dict.fromkeys(("database", "analytics_database", "partitions"), "ok")
    assert client.get("/ready?part=moon").status_code == 400


@pytest.fixture
def silent_server() -> Iterator[int]:
    """The port of a server that accepts connections but never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_database_that_hangs_does_not_hang_ready(
    client: Client, silent_server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_dict = connections["analytics"].settings_dict
    silent = {**settings_dict, "HOST": "127.0.0.1", "PORT": str(silent_server), "OPTIONS": {}}
    monkeypatch.setitem(connections.settings, "analytics", silent)
    before, began = threading.active_count(), time.monotonic()
    for _ in range(5):
        answer = client.get("/ready")
    assert time.monotonic() - began < 5 * 3
    assert answer.status_code == 503
    assert answer.json()["parts"]["database"] == "ok"
    assert answer.json()["parts"]["analytics_database"].startswith("does not answer")
    assert threading.active_count() <= before + 2  # one look is shared by all who ask


def test_without_the_token_only_the_status_is_told(client: Client, settings: Settings) -> None:
    runs.note_beat(timezone.now())
    settings.OPERATOR_TOKEN = "a-token-of-the-operators-of-this-instance"
    assert client.get("/ready").json() == {"status": "ok"}
    for wrong in (
        "Bearer nonsense",
        "Basic a-token-of-the-operators-of-this-instance",
        "Bearer ",
        "Bearer ÿ",
    ):
        assert client.get("/ready", headers={"Authorization": wrong}).json() == {"status": "ok"}
    told = client.get("/ready", headers={"Authorization": "Bearer a-token-of-the-operators-of-this-instance"})
    assert set(told.json()["parts"]) == set(NAMES)


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics"])
def test_operators_may_ask_by_any_name(client: Client, settings: Settings, path: str) -> None:
    settings.SECURE_SSL_REDIRECT = True
    runs.note_beat(timezone.now())
    answer = client.get(path, headers={"Host": "10.0.0.7:8000"})
    assert answer.status_code == 200
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in answer


def test_no_answer_names_an_address(client: Client) -> None:
    text = client.get("/ready").content.decode()
    for database in django_settings.DATABASES.values():
        assert str(database["HOST"]) not in text or not database["HOST"]
