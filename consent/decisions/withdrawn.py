"""Whom reports leave out: everybody of whom stored rows may remain that nobody may count any more.

That is who has opted out, whose erasure is not done, and who took a grant back while its rows were kept.
Asked anew for each report, so a withdrawal counts from the next one on, and a new grant brings nobody back
before the erasure is done.
"""

from datetime import datetime

from django.db import connections

from consent.models import ConsentPeriod, SubjectKind
from consent.policies.stale_grants import HOLDERS

# One text, because there may be a hundred thousand.
WITHDRAWN = """
SELECT string_agg(subject, ',') FROM (
SELECT pseudonym AS subject FROM {holders} WHERE state = 'denied'
 UNION ALL
SELECT DISTINCT asked.pseudonym FROM consent_erasurerequest asked
 WHERE asked.kind = %(kind)s AND asked.state <> 'done'
   AND coalesce((SELECT state FROM {holders} WHERE pseudonym = asked.pseudonym), '') <> 'denied'
 UNION ALL
SELECT subject FROM consent_consentperiod
 WHERE subject_kind = %(kind)s AND keeps_rows AND until IS NULL
   AND NOT EXISTS (SELECT FROM consent_erasurerequest
                    WHERE pseudonym = subject AND kind = %(kind)s AND state <> 'done')
) AS withdrawn
"""
# Everything up to a grant's end is gone once an erasure up to then is done; until then, the request is open.
NOTE_KEPT = """
UPDATE consent_consentperiod undecided SET keeps_rows = true
 WHERE subject_kind = %(kind)s AND subject = %(subject)s AND state = 'unset' AND until IS NULL
   AND EXISTS (
       SELECT FROM consent_consentperiod agreed
        WHERE agreed.subject = undecided.subject AND agreed.subject_kind = undecided.subject_kind
          AND agreed.state = 'granted'
          AND NOT EXISTS (
              SELECT FROM consent_erasurerequest asked
               WHERE asked.pseudonym = agreed.subject AND asked.kind = agreed.subject_kind
                 AND asked.until >= agreed.until))
"""


def withdrawn(kind: SubjectKind) -> list[str]:
    """The pseudonyms of the subjects of this kind that reports leave out now, each once."""
    with connections["default"].cursor() as cursor:
        cursor.execute(WITHDRAWN.format(holders=HOLDERS[kind]), {"kind": kind.value})
        (subjects,) = cursor.fetchone()
    return str(subjects).split(",") if subjects else []


def note_kept_rows(kind: SubjectKind, subject: str) -> None:
    """Call in the transaction that made the subject undecided again: rows that are kept stay hidden."""
    with connections["default"].cursor() as cursor:
        cursor.execute(NOTE_KEPT, {"kind": kind.value, "subject": subject})


def forget_kept_rows(kind: SubjectKind, subject: str, until: datetime) -> None:
    """Everything of the subject up to `until` is erased: what hid its rows before need not any more."""
    periods = ConsentPeriod.objects.filter(subject_kind=kind, subject=subject, keeps_rows=True)
    periods.filter(since__lte=until).update(keeps_rows=False)
