"""Feature adoption: how many people use a feature, how much of all active people that is, how often."""

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from analytics.reports.cells import Compared, Count, Measure
from analytics.reports.filters import ReportFilters


class FeatureRow(NamedTuple):
    """One feature. `users`, `uses`, `share` cover the whole range, today so far included.

    `change` compares complete days only. `trend` holds the users of each day of the range.
    """

    feature: str
    users: Count
    uses: Count
    share: Measure  # of the active users in the same segment and period
    repeat_users: Count  # used it on two or more days
    actions: int  # kinds of action
    change: Measure  # relative change of users, complete days against the previous period's
    previous_users: Count | None  # None without `compare`
    previous_share: Measure
    trend: list[Count]

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


def features_report(filters: ReportFilters) -> FeaturesReport:
    """Every feature that was used in the range, exact."""
    raise NotImplementedError


def feature_report(filters: ReportFilters, feature: str) -> FeatureReport | None:
    """One feature, exact; None when the range and the period before it know no use of it."""
    raise NotImplementedError
