"""`manage.py replay_erasures [--receipts DIR]`: repeat erasures that a restored backup has undone."""

import os
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
        "Run it after a backup was restored, and before anything is received again. Repeats every erasure, "
        "including those that only a receipt knows of because the restored database is older."
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
            requests = replay.ask_again(
                receipts=self.read(options["receipts"]), actor="manage.py replay_erasures"
            )
            for request in requests:
                carry_out(request)
        except BarrierNotReached as error:
            raise CommandError(f"Not done: {error}. Run it again.") from error
        if unfinished := [request for request in requests if request.receipt is None]:
            reasons = ", ".join(f"{request}: {request.problem or 'not done yet'}" for request in unfinished)
            raise CommandError(f"{len(unfinished)} of {len(requests)} are not done: {reasons}")
        rows = sum(sum((request.receipt or {})["deleted"].values()) for request in requests)
        self.stdout.write(f"Repeated {len(requests)} erasures: {rows} rows.")

    def read(self, directory: Path | None) -> list[dict[str, Any]]:
        """The receipts of a directory. An invalid one stops everything, since it may hide a subject."""
        if directory is None:
            return []
        if not directory.is_dir():
            raise CommandError(f"{directory} is not a directory.")
        if not os.access(directory, os.R_OK | os.X_OK):  # it would look empty
            raise CommandError(f"{directory} cannot be read by the user that runs this.")
        valid = []
        for file in sorted(directory.glob("*.json")):
            try:
                valid.append(receipts.read(file))
            except receipts.InvalidReceipt as error:
                raise CommandError(f"{file.name}: {error}. Remove it, or restore it unchanged.") from error
        return valid
