"""Suppression of the overview: each report by its own rules, and people by what they decided."""

from dataclasses import replace

from analytics.reports.cells import exact
from analytics.reports.overview import Coverage, OverviewReport
from analytics.reports.suppression.active_users import suppress_active_users
from analytics.reports.suppression.endpoints import suppress_endpoints
from analytics.reports.suppression.features import suppress_features
from analytics.reports.suppression.retention import suppress_retention
from analytics.reports.suppression.rules import parts_of, ruled


def suppress_overview(report: OverviewReport) -> OverviewReport:
    """Organizations are not people and stay as they are."""
    return replace(
        report,
        active_users=suppress_active_users(report.active_users),
        features=suppress_features(report.features),
        endpoints=suppress_endpoints(report.endpoints),
        retention=suppress_retention(report.retention),
        users=_coverage(report.users),
    )


def suppress_own_overview(report: OverviewReport) -> OverviewReport:
    """For an organization with account reports: its features, requests and active people stay as they are."""
    return replace(report, retention=suppress_retention(report.retention), users=_coverage(report.users))


def _coverage(users: Coverage) -> Coverage:
    parts = [exact(users.granted), exact(users.denied), exact(users.unset)]
    granted, denied, unset = (
        ruled(number, verdict) for number, verdict in zip(parts, parts_of(sum(parts), parts), strict=True)
    )
    return Coverage(granted=granted, denied=denied, unset=unset)
