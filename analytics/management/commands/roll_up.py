"""`manage.py roll_up [--from D --to D] [--processes N]`: build roll-ups now, several days in parallel."""

import multiprocessing
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import date
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from analytics.jobs.failures import Failures
from analytics.report_days import days_between, report_today
from analytics.rollups import dimensions_built
from analytics.rollups.building.build import build_day, due_days


class Command(BaseCommand):
    help = "Builds the roll-ups of the days that have changed, or of all days from --from to --to."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--from", dest="first", type=day, help="first report day, like 2026-01-31")
        parser.add_argument("--to", dest="last", type=day, help="last report day (default: today)")
        parser.add_argument("--processes", type=int, default=1, help="days built in parallel (default: 1)")

    def handle(
        self, *args: Any, first: date | None, last: date | None, processes: int, **options: Any
    ) -> None:
        if last and not first:
            raise CommandError("--to needs --from.")
        if processes < 1:
            raise CommandError("--processes must be at least 1.")
        days = days_between(first, last or report_today()) if first else sorted(due_days())
        columns = (TextColumn("Days"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        built = events = 0
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("", total=len(days))
            for count in counts(days, processes):
                progress.advance(bar)
                built, events = built + (count is not None), events + (count or 0)
        sealed = len(days) - built
        left = f" {sealed} are sealed and stay as they are." if sealed else ""
        more = dimensions_built.sentence()
        self.stdout.write(f"Built {built} days of {events:,} events.{left} {more}".rstrip())


def day(text: str) -> date:
    return date.fromisoformat(text)


def counts(days: list[date], processes: int) -> Iterator[int | None]:
    """How many events each day has, as it is built; None for a sealed one. Errors are raised at the end."""
    failures = Failures()
    for built, result in results(days, processes):
        with failures.keep(str(built)):
            yield result()
    failures.raise_kept()


def results(days: list[date], processes: int) -> Iterator[tuple[date, Callable[[], int | None]]]:
    """Each day with a function that returns the number of its events, or raises what building it raised."""
    if processes == 1 or len(days) < 2:
        yield from ((day, partial(build_day, day)) for day in days)
        return
    connections.close_all()  # processes must not share connections
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(min(processes, len(days)), mp_context=context) as pool:
        futures = {pool.submit(build_day, day): day for day in days}
        for future in as_completed(futures):
            yield futures[future], future.result
