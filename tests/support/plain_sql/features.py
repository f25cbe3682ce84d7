"""Features from raw rows."""

from collections import defaultdict
from datetime import date, timedelta

import numpy as np

from analytics.reports.feature_counts import FeatureCounts, FeatureDetail, FeatureUsers
from analytics.reports.features import FeatureReport, FeaturesReport, feature_of, features_of
from analytics.reports.filters import ReportFilters
from tests.support.plain_sql.active_users import read_active
from tests.support.plain_sql.columns import (
    PERSON,
    WITHDRAWN,
    Numbers,
    combinations,
    counted,
    joined,
    numbered,
    small_numbers,
    with_withdrawn,
)
from tests.support.plain_sql.source import people, segment
from tests.support.plain_sql.statements import DAY, DEPLOYMENT, plain_cursor

# One scan, a row for each feature: all its uses, as columns that numpy reads as they come.
USES = f"""
SELECT feature_name, array_send(array_agg(({DAY} - %(first_day)s::date)::int2)),
       array_send(array_agg({PERSON}))
  FROM analytics_feature_usage {WITHDRAWN}
 WHERE {{where}} GROUP BY 1
"""

KINDS_OF_ACTION = """
SELECT feature_name, count(*)
  FROM (SELECT DISTINCT feature_name, action FROM analytics_feature_usage WHERE {where}) AS kinds
 GROUP BY 1
"""

ACTIONS = """
SELECT action, sum(users)::bigint, sum(uses)::bigint FROM (
    SELECT action, 0 AS users, count(*) AS uses FROM analytics_feature_usage WHERE {where} GROUP BY 1
    UNION ALL
    SELECT action, count(DISTINCT user_id), 0 FROM analytics_feature_usage WHERE {counted} GROUP BY 1
) AS parts GROUP BY 1 ORDER BY 3 DESC, 1
"""

USERS_BY_DEPLOYMENT = """
SELECT {deployment}, count(DISTINCT user_id) FROM analytics_feature_usage WHERE {where} GROUP BY 1
"""


def features_report(filters: ReportFilters) -> FeaturesReport:
    return features_of(filters, _uses(filters), read_active(filters))


def feature_report(filters: ReportFilters, feature: str) -> FeatureReport | None:
    uses = _uses(filters, feature)
    if feature not in uses.uses_on:
        return None
    return feature_of(filters, feature, uses, _detail(filters, feature), read_active(filters))


def _detail(filters: ReportFilters, feature: str) -> FeatureDetail:
    rows = segment(filters, filters.first, filters.last).with_("feature_name = %(feature)s", feature=feature)
    counted = people(rows)
    with plain_cursor() as cursor:
        cursor.execute(ACTIONS.format(where=rows.where, counted=counted.where), counted.parameters)
        actions = cursor.fetchall()
        cursor.execute(
            USERS_BY_DEPLOYMENT.format(deployment=DEPLOYMENT, where=counted.where), counted.parameters
        )
        return FeatureDetail(actions, dict(cursor.fetchall()))


def _uses(filters: ReportFilters, feature: str | None = None) -> FeatureCounts:
    origin = filters.previous.first if filters.compare else filters.first
    rows = with_withdrawn(segment(filters, origin, filters.last).with_(first_day=origin))
    if feature is not None:
        rows = rows.with_("feature_name = %(feature)s", feature=feature)
    with plain_cursor() as cursor:
        cursor.execute(USES.format(where=rows.where), rows.parameters)
        sent = cursor.fetchall()
    names = [row[0] for row in sent]
    number = numbered([row[1] for row in sent], ">i2")
    day = joined([row[1] for row in sent], ">i2", np.int64)
    user = small_numbers(joined([row[2] for row in sent], ">i8", np.int64))
    kinds = _kinds_of_action(filters, feature)
    found = FeatureCounts(users_on=defaultdict(dict), uses_on=defaultdict(dict), actions=kinds)
    for (name, offset), uses in counted(number, day):
        found.uses_on[names[name]][origin + timedelta(days=offset)] = uses
    named = user > 0
    (number, day, user), _ = combinations(number[named], day[named], user[named])  # each person's days once
    for (name, offset), users in counted(number, day):
        found.users_on[names[name]][origin + timedelta(days=offset)] = users
    for name, people_of in _people(filters, origin, number, day, user).items():
        found.people[names[name]] = people_of
    return found


def _people(
    filters: ReportFilters, origin: date, number: Numbers, day: Numbers, user: Numbers
) -> dict[int, FeatureUsers]:
    """By feature: how many people, and how many of them on two or more days, in each span."""
    first, last = ((day - origin).days for day in (filters.first, filters.complete.last))
    last_before = (filters.previous_complete.last - origin).days
    used: dict[int, list[int]] = defaultdict(lambda: [0] * 6)
    for place, chosen in enumerate((day >= first, (day >= first) & (day <= last), day <= last_before)):
        (names, _), days = combinations(number[chosen], user[chosen])
        for twice in (False, True):
            for (name,), users in counted(names[days > twice]):
                used[name][2 * place + twice] = users
    return {name: FeatureUsers(*numbers) for name, numbers in used.items()}


def _kinds_of_action(filters: ReportFilters, feature: str | None) -> dict[str, int]:
    rows = segment(filters, filters.first, filters.last)
    if feature is not None:
        rows = rows.with_("feature_name = %(feature)s", feature=feature)
    with plain_cursor() as cursor:
        cursor.execute(KINDS_OF_ACTION.format(where=rows.where), rows.parameters)
        return dict(cursor.fetchall())
