"""What this instance sends about itself: once, when it may, and with an account of the answer."""

import http.server
import json
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from analytics.heartbeats import sending
from analytics.heartbeats.delivery import NotDelivered, Refused
from analytics.jobs import runs
from analytics.models import Installation, JobRun, SentHeartbeat
from consent.keys import issue_key
from consent.pseudonyms import pseudonym

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


class Vendor(http.server.ThreadingHTTPServer):
    """The other side, with an answer of the test's choice."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.daemon_threads = True
        self.status, self.text = 200, "{}"
        self.heard: list[tuple[str, dict[str, str], dict[str, Any]]] = []

    @property
    def paths(self) -> list[str]:
        return [path for path, _, _ in self.heard]


class Answer(http.server.BaseHTTPRequestHandler):
    server: Vendor

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.heard.append((self.path, headers, body))
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(self.server.text.encode())

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def vendor(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    server = Vendor()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    settings.HEARTBEAT_ENDPOINT = f"http://127.0.0.1:{server.server_port}"
    settings.HEARTBEAT_KEY = "cnd_test"
    settings.TELEMETRY_ENABLED = True
    yield server
    server.shutdown()
    server.server_close()


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


def test_a_base_event_says_only_what_many_installations_share(vendor: Vendor) -> None:
    send_both(NOON)
    assert set(attributes_of(vendor.heard[0][2])) == {
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
    first = sending.installation_id()
    assert first == sending.installation_id()
    settings.ID_HASH_KEY = "another key, another installation"
    assert sending.installation_id() != first


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


def test_a_refusal_for_good_is_left_alone_until_tomorrow(vendor: Vendor) -> None:
    vendor.status, vendor.text = 401, "this key is unknown or revoked"
    with pytest.raises(Refused, match="401 this key is unknown"):
        sending.send_first_seen(now=NOON)
    assert sending.send_first_seen(now=NOON + timedelta(hours=1)) == ""
    with pytest.raises(Refused):
        sending.send_first_seen(now=NOON + timedelta(days=1))
    assert len(vendor.heard) == 2


def test_a_redirect_is_not_followed(vendor: Vendor) -> None:
    vendor.status = 302
    with pytest.raises(Refused, match="302"):
        sending.send_first_seen(now=NOON)
    assert vendor.paths == ["/v1/logs"]


def test_a_long_answer_is_cut(vendor: Vendor) -> None:
    vendor.text = "x" * 1_000_000
    sending.send_first_seen(now=NOON)
    assert SentHeartbeat.objects.get().answer == "x" * 200


def test_only_http_is_spoken(vendor: Vendor, settings: Settings) -> None:
    settings.HEARTBEAT_ENDPOINT = "file:///etc"
    with pytest.raises(Refused, match="must begin with http"):
        sending.send_first_seen(now=NOON)


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


def test_the_heartbeat_waits_for_its_minute_after_three(vendor: Vendor) -> None:
    due = sending.heartbeat_due_at(NOON.date())
    assert datetime(2026, 3, 10, 3, tzinfo=UTC) <= due < datetime(2026, 3, 10, 4, tzinfo=UTC)
    assert sending.send_heartbeat(now=due - timedelta(minutes=1)) == ""
    assert sending.send_heartbeat(now=due) != ""
    assert len(vendor.heard) == 1


def test_daily_analytics_are_yesterdays_totals_once(vendor: Vendor) -> None:
    assert sending.send_daily_analytics(now=NOON.replace(hour=1)) == ""
    for _ in range(2):
        sending.send_daily_analytics(now=NOON)
    ((path, _, body),) = vendor.heard
    assert path == "/telemetry/analytics"
    assert (body["customer_id"], body["date"]) == (str(sending.installation_id()), "2026-03-09")
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


def test_metrics_refused_for_good_are_not_sent_again_that_day(vendor: Vendor) -> None:
    vendor.status = 404
    with pytest.raises(Refused):
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
        "Nothing to do: first seen was settled before.",
        "Nothing to do: heartbeat was settled before.",
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
    now = timezone.now()
    for name in ("first_seen", "heartbeat", "heartbeat"):
        body = json.dumps(sending.base_event(name, now))
        answer = client.post("/v1/logs", body, content_type="application/json", headers={"x-api-key": key})
        assert answer.json() == {}
    installation = Installation.objects.get()
    assert installation.pseudonym == pseudonym("installation", str(sending.installation_id()))
    assert installation.events.count() == 2
    facts = {name: getattr(installation, name) for name in sending.facts()}
    assert facts == sending.facts()
