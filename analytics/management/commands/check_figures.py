"""`manage.py check_figures`: the nightly self-check, now."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from analytics.jobs import runs
from analytics.self_check.run import FiguresDiffer, check_figures


class Command(BaseCommand):
    help = "Counts figures of yesterday and of ten random days again from rows, and names those that differ."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run = runs.run_job("self-check", check_figures)
        except FiguresDiffer as error:
            raise CommandError(str(error)) from error
        self.stdout.write(run.summary or "There is no day to check yet.")
