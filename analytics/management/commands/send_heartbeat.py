"""`manage.py send_heartbeat`: send first_seen (once ever) and today's heartbeat (once a day) now."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from analytics.heartbeats import sending
from analytics.management.sent import run_and_print


class Command(BaseCommand):
    help = "Sends this instance's first_seen and today's heartbeat to HEARTBEAT_ENDPOINT, unless sent before."

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        run_and_print(self, "first seen", lambda: sending.send_first_seen(now=now))
        run_and_print(self, "heartbeat", lambda: sending.send_heartbeat(now=now, even_before_due=True))
