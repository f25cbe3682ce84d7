"""`manage.py erase --user ID | --organization ID`: erase a subject now."""

import contextlib
import json
import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from analytics.erasure import run as erasure
from analytics.jobs.runs import run_job
from analytics.management.subjects import add_subject, subject_of
from consent.decisions.tombstones import ask_for_erasure
from consent.gate.barrier import BarrierNotReached
from consent.models import ErasureRequest, Method

AGAIN_AFTER = 1.0  # seconds, while another run is under way


class Command(BaseCommand):
    help = "Erases everything of a subject up to now, from every table, and prints the receipt."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_subject(parser)
        parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
        parser.add_argument("--reason", default="", help="stored with the request; no personal data")

    def handle(self, *args: Any, yes: bool, reason: str, **options: Any) -> None:
        kind, subject = subject_of(options)
        if not yes and not self.is_sure(f"Erase everything of {kind} {subject}, for good?"):
            raise CommandError("Nothing was erased. Answer “yes”, or give --yes.")
        request = ask_for_erasure(
            kind=kind, pseudonym=subject, actor="manage.py erase", method=Method.COMMAND, reason=reason
        )
        try:
            carry_out(request)
        except BarrierNotReached as error:
            raise CommandError("Events in flight could not be ruled out; the job will finish it.") from error
        if request.receipt is None:
            raise CommandError(request.problem or "It is not done yet; the job will finish it.")
        self.stdout.write(json.dumps(request.receipt, indent=1))

    def is_sure(self, question: str) -> bool:
        return sys.stdin.isatty() and input(f"{question} (yes/no) ").strip().lower() == "yes"


def carry_out(request: ErasureRequest) -> None:
    """Carry out this request, with a progress bar; its receipt or its problem is then in the row.

    While the job runs, wait for it: it may be working on this very request.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("erasing", total=None)

        def note(what: str, done: int, of: int) -> None:
            progress.update(bar, description=what, completed=done, total=of)

        was_skipped = True
        while was_skipped:
            with contextlib.suppress(erasure.NotErased):  # the row says why
                run = run_job("erasure", lambda: erasure.carry_out(only=request.pk, note=note))
                was_skipped = run.outcome == run.Outcome.SKIPPED
            request.refresh_from_db()
            if request.problem or request.state == ErasureRequest.Stage.DONE:
                return
            time.sleep(AGAIN_AFTER)
