"""`manage.py seed_demo`: writes plausible demo data, or removes it with `--remove`.

It is on this floor because it needs both the events of `analytics` and the traffic counts of `ingest`.
"""

import secrets
from argparse import ArgumentParser
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from analytics.demo.seeding import SEED, Seeded, is_seeded, remove, seed, usual_people
from consent.keys import digest_of
from consent.models import Key, Scope
from ingest.models import RejectedRequest, TrafficCount, UndeclaredName
from ingest.reasons import STATUS

DEFAULT_EVENTS = 500_000
KEY_NAME = "Demo data (revoked: nothing can be sent with it)"
REFUSED = (
    *(("refused", "no_consent_user", 0.052), ("refused", "no_consent_organization", 0.013)),
    *(("refused", "no_consent_stale", 0.006), ("duplicate", "", 0.009), ("refused", "unroutable", 0.002)),
    ("skipped", "not_an_event", 1.3),
)
REJECTED = (("malformed", 0.25), ("wrong_type", 0.15), ("too_slow", 0.1))  # requests an hour
# Shares of events.
UNDECLARED = {
    "cart.size": 0.04,
    "experiment.arm": 0.02,
    "telemetry.sdk.*": 0.9,
    "process.*": 0.7,
    "url.*": 0.3,
}
REJECTIONS = 12  # listed one by one
LOGS = 0.3  # share of events that arrive as log records


class Command(BaseCommand):
    help = "Write demo data (replacing earlier demo data), or remove it with --remove."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=int, default=90, help="how many days, including today (90)")
        parser.add_argument("--events", type=int, default=DEFAULT_EVENTS, help=f"({DEFAULT_EVENTS})")
        parser.add_argument("--users", type=int, help="how many people (about one per 125 events)")
        parser.add_argument("--remove", action="store_true", help="remove the demo data, and nothing else")
        parser.add_argument("--if-missing", action="store_true", help="do nothing if there is demo data")

    def handle(self, *args: Any, **options: Any) -> None:
        days, events = options["days"], options["events"]
        if not 1 <= days <= 1000 or not 1 <= events <= 100_000_000:
            raise CommandError("--days must be between 1 and 1000, --events between 1 and 100,000,000")
        people = options["users"] or usual_people(events, days)
        if not 1 <= people <= 200_000:
            raise CommandError("--users must be between 1 and 200,000")
        if options["if_missing"] and not options["remove"] and is_seeded():
            self.stdout.write("Demo data is there already. Nothing was changed.")
            return
        if options["remove"] or is_seeded():
            self._remove()
        if not options["remove"]:
            self._seed(days=days, events=events, people=people, now=timezone.now())

    def _remove(self) -> None:
        removed = remove()
        keys = Key.objects.filter(name=KEY_NAME)
        for model in (TrafficCount, RejectedRequest, UndeclaredName):
            model._default_manager.filter(key_id__in=keys.values("pk")).delete()
        keys.delete()
        self.stdout.write(
            f"Removed the demo data: {removed.events:,} events of {removed.people:,} people in "
            f"{removed.organizations} organizations, and {removed.installations} installations."
        )

    def _seed(self, *, days: int, events: int, people: int, now: datetime) -> None:
        columns = (TextColumn("Demo events"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("", total=events)
            seeded = seed(
                days=days,
                events=events,
                people=people,
                now=now,
                advance=lambda lines: progress.advance(task, lines),
            )
        _write_traffic(seeded, now)
        self.stdout.write(
            f"Wrote {seeded.events:,} events of {seeded.people:,} people in {seeded.organizations} "
            f"organizations over {seeded.days} days, and {seeded.installations} installations. "
            "“seed_demo --remove” removes them."
        )


def _write_traffic(seeded: Seeded, now: datetime) -> None:
    """The counts that ingest would have kept for these events, under a key that nobody ever had."""
    key = Key.objects.create(
        name=KEY_NAME,
        digest=digest_of(secrets.token_urlsafe(32)),
        hint="demo",
        scopes=[Scope.INGEST],
        revoked_at=now,
    )
    random = np.random.default_rng(SEED)
    rows = []
    for moments, hours in ((seeded.by_hour, 1.0), (seeded.by_minute, 1 / 60)):
        for moment, events in moments.items():
            for (signal, outcome, reason), number in _counted(random, events, hours).items():
                rows.append(
                    TrafficCount(
                        minute=moment,
                        key_id=key.pk,
                        signal=signal,
                        outcome=outcome,
                        reason=reason,
                        count=number,
                    )
                )
    TrafficCount.objects.bulk_create(rows, batch_size=5000)
    RejectedRequest.objects.bulk_create(_rejections(rows, key.pk))
    accepted = sum(row.count for row in rows if row.outcome == "accepted" and row.minute.date() == now.date())
    UndeclaredName.objects.bulk_create(
        UndeclaredName(day=now.date(), key_id=key.pk, name=name, count=round(accepted * share))
        for name, share in UNDECLARED.items()
    )


def _rejections(rows: list[TrafficCount], key_id: int) -> list[RejectedRequest]:
    """The latest of the rejected requests that were counted."""
    counted = sorted((row for row in rows if row.outcome == "rejected"), key=lambda row: row.minute)
    return [
        RejectedRequest(
            at=row.minute + timedelta(seconds=7),
            key_id=key_id,
            signal=row.signal,
            transport="http",
            status=str(STATUS[row.reason]),
            reason=row.reason,
        )
        for row in counted[-REJECTIONS:]
    ]


def _counted(random: np.random.Generator, events: int, hours: float) -> Counter[tuple[str, str, str]]:
    """By signal, outcome and reason: the accepted events, and roughly what else comes with so many."""
    counts: Counter[tuple[str, str, str]] = Counter()
    logs = int(random.binomial(events, LOGS))
    counts["traces", "accepted", ""], counts["logs", "accepted", ""] = events - logs, logs
    for outcome, reason, share in REFUSED:
        for signal, part in (("traces", 1 - LOGS), ("logs", 0 if outcome == "skipped" else LOGS)):
            counts[signal, outcome, reason] = int(random.poisson(events * share * part))
    for reason, an_hour in REJECTED:
        counts["traces", "rejected", reason] = int(random.poisson(an_hour * hours))
    return +counts  # without the zeros
