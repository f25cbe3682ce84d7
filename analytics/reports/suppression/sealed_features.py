"""People of features where the range has sealed days: what was kept of a day, week or month, or nothing."""

from dataclasses import replace

from analytics.reports.cells import Compared, Count, Measure, Withheld, ratio
from analytics.reports.features import FeatureReport, FeatureRow
from analytics.rollups.reading.sealed_days import SealedSpan

GONE = Withheld.GONE


def active_people(kept: SealedSpan | None) -> Count:
    """Everybody who was active in the range."""
    return GONE if kept is None else _count(kept.active)


def row_of_sealed(row: FeatureRow, kept: SealedSpan | None) -> FeatureRow:
    """Sealed days do not keep who used a feature, so nobody knows who came on two of them."""
    users = _users(row.feature, kept)
    return row._replace(users=users, share=_share(users, kept), repeat_users=GONE)


def feature_of_sealed(report: FeatureReport) -> FeatureReport:
    """The same for one feature. Its actions and deployment types are not kept."""
    kept, gone = report.kept, Compared(GONE)
    users = _users(report.feature, kept)
    return replace(
        report,
        actions=[row._replace(users=GONE) for row in report.actions],
        deployments=[row._replace(users=GONE) for row in report.deployments],
        users_so_far=users,
        users=Compared(users),
        share=Compared(_share(users, kept)),
        repeat_users=gone,
        active_users=active_people(kept),
        kept=None,
    )


def _users(feature: str, kept: SealedSpan | None) -> Count:
    return GONE if kept is None else _count(kept.features.get(feature, 0))


def _count(number: int | None) -> Count:
    return Withheld.HIDDEN if number is None else number


def _share(users: Count, kept: SealedSpan | None) -> Measure:
    active = active_people(kept)
    if isinstance(users, Withheld):
        return users
    return active if isinstance(active, Withheld) else ratio(users, active)
