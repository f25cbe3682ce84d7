"""`manage.py revoke_key NAME_OR_ID`: refuses a key from the next request on, for good."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from consent.keys import KeyNotFound, find_key, revoke_key


class Command(BaseCommand):
    help = "Revoke an API key, for good. What arrives with it afterwards is not stored."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("key", metavar="NAME_OR_ID", help="its name, or its id as `list_keys` shows it")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            key = find_key(options["key"])
        except KeyNotFound as error:
            raise CommandError(f"Nothing was revoked: {error}.") from error
        if key.revoked_at:
            self.stdout.write(f"Key {key.pk} ({key.name}) was revoked before; nothing changed.")
            return
        revoke_key(key=key)
        self.stdout.write(f"Revoked key {key.pk} ({key.name}).")
