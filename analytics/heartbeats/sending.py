"""What this instance sends about itself, when `HEARTBEAT_ENDPOINT` is set and telemetry is on.

Four things: `first_seen` once, a base heartbeat a day (both OTLP logs, to another Candid), metrics
every few minutes and analytics a day (JSON totals). Each has a `SentHeartbeat` row made before it
is sent, with the body: whatever is sent again is sent word for word, with the same
`log.record.uid`, so that it counts once at the other side. Nothing here is waited for by anyone.
"""

import os
import platform
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.conf import settings

from analytics.heartbeats import delivery
from analytics.heartbeats.totals import totals
from analytics.models import SentHeartbeat
from consent.pseudonyms import keyed_digest

FIRST_SEEN, HEARTBEAT = "first_seen", "heartbeat"
METRICS, ANALYTICS = "metrics", "analytics"
PATHS = {
    FIRST_SEEN: "/v1/logs",
    HEARTBEAT: "/v1/logs",
    METRICS: "/telemetry/heartbeat",
    ANALYTICS: "/telemetry/analytics",
}
HEARTBEAT_TIME = time(3, 0, tzinfo=UTC)


def installation_id() -> uuid.UUID:
    """This instance's own id, as random as `ID_HASH_KEY` and as lasting; it tells nothing of the host."""
    return uuid.UUID(bytes=keyed_digest(b"this installation", 16), version=4)


def why_not() -> str:
    """Why nothing is sent, in a sentence; '' when it is."""
    if not settings.HEARTBEAT_ENDPOINT:
        return "Nothing is sent: HEARTBEAT_ENDPOINT is not set."
    if not settings.TELEMETRY_ENABLED:
        return "Nothing is sent: TELEMETRY_ENABLED is off."
    if os.environ.get("DO_NOT_TRACK", "").lower() not in ("", "0", "false"):
        return "Nothing is sent: DO_NOT_TRACK is set."
    return ""


def heartbeat_due_at(day: date) -> datetime:
    """03:00 UTC and, so that a fleet doesn't call at once, this installation's own number of minutes."""
    return datetime.combine(day, HEARTBEAT_TIME) + timedelta(minutes=installation_id().int % 60)


def send_first_seen(*, now: datetime) -> str:
    """Send `first_seen` unless it was delivered before, ever. Raises `NotDelivered`."""
    before = SentHeartbeat.objects.filter(name=FIRST_SEEN).order_by("day").first()
    day = before.day if before else now.astimezone(UTC).date()
    return _send(FIRST_SEEN, day, lambda: base_event(FIRST_SEEN, now), now)


def send_heartbeat(*, now: datetime, even_before_due: bool = False) -> str:
    """Send the day's base heartbeat if it is due and not delivered yet. Raises `NotDelivered`."""
    day = now.astimezone(UTC).date()
    if now < heartbeat_due_at(day) and not even_before_due:
        return ""
    return _send(HEARTBEAT, day, lambda: base_event(HEARTBEAT, now), now)


def send_daily_analytics(*, now: datetime, even_before_due: bool = False) -> str:
    """Send yesterday's totals if they are due and not delivered yet. Raises `NotDelivered`."""
    today = datetime.combine(now.astimezone(UTC).date(), time(tzinfo=UTC))
    if now < today + timedelta(hours=settings.ANALYTICS_HOUR_UTC) and not even_before_due:
        return ""
    yesterday = today - timedelta(days=1)

    def body() -> dict[str, Any]:
        return {
            "customer_id": str(installation_id()),
            "date": yesterday.date().isoformat(),
            "analytics": {"app_version": settings.VERSION, **totals(yesterday, today)},
        }

    return _send(ANALYTICS, yesterday.date(), body, now)


def send_metrics(*, now: datetime) -> str:
    """Send the totals of the last full interval (`HEARTBEAT_INTERVAL_SECONDS`). Raises `NotDelivered`.

    One row a day, which holds the latest of them.
    """
    if reason := why_not():
        return reason
    interval = settings.HEARTBEAT_INTERVAL_SECONDS
    end = datetime.fromtimestamp(now.timestamp() // interval * interval, UTC)
    start = end - timedelta(seconds=interval)
    body = {
        "customer_id": str(installation_id()),
        "timestamp": end.isoformat(),
        "metrics": {"interval_seconds": interval, "app_version": settings.VERSION, **totals(start, end)},
    }
    row, _ = SentHeartbeat.objects.get_or_create(name=METRICS, day=end.date())
    if delivery.is_refused_today(row, now) or (
        delivery.is_taken(row) and row.body["timestamp"] == body["timestamp"]
    ):
        return ""
    row.body = body
    return delivery.deliver(row, PATHS[METRICS], now)


def _send(name: str, day: date, body: Callable[[], dict[str, Any]], now: datetime) -> str:
    """Send what is named once for the day, with the body that its first attempt had."""
    if reason := why_not():
        return reason
    row = SentHeartbeat.objects.filter(name=name, day=day).first()
    if row is None:
        row, _ = SentHeartbeat.objects.get_or_create(name=name, day=day, defaults={"body": body()})
    if delivery.is_taken(row) or delivery.is_refused_today(row, now):
        return ""
    return delivery.deliver(row, PATHS[name], now)


def facts() -> dict[str, str]:
    """What a base event says: of the software, and of its surroundings only what many share."""
    return {
        "app_version": settings.VERSION,
        "platform": platform.system(),
        "os_version": ".".join(platform.release().split("-")[0].split(".")[:2]),
        "architecture": platform.machine(),
        "locale": settings.LANGUAGE_CODE,
        "timezone": settings.REPORT_TIME_ZONE,
        "release_channel": "stable" if settings.VERSION.replace(".", "").isdigit() else "beta",
        "deployment_type": "self-hosted",
    }


def base_event(name: str, now: datetime) -> dict[str, Any]:
    """The event as an OTLP/JSON `ExportLogsServiceRequest` (OTLP 1.11: 64-bit numbers are strings)."""
    day = now.astimezone(UTC).date()
    installation = installation_id()
    uid = uuid.uuid5(installation, f"{name} {day}")
    event_name = f"base_telemetry.{name}"
    attributes = {"app.installation.id": str(installation), **facts(), "log.record.uid": str(uid)}
    record = {
        "timeUnixNano": str(int(now.timestamp()) * 10**9),
        "severityNumber": 9,
        "eventName": event_name,
        "attributes": [
            _attribute("event.name", event_name),
            *(_attribute(*pair) for pair in attributes.items()),
        ],
    }
    resource = {
        "attributes": [_attribute("service.name", "candid"), _attribute("service.version", settings.VERSION)]
    }
    scope_logs = {"scope": {"name": "analytics.heartbeat"}, "logRecords": [record]}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [scope_logs]}]}


def _attribute(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}
