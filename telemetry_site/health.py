"""Is this process alive (`/health`), and is everything it needs well (`/ready`)?

`/ready` names each part and what is wrong with it, never an address or an error's own text: it is
open to whoever can reach the port.
"""

import logging
from collections.abc import Callable
from datetime import timedelta

import redis
from django.conf import settings
from django.db import DatabaseError, connections
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from analytics import jobs, partitions

log = logging.getLogger(__name__)

BEAT_IS_LATE = timedelta(minutes=3)  # it ticks every minute


class NotWell(Exception):
    """A part is not well; the message says in what way."""


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 as long as this process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when every part is well, else 503; `parts` says `ok` or what is wrong, by name."""
    parts = {name: _state(name, check) for name, check in PARTS.items()}
    well = all(state == "ok" for state in parts.values())
    return JsonResponse(
        {"status": "ok" if well else "not ready", "parts": parts},
        status=200 if well else 503,
        headers={"Cache-Control": "no-store"},
    )


def _state(name: str, check: Callable[[], None]) -> str:
    try:
        check()
    except NotWell as problem:
        return str(problem)
    except (DatabaseError, redis.RedisError) as error:
        log.warning("/ready: %s does not answer (%s)", name, type(error).__name__)
        return "does not answer"
    return "ok"


def _default_database() -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT 1")


def _analytics_database() -> None:
    with connections["analytics"].cursor() as cursor:
        cursor.execute("SELECT 1")


def _redis() -> None:
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as connection:
        connection.ping()


def _partitions() -> None:
    """Events of this month and the next need a place."""
    this_month = partitions.Month.of(timezone.now().date())
    standing = {(partition.table, partition.month) for partition in partitions.existing()}
    for month in (this_month, this_month.plus(1)):
        missing = [table for table in partitions.EVENT_TABLES if (table, month) not in standing]
        if missing:
            raise NotWell(f"{missing[0]} has no partition for {month}: run `manage.py migrate`")


def _beat() -> None:
    last = jobs.last_beat()
    if last is None:
        raise NotWell("beat has not ticked yet")
    if timezone.now() - last > BEAT_IS_LATE:
        raise NotWell(f"beat's last tick came at {last:%Y-%m-%d %H:%M:%S} UTC: is a worker running?")


PARTS: dict[str, Callable[[], None]] = {
    "database": _default_database,
    "analytics_database": _analytics_database,
    "redis": _redis,
    "partitions": _partitions,
    "beat": _beat,
}
