"""Sends what this instance says about itself (`messages.py`), when `HEARTBEAT_ENDPOINT` is set.

`first_seen` goes out once, the heartbeat and analytics daily. Each has a `SentHeartbeat` row, made with the
body before the first attempt: a retry sends the same body, so that the receiver counts it once. Metrics go
out every few minutes: one row a day holds the latest.

Only answers that mean "later" are retried soon (OTLP 1.11: 429, 502, 503, 504, and no answer at all).
After any other refusal nothing is sent until tomorrow, since asking again would not help.
"""

import os
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.conf import settings

from analytics.heartbeats import messages
from analytics.heartbeats.http_post import post
from analytics.models import SentHeartbeat

FIRST_SEEN, HEARTBEAT = "first_seen", "heartbeat"
METRICS, ANALYTICS = "metrics", "analytics"
PATHS = {
    FIRST_SEEN: "/v1/logs",
    HEARTBEAT: "/v1/logs",
    METRICS: "/telemetry/heartbeat",
    ANALYTICS: "/telemetry/analytics",
}
LATER = frozenset({429, 502, 503, 504})
HEARTBEAT_TIME = time(3, 0, tzinfo=UTC)


class NotDelivered(Exception):
    """No answer, or one that means "later"."""


class DeliveryRefused(NotDelivered):
    """An answer that would be the same if asked again."""


def why_nothing_is_sent() -> str:
    """The reason, in a sentence; '' when this instance may send."""
    if not settings.HEARTBEAT_ENDPOINT:
        return "Nothing is sent: HEARTBEAT_ENDPOINT is not set."
    if not settings.TELEMETRY_ENABLED:
        return "Nothing is sent: TELEMETRY_ENABLED is off."
    if os.environ.get("DO_NOT_TRACK", "").lower() not in ("", "0", "false"):
        return "Nothing is sent: DO_NOT_TRACK is set."
    return ""


def heartbeat_due_at(day: date) -> datetime:
    """From 03:00 to 03:59 UTC, at this instance's own minute, so that a fleet does not call all at once."""
    minutes = messages.installation_id().int % 60
    return datetime.combine(day, HEARTBEAT_TIME) + timedelta(minutes=minutes)


# --- The four messages ------------------------------------------------------------------------------
# Each returns a sentence, or '' when there was nothing to send. Each may raise `NotDelivered`.
def send_first_seen(*, now: datetime) -> str:
    """Send `first_seen`, unless it was delivered before."""
    earliest = SentHeartbeat.objects.filter(name=FIRST_SEEN).order_by("day").first()
    day = earliest.day if earliest else now.astimezone(UTC).date()
    return _send_once(FIRST_SEEN, day, lambda: messages.base_event(FIRST_SEEN, now), now)


def send_heartbeat(*, now: datetime, even_before_due: bool = False) -> str:
    """Send today's heartbeat, if it is due and not delivered yet."""
    day = now.astimezone(UTC).date()
    if now < heartbeat_due_at(day) and not even_before_due:
        return ""
    return _send_once(HEARTBEAT, day, lambda: messages.base_event(HEARTBEAT, now), now)


def send_daily_analytics(*, now: datetime, even_before_due: bool = False) -> str:
    """Send yesterday's totals, if they are due and not delivered yet."""
    today = datetime.combine(now.astimezone(UTC).date(), time(tzinfo=UTC))
    if now < today + timedelta(hours=settings.ANALYTICS_HOUR_UTC) and not even_before_due:
        return ""
    yesterday = today.date() - timedelta(days=1)
    return _send_once(ANALYTICS, yesterday, lambda: messages.daily_analytics(yesterday), now)


def send_metrics(*, now: datetime) -> str:
    """Send the totals of the last full interval (`HEARTBEAT_INTERVAL_SECONDS`), unless delivered.

    The day's one row holds the latest of them.
    """
    if reason := why_nothing_is_sent():
        return reason
    seconds = settings.HEARTBEAT_INTERVAL_SECONDS
    end = datetime.fromtimestamp(now.timestamp() // seconds * seconds, UTC)
    row, _ = SentHeartbeat.objects.get_or_create(name=METRICS, day=end.date())
    is_delivered = _is_accepted(row) and row.body["timestamp"] == end.isoformat()
    if is_delivered or _is_refused_today(row, now):
        return ""
    row.body = messages.metrics(end, seconds=seconds)
    return _deliver(row, now)


def _send_once(name: str, day: date, body: Callable[[], dict[str, Any]], now: datetime) -> str:
    """Send the day's message of this name, with the body of its first attempt."""
    if reason := why_nothing_is_sent():
        return reason
    row = SentHeartbeat.objects.filter(name=name, day=day).first()
    if row is None:
        row, _ = SentHeartbeat.objects.get_or_create(name=name, day=day, defaults={"body": body()})
    if _is_accepted(row) or _is_refused_today(row, now):
        return ""
    return _deliver(row, now)


# --- One row ----------------------------------------------------------------------------------------
def _deliver(row: SentHeartbeat, now: datetime) -> str:
    """Send the row's body, record the answer in the row, and return it in a sentence.

    Raises `DeliveryRefused` when another attempt would not help, else `NotDelivered`.
    """
    row.status_code, row.answer = post(settings.HEARTBEAT_ENDPOINT + PATHS[row.name], row.body)
    row.sent_at, row.attempts = now, row.attempts + 1
    row.save()
    answer = f"{row.status_code or 'no answer'} {row.answer}".strip()
    if row.status_code is None or row.status_code in LATER:
        raise NotDelivered(f"{row.name} of {row.day} was not delivered: {answer}")
    if not _is_accepted(row):
        raise DeliveryRefused(f"{row.name} of {row.day} was refused: {answer}")
    return f"Sent {row.name} of {row.day}: {answer}."


def _is_accepted(row: SentHeartbeat) -> bool:
    return row.status_code is not None and 200 <= row.status_code < 300


def _is_refused_today(row: SentHeartbeat, now: datetime) -> bool:
    """Whether it was refused for good today; the next attempt can wait until tomorrow."""
    if row.sent_at is None or row.status_code is None or row.status_code in LATER or _is_accepted(row):
        return False
    return row.sent_at.astimezone(UTC).date() == now.astimezone(UTC).date()
