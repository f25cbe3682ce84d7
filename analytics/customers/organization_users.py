"""How many users an organization has, by their decisions, for its page in the admin.

Only events tell who belongs to an organization, and they have no index on it. So only the last `DAYS` are
read, and only for as long as a page can wait. Users whose events were erased are not counted.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

from analytics.partitions import EVENT_TABLES
from analytics.reports.cells import Count
from analytics.reports.suppression.rules import parts_of, ruled, shown
from consent.models import State, TelemetryUser
from consent.pseudonyms import ANONYMOUS
from postgres.timeouts import TookTooLong, time_limited_cursor

DAYS = 28  # as for monthly active users
TIMEOUT = "3s"
EVENTS = " UNION ALL ".join(
    f'SELECT user_id, organization_id, "timestamp" FROM {table}' for table in EVENT_TABLES
)
USERS = f"""
SELECT DISTINCT user_id FROM ({EVENTS}) AS events
 WHERE organization_id = %s AND "timestamp" >= %s AND NOT starts_with(user_id, '{ANONYMOUS}')
"""


class OrganizationUsers(NamedTuple):
    """How many users an organization has, and how many in each state; small groups are hidden."""

    total: Count
    by_state: dict[State, Count]


def count_users(organization: str, *, now: datetime | None = None) -> OrganizationUsers | None:
    """By the events of the last `DAYS`; None when counting takes longer than `TIMEOUT`. Takes a pseudonym."""
    since = (now or timezone.now()) - timedelta(days=DAYS)
    try:
        with time_limited_cursor("analytics", TIMEOUT) as cursor:
            cursor.execute(USERS, [organization, since])
            users = [user for (user,) in cursor.fetchall()]
    except TookTooLong:
        return None
    states = Counter(TelemetryUser.objects.filter(pseudonym__in=users).values_list("state", flat=True))
    numbers = {State(state): number for state, number in states.items()}
    numbers[State.UNSET] = len(users) - states.total() + states[State.UNSET]
    parts = [numbers.get(state, 0) for state in State]
    verdicts = parts_of(len(users), parts)
    return OrganizationUsers(
        total=shown(len(users)),
        by_state={
            state: ruled(part, verdict) for state, part, verdict in zip(State, parts, verdicts, strict=True)
        },
    )
