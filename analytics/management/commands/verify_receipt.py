"""`manage.py verify_receipt FILE`: was this erasure receipt made here, and is it unchanged?"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from analytics.erasure import receipts


class Command(BaseCommand):
    help = "Checks the signature of an erasure receipt."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            receipt = receipts.read(file)
        except receipts.InvalidReceipt as error:
            raise CommandError(f"{file.name}: {error}.") from error
        rows = sum(receipt["deleted"].values())
        self.stdout.write(
            f"The receipt is valid: {rows} rows of {receipt['kind']} {receipt['subject']} up to "
            f"{receipt['erased_up_to']} were erased by {receipt['finished_at']}."
        )
