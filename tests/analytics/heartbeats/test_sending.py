"""What this instance sends about itself: once, only when it may, and with a record of the answer."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils.timezone import now as this_moment
from pytest_django import Settings

from analytics.heartbeats import messages, sending
from analytics.heartbeats.sending import DeliveryRefused, NotDelivered
from analytics.jobs import runs
from analytics.models import Installation, JobRun, SentHeartbeat
from consent.keys import issue_key
from consent.pseudonyms import pseudonym
from tests.analytics.heartbeats.conftest import Vendor

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def record_of(body: dict[str, Any]) -> dict[str, Any]:
    return body["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]


def attributes_of(body: dict[str, Any]) -> dict[str, str]:
    return {item["key"]: item["value"]["stringValue"] for item in record_of(body)["attributes"]}


def send_both(now: datetime) -> None:
    sending.send_first_seen(now=now)
    sending.send_heartbeat(now=now)


def test_first_seen_is_sent_once_ever_and_the_heartbeat_once_a_day(vendor: Vendor) -> None:
    for hours in (0, 1, 24, 25, 48):
        send_both(NOON + timedelta(hours=hours))
    names = [record_of(body)["eventName"] for _, _, body in vendor.heard]
    assert names == ["base_telemetry.first_seen"] + ["base_telemetry.heartbeat"] * 3
    assert set(vendor.paths) == {"/v1/logs"}


def test_the_key_goes_in_the_header_and_nowhere_else(vendor: Vendor) -> None:
    send_both(NOON)
    _, headers, body = vendor.heard[0]
    assert headers["authorization"] == "Bearer cnd_test"
    assert headers["content-type"] == "application/json"
    assert "cnd_test" not in json.dumps(body)


def test_what_was_sent_and_the_answer_are_on_record(vendor: Vendor) -> None:
    vendor.text = '{"partialSuccess": {}}'
    sending.send_heartbeat(now=NOON)
    row = SentHeartbeat.objects.get()
    assert (row.name, row.day, row.sent_at, row.attempts) == ("heartbeat", date(2026, 3, 10), NOON, 1)
    assert (row.status_code, row.answer) == (200, '{"partialSuccess": {}}')
    assert row.body == vendor.heard[0][2]


def test_what_is_sent_again_is_the_same_word_for_word(vendor: Vendor) -> None:
    vendor.status = 503
    with pytest.raises(NotDelivered, match="heartbeat of 2026-03-10 was not delivered: 503"):
        sending.send_heartbeat(now=NOON)
    vendor.status = 200
    assert sending.send_heartbeat(now=NOON + timedelta(minutes=7)).startswith("Sent heartbeat of 2026-03-10")
    (_, _, first), (_, _, second) = vendor.heard
    assert first == second
    assert SentHeartbeat.objects.get().attempts == 2


def test_no_answer_is_on_record_and_tried_again(vendor: Vendor, settings: Settings) -> None:
    address, settings.HEARTBEAT_ENDPOINT = settings.HEARTBEAT_ENDPOINT, "http://127.0.0.1:1"
    with pytest.raises(NotDelivered, match=r"no answer .*refused"):
        sending.send_first_seen(now=NOON)
    settings.HEARTBEAT_ENDPOINT = address
    sending.send_first_seen(now=NOON)
    assert SentHeartbeat.objects.get().status_code == 200


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_an_answer_that_means_later_is_retried_the_same_day(vendor: Vendor, status: int) -> None:
    vendor.status = status
    for _ in range(2):
        with pytest.raises(NotDelivered) as raised:
            sending.send_heartbeat(now=NOON)
        assert not isinstance(raised.value, DeliveryRefused)
    vendor.status = 299
    assert sending.send_heartbeat(now=NOON) != ""
    assert sending.send_heartbeat(now=NOON) == ""
    assert len(vendor.heard) == 3


@pytest.mark.parametrize("status", [300, 400, 404, 500])
def test_any_other_answer_is_a_refusal(vendor: Vendor, status: int) -> None:
    vendor.status = status
    with pytest.raises(DeliveryRefused, match=f"heartbeat of 2026-03-10 was refused: {status}"):
        sending.send_heartbeat(now=NOON)


def test_a_refusal_for_good_is_left_alone_until_tomorrow(vendor: Vendor) -> None:
    vendor.status, vendor.text = 401, "this key is unknown or revoked"
    with pytest.raises(DeliveryRefused, match="401 this key is unknown"):
        sending.send_first_seen(now=NOON)
    assert sending.send_first_seen(now=NOON + timedelta(hours=1)) == ""
    with pytest.raises(DeliveryRefused):
        sending.send_first_seen(now=NOON + timedelta(days=1))
    assert len(vendor.heard) == 2


@pytest.mark.parametrize("switch", ["endpoint", "setting", "environment"])
def test_off_means_that_nothing_is_sent(
    vendor: Vendor, settings: Settings, monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    if switch == "endpoint":
        settings.HEARTBEAT_ENDPOINT = ""
    elif switch == "setting":
        settings.TELEMETRY_ENABLED = False
    else:
        monkeypatch.setenv("DO_NOT_TRACK", "1")
    said = [
        sending.send_first_seen(now=NOON),
        sending.send_heartbeat(now=NOON),
        sending.send_metrics(now=NOON),
        sending.send_daily_analytics(now=NOON),
    ]
    assert all(sentence.startswith("Nothing is sent: ") for sentence in said)
    assert (vendor.heard, SentHeartbeat.objects.count()) == ([], 0)


@pytest.mark.parametrize(
    ("value", "sends"), [("", True), ("0", True), ("False", True), ("yes", False), ("2", False)]
)
def test_do_not_track_is_off_only_when_it_says_so(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch, value: str, sends: bool
) -> None:
    monkeypatch.setenv("DO_NOT_TRACK", value)
    assert (sending.why_nothing_is_sent() == "") is sends


def test_days_are_days_of_utc_whatever_the_clock_says(vendor: Vendor) -> None:
    tomorrow_there = NOON.astimezone(timezone(timedelta(hours=14)))
    vendor.status = 401
    for send in (sending.send_first_seen, sending.send_heartbeat):
        with pytest.raises(DeliveryRefused):
            send(now=NOON)
        assert send(now=tomorrow_there) == ""
    with pytest.raises(DeliveryRefused):
        sending.send_daily_analytics(now=tomorrow_there)
    days = dict(SentHeartbeat.objects.values_list("name", "day"))
    assert days == {"first_seen": NOON.date(), "heartbeat": NOON.date(), "analytics": date(2026, 3, 9)}


def test_the_heartbeat_waits_for_its_minute_after_three(vendor: Vendor) -> None:
    due = sending.heartbeat_due_at(NOON.date())
    assert datetime(2026, 3, 10, 3, tzinfo=UTC) <= due < datetime(2026, 3, 10, 4, tzinfo=UTC)
    assert sending.send_heartbeat(now=due - timedelta(minutes=1)) == ""
    assert sending.send_heartbeat(now=due) != ""
    assert len(vendor.heard) == 1


def test_daily_analytics_are_yesterdays_totals_once(vendor: Vendor) -> None:
    due = NOON.replace(hour=2)
    assert sending.send_daily_analytics(now=due - timedelta(microseconds=1)) == ""
    assert sending.send_daily_analytics(now=due) != ""
    assert sending.send_daily_analytics(now=NOON) == ""
    ((path, _, body),) = vendor.heard
    assert path == "/telemetry/analytics"
    assert (body["customer_id"], body["date"]) == (str(messages.installation_id()), "2026-03-09")
    assert body["analytics"]["active_users"] == 0


def test_metrics_are_of_the_last_full_interval(vendor: Vendor) -> None:
    for seconds in (0, 100, 299, 301):
        sending.send_metrics(now=NOON + timedelta(seconds=seconds))
    assert set(vendor.paths) == {"/telemetry/heartbeat"}
    bodies = [body for _, _, body in vendor.heard]
    assert [body["timestamp"] for body in bodies] == [
        "2026-03-10T12:00:00+00:00",
        "2026-03-10T12:05:00+00:00",
    ]
    assert bodies[0]["metrics"]["interval_seconds"] == 300
    assert SentHeartbeat.objects.get(name="metrics").body == bodies[1]


def test_metrics_that_were_not_delivered_are_sent_again(vendor: Vendor) -> None:
    vendor.status = 503
    with pytest.raises(NotDelivered):
        sending.send_metrics(now=NOON)
    vendor.status = 200
    assert sending.send_metrics(now=NOON + timedelta(seconds=10)) != ""
    assert sending.send_metrics(now=NOON + timedelta(seconds=20)) == ""
    assert len(vendor.heard) == 2


def test_metrics_refused_for_good_are_not_sent_again_that_day(vendor: Vendor) -> None:
    vendor.status = 404
    with pytest.raises(DeliveryRefused):
        sending.send_metrics(now=NOON)
    assert sending.send_metrics(now=NOON + timedelta(minutes=5)) == ""
    assert len(vendor.heard) == 1


def test_the_commands_say_what_they_did(vendor: Vendor) -> None:
    out = StringIO()
    call_command("send_heartbeat", stdout=out)
    call_command("send_heartbeat", stdout=out)
    call_command("send_daily_analytics", stdout=out)
    sent_first, sent_heartbeat, *again, sent_analytics = out.getvalue().splitlines()
    assert sent_first.startswith("Sent first_seen of ")
    assert sent_heartbeat.startswith("Sent heartbeat of ")
    assert again == [
        "Nothing to do: first seen was sent before.",
        "Nothing to do: heartbeat was sent before.",
    ]
    assert sent_analytics.startswith("Sent analytics of ")
    assert JobRun.objects.filter(outcome="done").exclude(summary=runs.NOTHING_DUE).count() == 3


def test_a_command_fails_when_it_was_not_delivered(vendor: Vendor) -> None:
    vendor.status = 502
    with pytest.raises(CommandError, match="not delivered: 502"):
        call_command("send_heartbeat")
    assert JobRun.objects.get().outcome == "failed"


def test_what_is_sent_again_counts_once_at_the_other_side(client: Client) -> None:
    key, _ = issue_key(name="customers", scopes=["ingest"])
    now = this_moment()
    for name in ("first_seen", "heartbeat", "heartbeat"):
        body = json.dumps(messages.base_event(name, now))
        answer = client.post("/v1/logs", body, content_type="application/json", headers={"x-api-key": key})
        assert answer.json() == {}
    installation = Installation.objects.get()
    assert installation.pseudonym == pseudonym("installation", str(messages.installation_id()))
    assert installation.events.count() == 2
    facts = {name: getattr(installation, name) for name in messages.facts()}
    assert facts == messages.facts()
