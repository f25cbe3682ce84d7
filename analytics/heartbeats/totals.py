"""The totals that this instance may send about itself: whole numbers of a period, for everyone at once.

Small groups are hidden, and whoever has opted out is left out: also of the events from before
they did, which erasure may not have reached yet.
"""

from datetime import datetime
from typing import Any

from django.db import connections

from analytics.small_groups import too_few
from consent.models import Decision, Organization, State, SubjectKind, TelemetryUser
from consent.pseudonyms import ANONYMOUS

Totals = dict[str, int | None]

COUNTED = """
  "timestamp" >= %(start)s AND "timestamp" < %(end)s AND NOT is_internal
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
    """The totals of the events dated from `start` (inclusive) to `end`. None: hidden, too few people."""
    parameters: dict[str, Any] = {
        "start": start,
        "end": end,
        "users": _withdrawn(SubjectKind.USER, start),
        "organizations": _withdrawn(SubjectKind.ORGANIZATION, start),
        "anonymous": ANONYMOUS,
    }
    with connections["analytics"].cursor() as cursor:
        cursor.execute(TOTALS, parameters)
        exact = dict(zip(NAMES, cursor.fetchone(), strict=True))
    return suppressed(exact)


def suppressed(exact: dict[str, int]) -> Totals:
    """Without everything if the active people are too few; without the organizations if these are."""
    if too_few(exact["active_users"]):
        return dict.fromkeys(exact)
    return {**exact, "organizations": None if too_few(exact["organizations"]) else exact["organizations"]}


def _withdrawn(kind: SubjectKind, since: datetime) -> list[str]:
    """Subjects that decided after `since` and are not opted in now: events from before may still stand."""
    model = Organization if kind == SubjectKind.ORGANIZATION else TelemetryUser
    decided = Decision.objects.filter(subject_kind=kind, recorded_at__gte=since).values("subject")
    not_opted_in = model.objects.filter(pseudonym__in=decided).exclude(state=State.GRANTED)
    return list(not_opted_in.values_list("pseudonym", flat=True))
