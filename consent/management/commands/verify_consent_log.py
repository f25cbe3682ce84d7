"""`manage.py verify_consent_log`: verifies the decision log and names the first broken record."""

import re
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from consent.decisions.verification import Anchor, verify


class Command(BaseCommand):
    help = "Verify the decision log: every seal, their order, and the signed head. Exit code 1 if broken."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--anchor",
            help="COUNT:DIGEST, printed by an earlier run and kept elsewhere: detects that the whole log was "
            "restored to an earlier state",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        anchor = _anchor(options["anchor"]) if options["anchor"] else None
        columns = (TextColumn("Decisions"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("", total=None)
            verdict = verify(
                anchor=anchor,
                advance=lambda done, of: progress.update(task, completed=done, total=of),
            )
        if verdict.faults:
            raise CommandError("\n".join(["The consent log is broken.", *map(_sentence, verdict.faults)]))
        self.stdout.write(
            f"{verdict.records:,} decisions, all as they were recorded.\nAnchor: {verdict.anchor}"
        )


def _sentence(fault: str) -> str:
    return f"{fault[0].upper()}{fault[1:]}."


def _anchor(text: str) -> Anchor:
    match = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", text)
    if not match:
        raise CommandError("--anchor must be COUNT:DIGEST, as an earlier run printed it")
    return Anchor(int(match[1]), match[2])
