"""What an export holds, section by section: which rows of which table, and how each is shown.

To export another table, add a section here. It may hold pseudonyms, but no raw id, and no name of a member
of staff: the subject may know that somebody decided or looked, when and why, but not who it was
(GDPR art. 15 (4)).
"""

from typing import NamedTuple

from analytics.partitions import EVENT_TABLES
from consent.models import SubjectKind

# Replaces the sign-in name of a member of staff. Keys and commands are not persons, and stay.
NO_STAFF = (
    "to_jsonb(held) || jsonb_build_object('actor', CASE method WHEN 'admin' THEN 'staff' ELSE actor END)"
)


class ExportSection(NamedTuple):
    """Rows of one table: the section's name, the database, which rows, and how each is shown."""

    name: str
    alias: str
    rows: str
    shown: str = "to_jsonb(held)"


# Sections are named for the people who read them; columns keep the names that they have in the tables.
USERS_EVENTS = 'FROM {0} WHERE user_id = %(subject)s OR user_id = ANY(%(anonymous)s) ORDER BY "timestamp"'
ORGANIZATIONS_EVENTS = 'FROM {0} WHERE organization_id = %(subject)s ORDER BY "timestamp"'
CONSENT = (
    ExportSection("decisions", "default", "FROM consent_decision WHERE {is_subject} ORDER BY id", NO_STAFF),
    ExportSection("intervals", "default", "FROM consent_consentperiod WHERE {is_subject} ORDER BY since"),
    ExportSection(
        "tombstones",
        "default",
        'FROM consent_tombstone WHERE subject = %(subject)s OR "user" = %(subject)s ORDER BY id',
    ),
    ExportSection(
        "erasures",
        "default",
        "FROM consent_erasurerequest WHERE pseudonym = %(subject)s AND kind = %(kind)s ORDER BY id",
        NO_STAFF,
    ),
    ExportSection(
        "views_by_staff",
        "default",
        "FROM (SELECT id, viewed_at, page, CASE WHEN starts_with(page, 'erasure') THEN 'to see to an erasure'"
        " ELSE 'to see to consent' END AS why FROM consent_subjectview"
        " WHERE subject = %(subject)s AND subject_kind IN (%(kind)s, '')) ORDER BY id",
    ),
)
IS_SUBJECT = "subject = %(subject)s AND subject_kind = %(kind)s"
SECTIONS_OF_KIND = {
    SubjectKind.USER: (
        ExportSection("user", "default", "FROM consent_telemetryuser WHERE pseudonym = %(subject)s"),
        *(ExportSection(table, "analytics", USERS_EVENTS.format(table)) for table in EVENT_TABLES),
        ExportSection(
            "seen_with",  # sessions and installations
            "analytics",
            "FROM analytics_seen_with WHERE user_id = %(subject)s ORDER BY name",
        ),
        ExportSection(
            "first_seen",  # from the roll-ups
            "analytics",
            "FROM (SELECT organization_id, deployment_type, is_internal, first_seen_at, first_login_at,"
            " next_login_at FROM analytics_member JOIN analytics_group AS known ON known.id = group_id"
            " WHERE user_id = %(subject)s) ORDER BY first_seen_at",
        ),
    ),
    SubjectKind.ORGANIZATION: (
        ExportSection("organization", "default", "FROM consent_organization WHERE pseudonym = %(subject)s"),
        ExportSection(
            "keys",
            "default",
            "FROM (SELECT id, name, hint, scopes, created_at, last_used_at, revoked_at, expires_at"
            " FROM consent_key WHERE organization = %(subject)s) ORDER BY id",
        ),
        *(ExportSection(table, "analytics", ORGANIZATIONS_EVENTS.format(table)) for table in EVENT_TABLES),
        ExportSection(
            "customer_heartbeats",
            "analytics",
            'FROM analytics_customerheartbeat WHERE organization_id = %(subject)s ORDER BY "timestamp"',
        ),
        ExportSection(
            "customer_analytics",
            "analytics",
            'FROM analytics_customeranalytics WHERE organization_id = %(subject)s ORDER BY "date"',
        ),
        ExportSection(
            "licences", "analytics", "FROM analytics_license WHERE key_id = ANY(%(keys)s) ORDER BY id"
        ),
        ExportSection(
            "installations",
            "analytics",
            "FROM analytics_installation WHERE left(pseudonym, 27) = ANY(%(installations)s) ORDER BY id",
        ),
        ExportSection(
            "installation_events",
            "analytics",
            "FROM (SELECT event.* FROM analytics_installationevent event JOIN analytics_installation known"
            " ON known.id = installation_id WHERE left(pseudonym, 27) = ANY(%(installations)s))"
            ' ORDER BY "timestamp"',
        ),
    ),
}


def sections_of(kind: SubjectKind) -> tuple[ExportSection, ...]:
    """The sections of an export, in its order."""
    return SECTIONS_OF_KIND[kind] + CONSENT
