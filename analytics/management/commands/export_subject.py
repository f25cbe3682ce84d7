"""`manage.py export_subject --user ID | --organization ID`: everything stored about a subject, as JSON."""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from analytics.access.subject_export import export_json
from analytics.management.subjects import add_subject, subject_of


class Command(BaseCommand):
    help = "Writes everything stored about a subject as JSON: events, consent and erasures, as of one moment."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_subject(parser)
        parser.add_argument("--output", metavar="FILE", help="write it to this file, readable by you only")

    def handle(self, *args: Any, output: str | None, **options: Any) -> None:
        kind, subject = subject_of(options)
        if output is None:
            self.stdout.writelines(export_json(kind, subject))
            return
        try:
            with os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.writelines(export_json(kind, subject))
        except OSError as error:
            raise CommandError(f"cannot write {output}: {error.strerror}") from error
        self.stdout.write(f"Wrote everything stored about {kind} {subject} to {output}.")
