"""The right of access: everything stored about a subject, as of one moment, as JSON.

Two repeatable-read transactions on connections of their own, one in each database, are begun together.
PostgreSQL writes each row as JSON, and a server-side cursor delivers them, so the text can be of any size.
What an export holds: `export_sections.py`.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
from django.db import connections
from django.utils import timezone

from analytics.access.export_sections import IS_SUBJECT, ExportSection, sections_of
from analytics.erasure.aliases import INSTALLATIONS_OF_ORGANIZATION, SESSIONS_OF_USER
from analytics.partitions import EVENT_TABLES
from consent.models import SubjectKind
from consent.pseudonyms import ANONYMOUS

FETCHED = 2_000  # rows at a time
FORMAT = "candid-export/1"


def export_json(kind: SubjectKind, pseudonym: str) -> Iterator[str]:
    """The text of one JSON object, in pieces: `about`, and a list of rows for each section.

    Read it to its end, or close it. The lists of an unknown subject are empty.
    """
    with _SubjectReading(kind, pseudonym) as reading:
        yield '{"about": ' + json.dumps(reading.about())
        for section in reading.sections:
            yield f',\n"{section.name}": ['
            separator = "\n"
            for row in reading.rows(section):
                yield separator + row
                separator = ",\n"
            yield "]"
        yield "}\n"


class _SubjectReading:
    """Both databases as of one moment, until the block ends."""

    def __init__(self, kind: SubjectKind, pseudonym: str) -> None:
        self.kind, self._subject = SubjectKind(kind), pseudonym
        self.sections = sections_of(self.kind)
        self._open = ExitStack()
        self._raw: dict[str, psycopg.Connection[Any]] = {}

    def __enter__(self) -> "_SubjectReading":
        with ExitStack() as opening:
            for alias in ("default", "analytics"):
                self._raw[alias] = opening.enter_context(_one_moment(alias))
            self.at = timezone.now()
            self._parameters = self._names()
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def about(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "kind": self.kind.value,
            "pseudonym": self._subject,
            "as_of": self.at.isoformat(),
        }

    def rows(self, section: ExportSection) -> Iterator[str]:
        """Each row as the text of a JSON object."""
        statement = f"SELECT ({section.shown})::text FROM (SELECT * {section.rows}) AS held"
        with psycopg.ServerCursor(self._raw[section.alias], f"export_{section.name}") as cursor:
            cursor.itersize = FETCHED
            cursor.execute(statement.format(is_subject=IS_SUBJECT), self._parameters)
            for (row,) in cursor:
                yield row

    def _names(self) -> dict[str, Any]:
        parameters = {"subject": self._subject, "kind": self.kind.value, "anonymous": ANONYMOUS}
        sessions: list[str] = []
        installations: set[str] = set()
        if self.kind == SubjectKind.USER:
            sessions = self._column("analytics", SESSIONS_OF_USER, parameters)
        else:
            for table in EVENT_TABLES:
                installations.update(
                    self._column("analytics", INSTALLATIONS_OF_ORGANIZATION.format(table=table), parameters)
                )
        keys = self._column(
            "default", "SELECT id FROM consent_key WHERE organization = %(subject)s", parameters
        )
        return parameters | {"anonymous": sessions, "installations": sorted(installations), "keys": keys}

    def _column(self, alias: str, statement: str, parameters: dict[str, Any]) -> list[Any]:
        return [value for (value,) in psycopg.Cursor(self._raw[alias]).execute(statement, parameters)]


@contextmanager
def _one_moment(alias: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection of its own, read only, whose statements all see the database as of now."""
    database = connections[alias]
    raw = database.get_new_connection(database.get_connection_params())
    try:
        raw.execute("SET TIME ZONE 'UTC'")
        raw.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        raw.execute("SELECT 1")  # takes the snapshot
        yield raw
    finally:
        raw.close()
