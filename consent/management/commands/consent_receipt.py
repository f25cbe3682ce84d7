"""`manage.py consent_receipt`: prints the record of one subject's consent, as JSON."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from consent.decisions.consent_receipts import consent_receipt
from consent.pseudonyms import pseudonym


class Command(BaseCommand):
    help = "Print a consent receipt. It takes a raw id and shows only the pseudonym."

    def add_arguments(self, parser: ArgumentParser) -> None:
        subject = parser.add_mutually_exclusive_group(required=True)
        subject.add_argument("--user", help="raw id of the user")
        subject.add_argument("--organization", help="raw id of the organization")

    def handle(self, *args: Any, **options: Any) -> None:
        kind = "user" if options["user"] is not None else "organization"
        self.stdout.write(json.dumps(consent_receipt(kind, pseudonym(kind, options[kind])), indent=2))
