"""`manage.py issue_key NAME`: creates an API key and prints nothing but the key."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from consent.keys import issue_key, lifetime
from consent.models import Scope
from consent.pseudonyms import pseudonym


class Command(BaseCommand):
    help = "Create an API key and print it. It is shown once; only its digest is stored."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what the key is for, e.g. the app that will send with it")
        parser.add_argument(
            "--scope",
            action="append",
            choices=[scope.value for scope in Scope],
            help="what the key may do; repeat for several (default: ingest)",
        )
        parser.add_argument(
            "--organization", default="", help="raw id of the organization that the key is bound to"
        )

        parser.add_argument(
            "--publishable",
            action="store_true",
            help="for web pages, where anybody may see it; needs --origin, and sends events only",
        )
        parser.add_argument(
            "--origin",
            action="append",
            default=[],
            metavar="https://…",
            help="a website whose pages may send with it; repeat for several",
        )
        parser.add_argument(
            "--requests-per-second",
            type=int,
            help="how many the key may send; 0 for no limit (default: the instance's setting)",
        )
        parser.add_argument(
            "--expires",
            default="",
            metavar="90d",
            help="how long it is valid: a number and h or d (default: for good)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        organization = options["organization"]
        if options["publishable"] != bool(options["origin"]):
            raise CommandError(
                "--publishable and --origin go together: a web page's key is bound to its site."
            )
        if (options["requests_per_second"] or 0) < 0:
            raise CommandError("--requests-per-second must be 0 or more.")
        try:
            lasts = lifetime(options["expires"]) if options["expires"] else None
        except ValueError as error:
            raise CommandError(f"--expires: {error}") from error
        try:
            text, _ = issue_key(
                name=options["name"],
                scopes=options["scope"] or [Scope.INGEST],
                organization_pseudonym=pseudonym("organization", organization) if organization else "",
                origins=options["origin"],
                requests_per_second=options["requests_per_second"],
                expires_at=timezone.now() + lasts if lasts else None,
            )
        except ValueError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(text)
