"""Grants that a material change made stale: writing that into each subject's own rows, in small batches.

They are stale from the moment of publication, because of one row that the gate reads (`in_force.py`). Writing
it down for each subject takes seconds when there are many, so neither ingest nor decisions wait for it.
"""

from datetime import datetime
from typing import Any, NamedTuple

from django.db import connections, transaction

from consent.models import ConsentPeriod, State, SubjectKind
from consent.policies.in_force import in_force

BATCH = 500  # subjects locked at a time; a withdrawal of one of them waits for the batch

HOLDERS = {SubjectKind.ORGANIZATION: "consent_organization", SubjectKind.USER: "consent_telemetryuser"}
NEXT_OVERTAKEN = """
SELECT subject FROM consent_consentperiod
 WHERE subject_kind = %(kind)s AND until IS NULL AND state = 'granted' AND since < %(at)s
   AND subject > %(after)s
 ORDER BY subject LIMIT %(most)s
"""
# Decisions lock the subject's row first and then its period. The same order here prevents deadlocks.
LOCK_HOLDERS = "SELECT FROM {holders} WHERE pseudonym = ANY(%(subjects)s) ORDER BY pseudonym FOR UPDATE"
# One statement, so that a subject always has an open period.
END_GRANTS = """
WITH ended AS (
    UPDATE consent_consentperiod SET until = %(at)s
     WHERE subject_kind = %(kind)s AND until IS NULL AND state = 'granted' AND since < %(at)s
       AND subject = ANY(%(subjects)s)
    RETURNING subject
), begun AS (
    INSERT INTO consent_consentperiod (subject_kind, subject, state, since)
    SELECT %(kind)s, subject, 'stale', %(at)s FROM ended
)
UPDATE {holders} SET state = 'stale', updated_at = %(at)s WHERE pseudonym IN (SELECT subject FROM ended)
"""


class EndedGrants(NamedTuple):
    """How many grants were written down as stale."""

    users: int
    organizations: int


def is_overtaken(period: ConsentPeriod, material_since: datetime | None) -> bool:
    """Whether a material change made this open grant stale, and its row does not say so yet."""
    is_open_grant = period.state == State.GRANTED and period.until is None
    return is_open_grant and material_since is not None and period.since < material_since


def end_overtaken(period: ConsentPeriod, material_since: datetime) -> ConsentPeriod:
    """End an overtaken grant and return the stale period after it. Call with the subject's row locked."""
    period.until = material_since
    period.save(update_fields=["until"])
    return ConsentPeriod.objects.create(
        subject_kind=period.subject_kind, subject=period.subject, state=State.STALE, since=material_since
    )


def end_grants() -> EndedGrants:
    """End all grants that the last material change overtook, a batch at a time.

    If this is interrupted, the next start or publication completes it.
    """
    material_since = in_force().material_since
    if material_since is None:
        return EndedGrants(0, 0)
    organizations = _end_grants(SubjectKind.ORGANIZATION, material_since)
    return EndedGrants(_end_grants(SubjectKind.USER, material_since), organizations)


def _end_grants(kind: SubjectKind, at: datetime) -> int:
    holders, ended = HOLDERS[kind], 0
    batch: dict[str, Any] = {"kind": kind.value, "at": at, "most": BATCH, "subjects": [""]}
    with connections["default"].cursor() as cursor:
        while batch["subjects"]:
            cursor.execute(NEXT_OVERTAKEN, batch | {"after": batch["subjects"][-1]})
            batch["subjects"] = [subject for (subject,) in cursor.fetchall()]
            with transaction.atomic(using="default"):
                cursor.execute(LOCK_HOLDERS.format(holders=holders), batch)
                cursor.execute(END_GRANTS.format(holders=holders), batch)
                ended += cursor.rowcount
    return ended
