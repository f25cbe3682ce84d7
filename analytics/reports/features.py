"""Feature adoption: how many people use a feature, how much of all active people that is, how often."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np

from analytics.periods import days_between
from analytics.reports.active_users import active_user_counts
from analytics.reports.cells import Compared, Count, Measure, exact, ratio
from analytics.reports.columns import (
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
from analytics.reports.filters import DEPLOYMENTS, ReportFilters
from analytics.reports.source import DAY, DEPLOYMENT, people, report_cursor, segment


class FeatureRow(NamedTuple):
    """One feature. `users`, `uses`, `share` cover the whole range, today so far included.

    `change` compares complete days only. `trend` holds the users of each day of the range.
    """

    feature: str
    users: Count
    uses: Count
    share: Measure  # of the active users in the same segment and period
    repeat_users: Count  # used it on two or more days
    actions: Count  # kinds of action
    change: Measure  # relative change of users, complete days against the previous period's
    previous_users: Count | None  # None without `compare`
    previous_share: Measure
    trend: list[Count]
    complete_users: int = 0  # of the complete days; for suppression

    @property
    def uses_per_user(self) -> Measure:
        """Uses / users; hidden where either is, None where nobody identified used it."""
        if not isinstance(self.uses, int):
            return self.uses
        if not isinstance(self.users, int):
            return self.users
        return self.uses / self.users if self.users else None


@dataclass(frozen=True, kw_only=True)
class FeaturesReport:
    """`rows` by users, most first, unless `sort` says otherwise."""

    filters: ReportFilters
    rows: list[FeatureRow]
    active_users: Count  # whole range
    days: list[date]  # what the trends' entries belong to


class FeatureDay(NamedTuple):
    day: date
    users: Count
    uses: Count
    complete: bool


class ActionRow(NamedTuple):
    action: str
    users: Count
    uses: Count


class DeploymentRow(NamedTuple):
    deployment: str  # cloud, self-hosted, unknown
    users: Count


@dataclass(frozen=True, kw_only=True)
class FeatureReport:
    """One feature in detail. Tables cover the whole range; the `Compared` headlines complete days only."""

    filters: ReportFilters
    feature: str
    days: list[FeatureDay]
    previous: list[FeatureDay]  # aligned with `days`; empty without `compare`
    actions: list[ActionRow]
    deployments: list[DeploymentRow]
    users_so_far: Count
    uses_so_far: Count
    users: Compared
    uses: Compared
    share: Compared
    repeat_users: Compared
    active_users: Count  # of the complete days: what `share` is a share of
    repeat_users_so_far: Count = 0  # these two for suppression
    active_users_so_far: Count = 0


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


class _Used(NamedTuple):
    """People of one feature: in the range, in its complete days, before; `_twice`: on two or more days."""

    users: int = 0
    twice: int = 0
    complete: int = 0
    complete_twice: int = 0
    before: int = 0
    before_twice: int = 0


@dataclass
class _Uses:
    """What the scan found, by feature and by feature and day."""

    people: dict[str, _Used]
    users_on: dict[str, dict[date, int]]
    uses_on: dict[str, dict[date, int]]


class Active(NamedTuple):
    """People active in the range, in the previous period (0 without `compare`), in the complete days."""

    in_range: int
    before: int
    complete: int


def features_report(filters: ReportFilters, *, active: Active | None = None) -> FeaturesReport:
    """Every feature that was used in the range, exact. `active` spares counting who has been counted."""
    days = days_between(filters.first, filters.last)
    active = active or _active(filters)
    found = _uses(filters)
    kinds = _kinds_of_action(filters)
    rows = []
    for feature, uses_on in found.uses_on.items():
        if feature not in kinds:
            continue  # used in the previous period only
        used = found.people.get(feature, _Used())
        rows.append(
            FeatureRow(
                feature=feature,
                users=used.users,
                uses=sum(uses_on.get(day, 0) for day in days),
                share=ratio(used.users, active.in_range),
                repeat_users=used.twice,
                actions=kinds[feature],
                change=_change(used) if filters.compare else None,
                previous_users=used.before if filters.compare else None,
                previous_share=ratio(used.before, active.before) if filters.compare else None,
                trend=[found.users_on[feature].get(day, 0) for day in days],
                complete_users=used.complete,
            )
        )
    rows.sort(key=lambda row: (-exact(row.users), row.feature))
    return FeaturesReport(filters=filters, rows=rows, active_users=active.in_range, days=days)


def feature_report(filters: ReportFilters, feature: str) -> FeatureReport | None:
    """One feature, exact; None when the range and the period before it know no use of it."""
    found = _uses(filters, feature)
    if feature not in found.uses_on:
        return None
    used = found.people.get(feature, _Used())
    uses_on, users_on = found.uses_on[feature], found.users_on[feature]
    active = _active(filters)
    rows = segment(filters, filters.first, filters.last).with_("feature_name = %(feature)s", feature=feature)
    counted = people(rows)
    compare = filters.compare

    def days_of(span: ReportFilters) -> list[FeatureDay]:
        return [
            FeatureDay(day, users_on.get(day, 0), uses_on.get(day, 0), day < filters.today)
            for day in days_between(span.first, span.last)
        ]

    def total(span: ReportFilters) -> int:
        return sum(uses_on.get(day, 0) for day in days_between(span.first, span.last))

    with report_cursor() as cursor:
        cursor.execute(ACTIONS.format(where=rows.where, counted=counted.where), counted.parameters)
        actions = [ActionRow(*row) for row in cursor.fetchall()]
        cursor.execute(
            USERS_BY_DEPLOYMENT.format(deployment=DEPLOYMENT, where=counted.where), counted.parameters
        )
        by_deployment = dict(cursor.fetchall())
    return FeatureReport(
        filters=filters,
        feature=feature,
        days=days_of(filters),
        previous=days_of(filters.previous) if compare else [],
        actions=actions,
        deployments=[DeploymentRow(name, by_deployment.get(name, 0)) for name in DEPLOYMENTS],
        users_so_far=used.users,
        uses_so_far=total(filters),
        users=Compared(used.complete, used.before if compare else None),
        uses=Compared(total(filters.complete), total(filters.previous_complete) if compare else None),
        share=Compared(
            ratio(used.complete, active.complete), ratio(used.before, active.before) if compare else None
        ),
        repeat_users=Compared(used.complete_twice, used.before_twice if compare else None),
        active_users=active.complete,
        repeat_users_so_far=used.twice,
        active_users_so_far=active.in_range,
    )


def _change(used: _Used) -> float | None:
    return used.complete / used.before - 1 if used.before else None


def _active(filters: ReportFilters) -> Active:
    spans = {"range": filters}
    if filters.compare and filters.complete.length:
        spans["before"] = filters.previous_complete
    if filters.complete.length:
        spans["complete"] = filters.complete
    counts = dict(zip(spans, active_user_counts(filters, list(spans.values())), strict=True))
    return Active(counts["range"], counts.get("before", 0), counts.get("complete", 0))


def _uses(filters: ReportFilters, feature: str | None = None) -> _Uses:
    origin = filters.previous.first if filters.compare else filters.first
    rows = with_withdrawn(segment(filters, origin, filters.last).with_(first_day=origin))
    if feature is not None:
        rows = rows.with_("feature_name = %(feature)s", feature=feature)
    with report_cursor() as cursor:
        cursor.execute(USES.format(where=rows.where), rows.parameters)
        sent = cursor.fetchall()
    names = [row[0] for row in sent]
    number = numbered([row[1] for row in sent], ">i2")
    day = joined([row[1] for row in sent], ">i2", np.int64)
    user = small_numbers(joined([row[2] for row in sent], ">i8", np.int64))
    found = _Uses({}, defaultdict(dict), defaultdict(dict))
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
) -> dict[int, _Used]:
    """By feature: how many people, and how many of them on two or more days, in each span."""
    first, last = ((day - origin).days for day in (filters.first, filters.complete.last))
    last_before = (filters.previous_complete.last - origin).days
    used: dict[int, list[int]] = defaultdict(lambda: [0] * 6)
    for place, chosen in enumerate((day >= first, (day >= first) & (day <= last), day <= last_before)):
        (names, _), days = combinations(number[chosen], user[chosen])
        for twice in (False, True):
            for (name,), users in counted(names[days > twice]):
                used[name][2 * place + twice] = users
    return {name: _Used(*numbers) for name, numbers in used.items()}


def _kinds_of_action(filters: ReportFilters) -> dict[str, int]:
    rows = segment(filters, filters.first, filters.last)
    with report_cursor() as cursor:
        cursor.execute(KINDS_OF_ACTION.format(where=rows.where), rows.parameters)
        return dict(cursor.fetchall())
