"""Consented account reports: which organizations allow staff to see their own totals, however few people.

An organization grants the level `account` by a decision like any other. It ends with the organization's next
decision of another level or state, and with a material change of the policy.
"""

from django.db import connections

# The last decision decides. The open period says whether a material change made that grant stale.
IN_FORCE = """
SELECT granted.subject FROM consent_decision granted
  JOIN consent_consentperiod period ON period.subject = granted.subject
   AND period.subject_kind = 'organization' AND period.until IS NULL AND period.state = 'granted'
 WHERE granted.subject_kind = 'organization' AND granted.level = 'account' AND granted.state = 'granted'
   AND NOT EXISTS (
       SELECT FROM consent_decision later
        WHERE later.subject = granted.subject AND later.subject_kind = 'organization'
          AND later.number > granted.number)
   AND period.since >= coalesce((SELECT material_since FROM consent_inforce), '-infinity')
"""


def organizations_with_account_reports() -> frozenset[str]:
    """The pseudonyms of the organizations whose own totals staff may see now. Read anew with each call."""
    with connections["default"].cursor() as cursor:
        cursor.execute(IN_FORCE)
        return frozenset(subject for (subject,) in cursor.fetchall())
