"""Whom reports leave out: everybody of whom stored rows may remain that nobody may count any more.

That is who has opted out, whose erasure is not done, and who took a grant back while its rows were kept.
Asked anew for each report, so a withdrawal counts from the next one on, and a new grant brings nobody back
before the erasure is done.
"""

from django.db import connections

from consent.models import SubjectKind
from consent.policies.stale_grants import HOLDERS

# One text, because there may be a hundred thousand. Of those who took a grant back, everything up to its end
# is gone once an erasure up to then is done.
WITHDRAWN = """
SELECT string_agg(subject, ',') FROM (
SELECT pseudonym AS subject FROM {holders} WHERE state = 'denied'
 UNION ALL
SELECT subject FROM (
    SELECT pseudonym AS subject FROM consent_erasurerequest WHERE kind = %(kind)s AND state <> 'done'
     UNION
    SELECT undecided.subject FROM consent_consentperiod undecided
     WHERE undecided.subject_kind = %(kind)s AND undecided.state = 'unset' AND undecided.until IS NULL
       AND EXISTS (
           SELECT FROM consent_consentperiod agreed
            WHERE agreed.subject = undecided.subject AND agreed.subject_kind = undecided.subject_kind
              AND agreed.state = 'granted'
              AND NOT EXISTS (
                  SELECT FROM consent_erasurerequest erased
                   WHERE erased.pseudonym = agreed.subject AND erased.kind = agreed.subject_kind
                     AND erased.state = 'done' AND erased.until >= agreed.until))) AS others
 WHERE NOT EXISTS (SELECT FROM {holders} WHERE pseudonym = others.subject AND state = 'denied')
) AS withdrawn
"""


def withdrawn(kind: SubjectKind) -> list[str]:
    """The pseudonyms of the subjects of this kind that reports leave out now, each once."""
    with connections["default"].cursor() as cursor:
        cursor.execute(WITHDRAWN.format(holders=HOLDERS[kind]), {"kind": kind.value})
        (subjects,) = cursor.fetchone()
    return str(subjects).split(",") if subjects else []
