"""`manage.py send_daily_analytics`: send yesterday's totals now, unless they were sent before."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from analytics.heartbeats import sending
from analytics.management.sent import run_and_print


class Command(BaseCommand):
    help = "Sends yesterday's totals (UTC) to HEARTBEAT_ENDPOINT, unless they were sent before."

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        run_and_print(
            self, "daily analytics", lambda: sending.send_daily_analytics(now=now, even_before_due=True)
        )
