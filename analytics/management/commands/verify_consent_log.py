"""`manage.py verify_consent_log`: verifies the decision log, and the gate's table by the log."""

import re
from argparse import ArgumentParser
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from analytics.jobs import runs
from consent.decisions.verification import Anchor, ConsentLogBroken, Verdict, verify


class Command(BaseCommand):
    help = (
        "Verify the decision log (every seal, their order, the signed head), and compare every row of the "
        "table that the gate reads with it. Exit code 1 if anything is wrong."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--anchor",
            help="COUNT:DIGEST, printed by an earlier run and kept elsewhere: detects that the whole log was "
            "restored to an earlier state",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        anchor = _anchor(options["anchor"]) if options["anchor"] else None
        verdicts: list[Verdict] = []

        def work() -> str:
            verdicts.append(_verify(anchor))
            return verdicts[0].sentence()

        with suppress(ConsentLogBroken):  # said below, with pseudonyms
            run = runs.run_job("verify consent log", work)
        if not verdicts:
            raise CommandError(run.summary)
        self._report(verdicts[0])

    def _report(self, verdict: Verdict) -> None:
        problems, found = [], verdict.differences
        if verdict.faults:
            problems += ["The consent log is broken.", *map(_sentence, verdict.faults)]
        if found.count:
            problems.append(f"The gate's table is not what the log says: {found.count:,} differences.")
            problems += [_sentence(str(difference)) for difference in found.named]
        if found.count > len(found.named):
            problems.append(f"And {found.count - len(found.named):,} more.")
        if problems:
            raise CommandError("\n".join(problems))
        self.stdout.write(
            f"{verdict.records:,} decisions, all as they were recorded.\n"
            f"{verdict.rows:,} rows of the gate's table, all as the decisions say.\n"
            f"Anchor: {verdict.anchor}"
        )


def _verify(anchor: Anchor | None) -> Verdict:
    columns = (TextColumn("Decisions"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        return verify(
            anchor=anchor,
            advance=lambda done, of: progress.update(task, completed=done, total=of),
        )


def _sentence(fault: str) -> str:
    return f"{fault[0].upper()}{fault[1:]}."


def _anchor(text: str) -> Anchor:
    match = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", text)
    if not match:
        raise CommandError("--anchor must be COUNT:DIGEST, as an earlier run printed it")
    return Anchor(int(match[1]), match[2])
