"""`manage.py replay_erasures [--receipts DIR]`: erase again what a restored backup has brought back."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from analytics.erasure import receipts, replay
from analytics.management.commands.erase import carry_out
from consent.gate.barrier import BarrierNotReached


class Command(BaseCommand):
    help = (
        "After a backup was restored, and before anything is received again: carries out every erasure once "
        "more, also those that only a receipt knows of because the restored database is older."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--receipts",
            type=Path,
            metavar="DIR",
            default=Path(settings.RECEIPTS_DIR) if settings.RECEIPTS_DIR else None,
            help="a directory of receipts (default: RECEIPTS_DIR)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            asked = replay.ask_again(
                receipts=self.read(options["receipts"]), actor="manage.py replay_erasures"
            )
            for request in asked:
                carry_out(request)
        except BarrierNotReached as error:
            raise CommandError(f"Not done: {error}. Run it again.") from error
        if problems := [request for request in asked if request.receipt is None]:
            told = ", ".join(f"{request}: {request.problem or 'not done yet'}" for request in problems)
            raise CommandError(f"{len(problems)} of {len(asked)} are not done: {told}")
        rows = sum(sum((request.receipt or {})["deleted"].values()) for request in asked)
        self.stdout.write(f"Carried out {len(asked)} erasures again: {rows} rows.")

    def read(self, directory: Path | None) -> list[dict[str, Any]]:
        """The receipts of a directory. One that does not stand stops everything: it may hide a subject."""
        if directory is None:
            return []
        if not directory.is_dir():
            raise CommandError(f"{directory} is no directory.")
        found = []
        for file in sorted(directory.glob("*.json")):
            try:
                found.append(receipts.read(file))
            except receipts.InvalidReceipt as error:
                raise CommandError(
                    f"{file.name}: {error}. Take it out, or bring it back unchanged."
                ) from error
        return found
