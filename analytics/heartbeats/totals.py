"""Totals of a period, over everyone, that this instance may send about itself.

Small groups are hidden. Subjects who have opted out are not counted, not even by their earlier events,
which erasure may not have reached yet.
"""

from datetime import datetime
from typing import Any

from django.db import connections

from analytics.rollups.internal_use import internal_now
from analytics.small_groups import too_few
from consent.models import Decision, ErasureRequest, Organization, State, SubjectKind, TelemetryUser
from consent.pseudonyms import ANONYMOUS

Totals = dict[str, int | None]

COUNTED = """
  "timestamp" >= %(start)s AND "timestamp" < %(end)s AND NOT {internal}
  AND user_id <> ALL(%(users)s) AND organization_id <> ALL(%(organizations)s)
"""
TOTALS = f"""
WITH activity AS (SELECT user_id, organization_id, event_type FROM analytics_user_activity WHERE {COUNTED}),
     feature AS (SELECT user_id, organization_id FROM analytics_feature_usage WHERE {COUNTED}),
     endpoint AS (SELECT user_id, organization_id, status_code FROM analytics_endpoint_usage WHERE {COUNTED}),
     everyone AS (SELECT user_id, organization_id FROM activity
                  UNION SELECT user_id, organization_id FROM feature
                  UNION SELECT user_id, organization_id FROM endpoint)
SELECT (SELECT count(DISTINCT user_id) FROM everyone WHERE NOT starts_with(user_id, %(anonymous)s)),
       (SELECT count(DISTINCT organization_id) FROM everyone WHERE organization_id <> ''),
       (SELECT count(*) FROM activity WHERE event_type = 'login'),
       (SELECT count(*) FROM feature),
       (SELECT count(*) FROM endpoint),
       (SELECT count(*) FROM endpoint WHERE status_code >= 500)
"""
NAMES = ("active_users", "organizations", "sign_ins", "feature_uses", "requests", "failed_requests")


def totals(start: datetime, end: datetime) -> Totals:
    """The totals of events dated from `start` (inclusive) to `end` (exclusive). None: too few people."""
    parameters: dict[str, Any] = {
        "start": start,
        "end": end,
        "users": _left_out(SubjectKind.USER, start),
        "organizations": _left_out(SubjectKind.ORGANIZATION, start),
        "anonymous": ANONYMOUS,
    }
    with connections["analytics"].cursor() as cursor:
        internal = internal_now(cursor)
        cursor.execute(TOTALS.format(internal=internal.condition), parameters | internal.parameters)
        exact = dict(zip(NAMES, cursor.fetchone(), strict=True))
    return suppressed(exact)


def suppressed(exact: dict[str, int]) -> Totals:
    """Hide everything when too few people were active, and the organizations when these are too few."""
    if too_few(exact["active_users"]):
        return dict.fromkeys(exact)
    return {**exact, "organizations": None if too_few(exact["organizations"]) else exact["organizations"]}


def _left_out(kind: SubjectKind, since: datetime) -> list[str]:
    """Subjects that decided since then and are not opted in now, and those whose erasure is not done.

    Their earlier events may still be stored.
    """
    model = Organization if kind == SubjectKind.ORGANIZATION else TelemetryUser
    decided = Decision.objects.filter(subject_kind=kind, recorded_at__gte=since).values("subject")
    not_opted_in = model.objects.filter(pseudonym__in=decided).exclude(state=State.GRANTED)
    being_erased = ErasureRequest.objects.filter(kind=kind).exclude(state=ErasureRequest.Stage.DONE)
    return [
        name for rows in (not_opted_in, being_erased) for name in rows.values_list("pseudonym", flat=True)
    ]
