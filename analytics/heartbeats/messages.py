"""What this instance says about itself: the bodies of the four messages.

`first_seen` and the daily heartbeat are OTLP logs, for another Candid. Metrics and daily analytics are
JSON totals. Base events carry only facts that many installations share.
"""

import platform
import uuid
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.conf import settings

from analytics.heartbeats.totals import totals
from consent.pseudonyms import keyed_digest


def installation_id() -> uuid.UUID:
    """This instance's own id: as random and as lasting as `ID_HASH_KEY`. It says nothing about the host."""
    return uuid.UUID(bytes=keyed_digest(b"this installation", 16), version=4)


def facts() -> dict[str, str]:
    """What a base event says about the software and where it runs."""
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
    """`first_seen` or `heartbeat` as an OTLP/JSON `ExportLogsServiceRequest`.

    Its `log.record.uid` is the same all day, so that a repeated event counts once at the receiver.
    """
    installation = installation_id()
    uid = uuid.uuid5(installation, f"{name} {now.astimezone(UTC).date()}")
    event_name = f"base_telemetry.{name}"
    attributes = {
        "event.name": event_name,
        "app.installation.id": str(installation),
        **facts(),
        "log.record.uid": str(uid),
    }
    record = {
        "timeUnixNano": str(int(now.timestamp()) * 10**9),  # OTLP 1.11: 64-bit numbers are strings
        "severityNumber": 9,
        "eventName": event_name,
        "attributes": _attributes(attributes),
    }
    resource = {"attributes": _attributes({"service.name": "candid", "service.version": settings.VERSION})}
    scope_logs = {"scope": {"name": "analytics.heartbeat"}, "logRecords": [record]}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [scope_logs]}]}


def metrics(end: datetime, *, seconds: int) -> dict[str, Any]:
    """The totals of the `seconds` up to `end`."""
    numbers = totals(end - timedelta(seconds=seconds), end)
    return {
        "customer_id": str(installation_id()),
        "timestamp": end.isoformat(),
        "metrics": {"interval_seconds": seconds, "app_version": settings.VERSION, **numbers},
    }


def daily_analytics(day: date) -> dict[str, Any]:
    """The totals of a UTC day."""
    start = datetime.combine(day, time(tzinfo=UTC))
    numbers = totals(start, start + timedelta(days=1))
    return {
        "customer_id": str(installation_id()),
        "date": day.isoformat(),
        "analytics": {"app_version": settings.VERSION, **numbers},
    }


def _attributes(values: dict[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]
