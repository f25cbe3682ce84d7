"""The right of access: all that is held on a subject, as of one moment, as JSON.

Two repeatable-read transactions on connections of their own, one in each database, begun together.
PostgreSQL writes each row as JSON and a server-side cursor hands them over, so that the text can
be of any size.

In: a pseudonym. Out: pseudonyms. The raw id is nowhere, and cannot be told from what is here. Nor is
the name of a member of staff: that they decided or looked, when and on what occasion, is the subject's
to know; who of them it was is theirs (GDPR art. 15 (4)).
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import psycopg
from django.db import connections
from django.utils import timezone

from analytics.erasure.aliases import INSTALLATIONS_OF_ORGANIZATION, SESSIONS_OF_USER
from analytics.partitions import EVENT_TABLES
from consent.models import SubjectKind
from consent.pseudonyms import ANONYMOUS

FETCHED = 2_000  # rows at a time
FORMAT = "candid-export/1"

# What stands in for the name that somebody of the staff signs in with; keys and commands are no persons.
NO_STAFF = (
    "to_jsonb(held) || jsonb_build_object('actor', CASE method WHEN 'admin' THEN 'staff' ELSE actor END)"
)


class Section(NamedTuple):
    """Rows of one table: its name in the export, the database, which rows, and how each is shown."""

    name: str
    alias: str
    held: str
    shown: str = "to_jsonb(held)"


# The names in the export are for people; the columns are the tables' own.
USERS_EVENTS = 'FROM {0} WHERE user_id = %(subject)s OR user_id = ANY(%(anonymous)s) ORDER BY "timestamp"'
ORGANIZATIONS_EVENTS = 'FROM {0} WHERE organization_id = %(subject)s ORDER BY "timestamp"'
CONSENT = (
    Section("decisions", "default", "FROM consent_decision WHERE {is_subject} ORDER BY id", NO_STAFF),
    Section("intervals", "default", "FROM consent_consentperiod WHERE {is_subject} ORDER BY since"),
    Section(
        "tombstones",
        "default",
        'FROM consent_tombstone WHERE subject = %(subject)s OR "user" = %(subject)s ORDER BY id',
    ),
    Section(
        "erasures",
        "default",
        "FROM consent_erasurerequest WHERE pseudonym = %(subject)s AND kind = %(kind)s ORDER BY id",
        NO_STAFF,
    ),
    Section(
        "views_by_staff",
        "default",
        "FROM (SELECT id, viewed_at, page, CASE WHEN starts_with(page, 'erasure') THEN 'to see to an erasure'"
        " ELSE 'to see to consent' END AS why FROM consent_subjectview"
        " WHERE subject = %(subject)s AND subject_kind IN (%(kind)s, '')) ORDER BY id",
    ),
)
IS_SUBJECT = "subject = %(subject)s AND subject_kind = %(kind)s"
HELD = {
    SubjectKind.USER: (
        Section("user", "default", "FROM consent_telemetryuser WHERE pseudonym = %(subject)s"),
        *(Section(table, "analytics", USERS_EVENTS.format(table)) for table in EVENT_TABLES),
        Section(
            "first_seen",  # what the roll-ups keep under the name
            "analytics",
            "FROM (SELECT organization_id, deployment_type, is_internal, first_seen_at, first_login_at,"
            " next_login_at FROM analytics_member JOIN analytics_group AS known ON known.id = group_id"
            " WHERE user_id = %(subject)s) ORDER BY first_seen_at",
        ),
    ),
    SubjectKind.ORGANIZATION: (
        Section("organization", "default", "FROM consent_organization WHERE pseudonym = %(subject)s"),
        Section(
            "keys",
            "default",
            "FROM (SELECT id, name, hint, scopes, created_at, last_used_at, revoked_at FROM consent_key"
            " WHERE organization = %(subject)s) ORDER BY id",
        ),
        *(Section(table, "analytics", ORGANIZATIONS_EVENTS.format(table)) for table in EVENT_TABLES),
        Section(
            "customer_heartbeats",
            "analytics",
            'FROM analytics_customerheartbeat WHERE organization_id = %(subject)s ORDER BY "timestamp"',
        ),
        Section(
            "customer_analytics",
            "analytics",
            'FROM analytics_customeranalytics WHERE organization_id = %(subject)s ORDER BY "date"',
        ),
        Section("licences", "analytics", "FROM analytics_license WHERE key_id = ANY(%(keys)s) ORDER BY id"),
        Section(
            "installations",
            "analytics",
            "FROM analytics_installation WHERE left(pseudonym, 27) = ANY(%(installations)s) ORDER BY id",
        ),
        Section(
            "installation_events",
            "analytics",
            "FROM (SELECT event.* FROM analytics_installationevent event JOIN analytics_installation known"
            " ON known.id = installation_id WHERE left(pseudonym, 27) = ANY(%(installations)s))"
            ' ORDER BY "timestamp"',
        ),
    ),
}


def export_json(kind: SubjectKind, pseudonym: str) -> Iterator[str]:
    """All that is held on a subject: one JSON object, of `about` and a list of rows for each section.

    In pieces of its text; read it to its end, or close it. Nothing held is an export, too, of empty lists.
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
        self.sections = HELD[self.kind] + CONSENT
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

    def rows(self, section: Section) -> Iterator[str]:
        """Each row as the text of a JSON object."""
        statement = f"SELECT ({section.shown})::text FROM (SELECT * {section.held}) AS held"
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
    """A connection of its own whose statements all see the database as it is now, and change nothing."""
    database = connections[alias]
    raw = database.get_new_connection(database.get_connection_params())
    try:
        raw.execute("SET TIME ZONE 'UTC'")
        raw.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        raw.execute("SELECT 1")  # the moment
        yield raw
    finally:
        raw.close()
