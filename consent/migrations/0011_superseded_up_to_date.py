"""Rows from before `is_superseded`, and from before `unset` took back a grant: marked as they would be now.

The gate reads them the same either way; `manage.py verify_consent_log` compares the mark too.
"""

from django.db import migrations

MARK = """
WITH following AS (
    SELECT id, subject, subject_kind, state,
           lag(id) OVER one AS before_id, lag(state) OVER one AS before
      FROM consent_consentperiod WINDOW one AS (PARTITION BY subject, subject_kind ORDER BY id)
), covering AS (
    SELECT subject, subject_kind,
           max(CASE WHEN state = 'denied' THEN id
                    WHEN state = 'unset' AND before IN ('granted', 'stale') THEN before_id END) AS up_to
      FROM following GROUP BY subject, subject_kind
)
UPDATE consent_consentperiod AS period SET is_superseded = true
  FROM covering
 WHERE covering.subject = period.subject AND covering.subject_kind = period.subject_kind
   AND period.id < covering.up_to AND NOT period.is_superseded AND period.until IS NOT NULL
"""


class Migration(migrations.Migration):

    dependencies = [("consent", "0010_withdrawn")]

    operations = [migrations.RunSQL(MARK, migrations.RunSQL.noop)]
