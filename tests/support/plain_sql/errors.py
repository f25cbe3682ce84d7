"""Errors from raw rows."""

from collections import defaultdict
from datetime import timedelta

import numpy as np
from django.conf import settings

from analytics.reports.error_counts import TOGETHER, ErrorCounts, ErrorMeasures, Name
from analytics.reports.errors import ErrorsReport, errors_of
from analytics.reports.filters import ReportFilters
from tests.support.plain_sql.columns import (
    PERSON,
    WITHDRAWN,
    Flags,
    Numbers,
    combinations,
    joined,
    numbered,
    small_numbers,
    with_withdrawn,
)
from tests.support.plain_sql.source import segment
from tests.support.plain_sql.statements import DAY, plain_cursor

# One scan, a row for each type and place: all its occurrences, as columns that numpy reads as they come.
OCCURRENCES = f"""
SELECT event_metadata->>'error.type', place, array_send(array_agg(({DAY} - %(first_day)s::date)::int2)),
       array_send(array_agg({PERSON}))
  FROM (SELECT *, coalesce(event_metadata->>'code.function.name', CASE action
                     WHEN 'failed' THEN feature_name ELSE feature_name || '/' || action END) AS place
          FROM (SELECT feature_name, action, user_id, organization_id, "timestamp", deployment_type,
                       is_internal, event_metadata FROM analytics_feature_usage) AS features
     UNION ALL
        SELECT '', '', user_id, organization_id, "timestamp", deployment_type, is_internal, event_metadata,
               coalesce(event_metadata->>'code.function.name', method || ' ' || endpoint)
          FROM analytics_endpoint_usage) AS events {WITHDRAWN}
 WHERE {{where}} AND event_metadata->>'error.type' IS NOT NULL GROUP BY 1, 2
"""


def errors_report(filters: ReportFilters) -> ErrorsReport:
    origin = filters.previous.first if filters.compare else filters.first
    rows = with_withdrawn(segment(filters, origin, filters.last).with_(first_day=origin))
    with plain_cursor() as cursor:
        cursor.execute(OCCURRENCES.format(where=rows.where), rows.parameters)
        sent = cursor.fetchall()
    names: list[Name] = [(row[0], row[1]) for row in sent]
    number = numbered([row[2] for row in sent], ">i2")
    day = joined([row[2] for row in sent], ">i2", np.int64)
    user = small_numbers(joined([row[3] for row in sent], ">i8", np.int64))
    found = ErrorCounts()
    first, last = ((one - origin).days for one in (filters.first, filters.complete.last))
    spans = {"range": day >= first, "complete": (day >= first) & (day <= last)}
    if filters.compare:
        spans["before"] = day <= (filters.previous_complete.last - origin).days
    for span, chosen in spans.items():
        found.spans |= {(names[key], span): one for key, one in _measured(number, user, chosen).items()}
        if chosen.any():
            together = _measured(np.zeros_like(number), user, chosen)[0]
            found.spans[TOGETHER, span] = together._replace(only_few=_only_few(number, user, chosen))
    everything = np.ones_like(day, dtype=np.bool_)
    found.days = {origin + timedelta(days=at): one for at, one in _measured(day, user, everything).items()}
    trends: dict[int, list[int]] = defaultdict(lambda: [0] * filters.length)
    for key, at in zip(number.tolist(), (day - first).tolist(), strict=True):
        trends[key][at] += at >= 0
    for key, trend in trends.items():
        found.trends[names[key]] = tuple(trend)
        seen = [filters.first + timedelta(days=at) for at, count in enumerate(trend) if count]
        if seen:
            found.seen[names[key]] = seen[0], seen[-1]
    return errors_of(filters, found)


def _measured(key: Numbers, user: Numbers, chosen: Flags) -> dict[int, ErrorMeasures]:
    """Of each key: distinct people, and how often."""
    (keys,), occurrences = combinations(key[chosen])
    named = chosen & (user > 0)
    (of_people, _), _ = combinations(key[named], user[named])
    users = np.searchsorted(of_people, keys, side="right") - np.searchsorted(of_people, keys)
    measures = zip(keys.tolist(), users.tolist(), occurrences.tolist(), strict=True)
    return {key: ErrorMeasures(people, number) for key, people, number in measures}


def _only_few(key: Numbers, user: Numbers, chosen: Flags) -> int:
    """How many people have no key with enough of them."""
    people: dict[int, set[int]] = defaultdict(set)
    named = chosen & (user > 0)
    for one, person in zip(key[named].tolist(), user[named].tolist(), strict=True):
        people[one].add(person)
    shown = {person for own in people.values() if len(own) >= settings.SUPPRESS_BELOW for person in own}
    return len({person for own in people.values() for person in own} - shown)
