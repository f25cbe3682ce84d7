"""The options by which commands name a subject: its raw id, which is hashed at once."""

from argparse import ArgumentParser
from typing import Any

from consent.models import SubjectKind
from consent.pseudonyms import pseudonym


def add_subject(parser: ArgumentParser) -> None:
    """Add `--user ID | --organization ID`; exactly one must be given."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--user", metavar="ID", help="raw id of the user")
    which.add_argument("--organization", metavar="ID", help="raw id of the organization")


def subject_of(options: dict[str, Any]) -> tuple[SubjectKind, str]:
    """The kind and the pseudonym of the subject that was named."""
    kind = SubjectKind.USER if options["user"] is not None else SubjectKind.ORGANIZATION
    return kind, pseudonym(kind, options[kind.value].strip())
