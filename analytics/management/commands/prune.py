"""`manage.py prune [--dry-run]`: drop the months that are past their retention."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from analytics.jobs import runs
from analytics.storage import pruning


class Command(BaseCommand):
    help = "Drops every month of events that is entirely older than EVENT_RETENTION_MONTHS, and says which."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would be dropped")

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        if dry_run:
            self.report(pruning.prune(now=timezone.now(), dry_run=True))
            return
        done: list[pruning.Pruned] = []

        def work() -> str:
            done.append(pruning.prune(now=timezone.now()))
            return done[0].sentence

        try:
            run = runs.run_job("prune", work)
        except pruning.PruningBlocked as error:
            raise CommandError(f"{error}. Run it again.") from error
        if not done:
            raise CommandError(run.summary)
        self.report(done[0])

    def report(self, pruned: pruning.Pruned) -> None:
        for dropped in pruned.months.values():
            for partition, rows, _ in dropped:
                self.stdout.write(f"{partition.name}: about {rows} rows")
        self.stdout.write(pruned.sentence)
