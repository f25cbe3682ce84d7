"""Feature adoption: how many people use a feature, what share of active people that is, how often."""

from dataclasses import dataclass, field, replace
from datetime import date
from typing import NamedTuple

from analytics.report_days import days_between
from analytics.reports.active_user_counts import count_active_users
from analytics.reports.cells import AndFewMore, Compared, Count, Measure, at_least, exact, ratio
from analytics.reports.feature_counts import (
    FeatureCounts,
    FeatureDetail,
    FeatureUsers,
    read_feature_detail,
    read_features,
)
from analytics.reports.filters import ReportFilters
from analytics.reports.parameters import DEPLOYMENTS
from analytics.reports.together import PeopleTogether
from analytics.rollups.reading import reader as rollups
from analytics.rollups.reading.sealed_days import SealedSpan


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
        """Uses / users; withheld when either is, None when nobody identified used it.

        `AtLeast` where uses leave some out. It follows from the two and tells nothing more.
        """
        if not isinstance(self.uses, int):
            return self.uses
        if not isinstance(self.users, int):
            return self.users
        if not self.users:
            return None
        return at_least(self.uses / self.users, isinstance(self.uses, AndFewMore))


@dataclass(frozen=True, kw_only=True)
class FeaturesReport:
    """`rows` by users, most first, unless `sort` says otherwise."""

    filters: ReportFilters
    rows: list[FeatureRow]
    active_users: Count  # whole range
    days: list[date]  # the days of the trends
    published: bool = False  # whether uses are those of published cells, as suppression needs them
    together: PeopleTogether | None = field(default=None, repr=False, compare=False)
    kept: SealedSpan | None = field(
        default=None, repr=False
    )  # of a sealed range: its people, as they were kept


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
    active_users: Count  # in the complete days: the whole that `share` refers to
    repeat_users_so_far: Count = 0  # this and the next are for suppression
    active_users_so_far: Count = 0
    published: bool = False  # whether uses are those of published cells, as suppression needs them
    together: PeopleTogether | None = field(default=None, repr=False, compare=False)
    kept: SealedSpan | None = field(
        default=None, repr=False
    )  # of a sealed range: its people, as they were kept


class Active(NamedTuple):
    """People active in the range, in the previous period (0 without `compare`), in the complete days."""

    in_range: int
    before: int
    complete: int


def features_report(
    filters: ReportFilters, *, active: Active | None = None, published: bool = False
) -> FeaturesReport:
    """Every feature that was used in the range, exact. `active`: how many were active, if counted already.

    With `published`, uses are those of published cells: what suppression needs.
    """
    filters = filters.countable
    with rollups.reading() as reader:
        counts = read_features(reader, filters, published=published)
        return features_of(filters, counts, active or read_active(filters))


def feature_report(filters: ReportFilters, feature: str, *, published: bool = False) -> FeatureReport | None:
    """One feature, exact; None when it was used neither in the range nor in the previous period.

    With `published`, uses are those of published cells: what suppression needs.
    """
    filters = filters.countable
    with rollups.reading() as reader:
        uses = read_features(reader, filters, feature, published=published)
        if feature not in uses.uses_on:
            return None
        detail = read_feature_detail(reader, filters, feature, published=published)
        active = read_active(filters)
    return feature_of(filters, feature, uses, detail, active)


def features_of(filters: ReportFilters, counts: FeatureCounts, active: Active) -> FeaturesReport:
    """The report, from what was counted."""
    days = days_between(filters.first, filters.last)
    rows = []
    for feature in counts.uses_on:
        if feature not in counts.actions:
            continue  # used in the previous period only
        used, users_on = counts.people.get(feature, FeatureUsers()), counts.users_on.get(feature, {})
        rows.append(
            FeatureRow(
                feature=feature,
                users=used.users,
                uses=counts.total(feature, "range", days),
                share=ratio(used.users, active.in_range),
                repeat_users=used.twice,
                actions=counts.actions[feature],
                change=_change(used) if filters.compare else None,
                previous_users=used.before if filters.compare else None,
                previous_share=ratio(used.before, active.before) if filters.compare else None,
                trend=[users_on.get(day, 0) for day in days],
                complete_users=used.complete,
            )
        )
    rows.sort(key=lambda row: (-exact(row.users), row.feature))
    return FeaturesReport(
        filters=filters,
        rows=rows,
        active_users=active.in_range,
        days=days,
        published=counts.published,
        together=counts.together,
        kept=counts.kept,
    )


def feature_of(
    filters: ReportFilters, feature: str, counts: FeatureCounts, detail: FeatureDetail, active: Active
) -> FeatureReport:
    """The report, from what was counted."""
    used = counts.people.get(feature, FeatureUsers())
    uses_on, users_on = counts.uses_on[feature], counts.users_on.get(feature, {})
    compare = filters.compare

    def days_of(span: ReportFilters) -> list[FeatureDay]:
        return [
            FeatureDay(day, users_on.get(day, 0), uses_on.get(day, 0), day < filters.today)
            for day in days_between(span.first, span.last)
        ]

    def total(name: str, span: ReportFilters) -> int:
        return counts.total(feature, name, days_between(span.first, span.last))

    return FeatureReport(
        filters=filters,
        feature=feature,
        days=days_of(filters),
        previous=days_of(filters.previous) if compare else [],
        actions=[ActionRow(*row) for row in detail.actions],
        deployments=[DeploymentRow(name, detail.users_by_deployment.get(name, 0)) for name in DEPLOYMENTS],
        users_so_far=used.users,
        uses_so_far=total("range", filters),
        users=Compared(used.complete, used.before if compare else None),
        uses=Compared(
            total("complete", filters.complete),
            total("before", filters.previous_complete) if compare else None,
        ),
        share=Compared(
            ratio(used.complete, active.complete), ratio(used.before, active.before) if compare else None
        ),
        repeat_users=Compared(used.complete_twice, used.before_twice if compare else None),
        active_users=active.complete,
        repeat_users_so_far=used.twice,
        active_users_so_far=active.in_range,
        published=counts.published,
        together=counts.together,
        kept=counts.kept,
    )


def _change(used: FeatureUsers) -> float | None:
    return used.complete / used.before - 1 if used.before else None


def read_active(filters: ReportFilters) -> Active:
    """How many people were active: the whole that shares of features refer to.

    Whatever `activity` says: those who use a feature are no part of those who sign in.
    """
    filters = replace(filters, activity="any")
    spans = {"range": filters}
    if filters.compare and filters.complete.length:
        spans["before"] = filters.previous_complete
    if filters.complete.length:
        spans["complete"] = filters.complete
    counts = dict(zip(spans, count_active_users(filters, list(spans.values())), strict=True))
    return Active(counts["range"], counts.get("before", 0), counts.get("complete", 0))
