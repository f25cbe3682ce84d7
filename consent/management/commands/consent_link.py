"""`manage.py consent_link --user ID`: prints a link to a person's own page."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from consent.api.links import NoAddress, duration, full_address, make_link
from consent.pseudonyms import pseudonym


class Command(BaseCommand):
    help = "Print a link to a user's own page. Whoever has it decides for them: give it to nobody else."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", required=True, help="raw id of the user; the link does not contain it")
        parser.add_argument(
            "--valid", default="7d", help="how long it works: a number and m, h or d (at most 30d)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        user = options["user"].strip()
        if not user:
            raise CommandError("--user needs an id")
        try:
            path, _ = make_link(pseudonym("user", user), valid=duration(options["valid"]))
        except ValueError as error:
            raise CommandError(f"--valid: {error}") from error
        try:
            self.stdout.write(full_address(path))
        except NoAddress as error:
            raise CommandError(f"No link: {error}.") from error
