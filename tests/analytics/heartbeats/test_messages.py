"""What the messages say: facts that many share, and totals of exactly their period."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from analytics.heartbeats import messages
from tests.support.events import activity, person

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)


def record_of(body: dict[str, Any]) -> dict[str, Any]:
    return body["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]


def attributes_of(name: str, now: datetime) -> dict[str, str]:
    record = record_of(messages.base_event(name, now))
    return {item["key"]: item["value"]["stringValue"] for item in record["attributes"]}


def test_a_base_event_says_only_what_many_installations_share() -> None:
    assert set(attributes_of("heartbeat", NOON)) == {
        "event.name",
        "app.installation.id",
        "log.record.uid",
        "app_version",
        "platform",
        "os_version",
        "architecture",
        "locale",
        "timezone",
        "release_channel",
        "deployment_type",
    }


def test_the_installation_keeps_its_id_and_another_key_is_another_installation(settings: Settings) -> None:
    first = messages.installation_id()
    assert first == messages.installation_id()
    settings.ID_HASH_KEY = "another key, another installation"
    assert messages.installation_id() != first


def test_of_the_system_only_the_first_two_numbers_are_told(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr("platform.release", lambda: "6.1.0-13-amd64.local")
    assert messages.facts()["os_version"] == "6.1"
    for version, channel in (("1.20.3", "stable"), ("1.20.3rc1", "beta")):
        settings.VERSION = version
        assert (messages.facts()["app_version"], messages.facts()["release_channel"]) == (version, channel)


def test_a_base_event_has_one_uid_all_day_and_its_own_time() -> None:
    midnight = NOON.replace(hour=0)
    uids = [
        attributes_of(name, at)["log.record.uid"]
        for name, at in (
            ("heartbeat", midnight),
            ("heartbeat", midnight + timedelta(days=1) - MOMENT),
            ("heartbeat", midnight + timedelta(days=1)),
            ("first_seen", midnight),
        )
    ]
    assert uids[0] == uids[1]
    assert len(set(uids)) == 3
    record = record_of(messages.base_event("heartbeat", NOON))
    assert record["timeUnixNano"] == str(int(NOON.timestamp())) + "0" * 9
    assert (record["eventName"], attributes_of("heartbeat", NOON)["event.name"]) == (
        "base_telemetry.heartbeat",
        "base_telemetry.heartbeat",
    )


def test_totals_are_of_exactly_the_period() -> None:
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    hour, day = timedelta(hours=1), timedelta(days=1)
    for number, at in enumerate((-MOMENT, 0 * hour, 23 * hour - MOMENT, 23 * hour, day - MOMENT)):
        for several in range(5):
            activity(person(10 * number + several), end - timedelta(days=1) + at)
    for several in range(5):
        activity(person(90 + several), end)
    assert messages.daily_analytics(end.date() - timedelta(days=1))["analytics"]["sign_ins"] == 20
    metrics = messages.metrics(end, seconds=3600)
    assert metrics["metrics"]["sign_ins"] == 10
    assert (metrics["timestamp"], metrics["metrics"]["interval_seconds"]) == (end.isoformat(), 3600)
