"""Counting an organization's past again when staff mark it as internal, or no longer.

Rows stay as they arrived. What changes is the table of organizations that builds ask (`internal_use.py`); in
the same transaction the days concerned get their marks, and first days move to the members of the other kind.
Whoever changes an organization tells `count_again` at once; a run of the job notices a change by itself.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import Error, connections, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from analytics.models import InternalUse, RolledDay
from analytics.partitions import EVENT_TABLES
from analytics.rollups.building.marks import days_of, marking_text
from analytics.rollups.building.scan import MEMBER
from analytics.rollups.internal_use import Internal, internal_now
from consent.models import Organization
from postgres import locks

PATIENCE = "3s"  # what somebody who saves a page waits for
IN_FLIGHT = timedelta(minutes=1)  # longer than a request may wait between its arrival and the gate

QUARTERS = """
SELECT DISTINCT floor(extract(epoch FROM "timestamp") / 900)::int FROM {table}
 WHERE organization_id = %(organization)s AND ({internal}) <> %(is_internal)s
"""
MOVED = """
SELECT user_id, deployment_type, first_seen_at, first_login_at, next_login_at, person
  FROM analytics_member JOIN analytics_group AS old ON old.id = group_id
 WHERE organization_id = %(organization)s AND old.is_internal <> %(is_internal)s AND first_seen_at IS NOT NULL
"""
ADD_GROUPS = f"""
INSERT INTO analytics_group (organization_id, deployment_type, is_internal, version)
SELECT %(organization)s, deployment_type, %(is_internal)s, nextval('analytics_rollup_version')
  FROM (SELECT DISTINCT deployment_type FROM ({MOVED}) AS moved) AS kinds
    ON CONFLICT DO NOTHING
"""
# The members of both kinds are hashed as `scan.py` hashes rows. Times only ever move back, here as in builds.
MOVE_FIRSTS = f"""
INSERT INTO analytics_member AS known
       (hash, user_id, group_id, first_seen_at, first_login_at, next_login_at, person, version)
SELECT {MEMBER.format(internal="%(is_internal)s")}, user_id, new.id,
       first_seen_at, first_login_at, next_login_at, person, nextval('analytics_rollup_version')
  FROM ({MOVED}) AS moved JOIN analytics_group AS new USING (deployment_type)
 WHERE organization_id = %(organization)s AND is_internal = %(is_internal)s
    ON CONFLICT (hash) DO UPDATE
   SET first_seen_at = least(known.first_seen_at, excluded.first_seen_at),
       (first_login_at, next_login_at) = (
           SELECT at[1], at[2] FROM (SELECT ARRAY(
               SELECT DISTINCT one FROM unnest(ARRAY[known.first_login_at, known.next_login_at,
                                                     excluded.first_login_at, excluded.next_login_at]) AS one
                WHERE one IS NOT NULL ORDER BY one LIMIT 2) AS at) AS earliest),
       version = nextval('analytics_rollup_version')
"""
FORGET_FIRSTS = """
UPDATE analytics_member
   SET first_seen_at = NULL, first_login_at = NULL, next_login_at = NULL,
       version = nextval('analytics_rollup_version')
  FROM analytics_group AS old
 WHERE old.id = group_id AND organization_id = %(organization)s AND old.is_internal <> %(is_internal)s
   AND first_seen_at IS NOT NULL
"""


def settle() -> int:
    """Count again what changed without `count_again`, or could not be; returns how many days are due for it.

    Also enters the organizations that were internal before there was this table.
    """
    counted = set(InternalUse.objects.filter(until=None).values_list("organization_id", flat=True))
    marked = dict(Organization.objects.filter(is_internal=True).values_list("pseudonym", "created_at"))
    return sum(_reclassify(one, marked.get(one) or timezone.now()) for one in sorted(counted ^ set(marked)))


def count_again(organization: str) -> int | None:
    """How many days are counted again, now that staff have changed the organization (a pseudonym).

    None when that cannot be said at once: the next run of the job sees to it.
    """
    try:
        return _reclassify(organization, timezone.now() - IN_FLIGHT, patience=PATIENCE)
    except Error:
        return None


def _reclassify(organization: str, since: datetime, *, patience: str = "0") -> int:
    """Count the organization as it is marked now. `since`: when it was marked, if it was."""
    with transaction.atomic(using="analytics"), connections["analytics"].cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [patience])
        # No build that has asked the table before commits afterwards.
        cursor.execute(locks.TAKE, locks.ROLL_UP_BUILD)
        cursor.execute(locks.TAKE, locks.ROLL_UP_MEMBERS)
        is_internal = Organization.objects.filter(pseudonym=organization, is_internal=True).exists()
        known = InternalUse.objects.filter(organization_id=organization).first()
        if is_internal == (known is not None and known.until is None):
            return 0
        which: dict[str, Any] = {"organization": organization, "is_internal": is_internal}
        quarters = _quarters(cursor, internal_now(cursor), which)
        InternalUse.objects.update_or_create(
            organization_id=organization,
            defaults={"until": None if is_internal else timezone.now()},
            create_defaults={"since": since},
        )
        for statement in (ADD_GROUPS, MOVE_FIRSTS, FORGET_FIRSTS):
            cursor.execute(statement, which)
        return _mark(cursor, quarters)


def _quarters(cursor: CursorWrapper, internal: Internal, which: dict[str, Any]) -> list[int]:
    """The quarters of an hour of rows that are counted otherwise up to now."""
    quarters: set[int] = set()
    for table in EVENT_TABLES:
        statement = QUARTERS.format(table=table, internal=internal.condition)
        cursor.execute(statement, internal.parameters | which)
        quarters.update(quarter for (quarter,) in cursor.fetchall())
    return sorted(quarters)


def _mark(cursor: CursorWrapper, quarters: list[int]) -> int:
    """Mark these quarters; returns on how many days that are not sealed they lie."""
    if not quarters:
        return 0
    cursor.execute(marking_text(quarters))
    days = days_of(quarters)
    return len(days) - RolledDay.objects.filter(day__in=days, state=RolledDay.Phase.SEALED).count()
