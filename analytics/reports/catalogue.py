"""The table of reports: every report with its name, its definitions, how it is counted and suppressed.

A new report begins here. `manage.py check` then names what it still lacks: a page and its link in the
navigation, an export, a definition (`dashboards.checks`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

from analytics.reports import suppression
from analytics.reports.active_users import active_users_report
from analytics.reports.endpoints import EndpointReport, EndpointsReport, endpoint_report, endpoints_report
from analytics.reports.errors import ErrorsReport, errors_report
from analytics.reports.features import FeatureReport, FeaturesReport, feature_report, features_report
from analytics.reports.filters import ReportFilters
from analytics.reports.installation_counts import INSTALLATION_DIMENSIONS
from analytics.reports.installations import installations_report
from analytics.reports.overview import OverviewReport, overview_report
from analytics.reports.retention import retention_report
from analytics.reports.segments import is_account_report, refuse_few
from analytics.reports.sorting import sorted_endpoints, sorted_errors, sorted_features, sorted_timings
from analytics.reports.suppression.weeks import by_week
from analytics.reports.timings import TimingsReport, timings_report
from analytics.rollups.reading import reader as rollups

AReport = TypeVar("AReport")


@dataclass(frozen=True, kw_only=True)
class Report(Generic[AReport]):
    """`count` gives the exact report, which is never shown: pages, API and exports call `shown`."""

    name: str  # in the API's addresses and in file names
    page: str  # its section of the navigation, and the name of its page's address
    title: str
    definitions: tuple[str, ...]  # names in `definitions.DEFINITIONS`
    count: Callable[[ReportFilters], AReport]
    suppress: Callable[[AReport], AReport]
    by_organization: bool = True  # False: counts no events of a single organization
    dimensions: tuple[str, ...] | None = None  # the only ones that it can be filtered by; None: all
    own: Callable[[ReportFilters], AReport] | None = None  # an organization's own, if it allows that: exact

    def shown(self, filters: ReportFilters) -> AReport:
        """The report without small groups and what reveals them. Raises `FilterError`, `ReportTimedOut`."""
        filters = self.asked(filters)
        with rollups.reading():  # one snapshot for both
            if self.own is not None and is_account_report(filters):
                return self.own(filters)
            if self.by_organization:
                refuse_few(filters)
            report = self.suppress(self.count(filters))
        return by_week(report) if filters.whole_weeks else report

    def asked(self, filters: ReportFilters) -> ReportFilters:
        """What of the question applies to this report."""
        return filters if self.dimensions is None else filters.by_dimensions(self.dimensions)


def _own_features(filters: ReportFilters) -> FeaturesReport:
    report = features_report(filters)
    return replace(report, rows=sorted_features(report.rows, filters.sort))


def _own_endpoints(filters: ReportFilters) -> EndpointsReport:
    report = endpoints_report(filters)
    return replace(report, rows=sorted_endpoints(report.rows, filters.sort))


def _own_errors(filters: ReportFilters) -> ErrorsReport:
    report = errors_report(filters)
    return replace(report, rows=sorted_errors(report.rows, filters.sort))


def _own_timings(filters: ReportFilters) -> TimingsReport:
    report = timings_report(filters)
    return replace(report, rows=sorted_timings(report.rows, filters.sort))


def feature_shown(filters: ReportFilters, feature: str) -> FeatureReport | None:
    """One feature in detail, as the list shows it; None when it was not used."""
    if is_account_report(filters):
        return feature_report(filters, feature)
    refuse_few(filters)
    exact = feature_report(filters, feature, published=True)
    return exact and suppression.suppress_feature(exact)


def endpoint_shown(filters: ReportFilters, endpoint: str, method: str) -> EndpointReport | None:
    """One endpoint and method in detail, as the list shows it; None when there was no request."""
    if is_account_report(filters):
        return endpoint_report(filters, endpoint, method)
    refuse_few(filters)
    exact = endpoint_report(filters, endpoint, method, published=True)
    return exact and suppression.suppress_endpoint(exact)


def overview_shown(filters: ReportFilters) -> OverviewReport:
    """All of them in one."""
    if is_account_report(filters):
        return suppression.suppress_own_overview(overview_report(filters, published=False))
    refuse_few(filters)
    return suppression.suppress_overview(overview_report(filters))


ACTIVE_USERS = Report(
    name="daily-active-users",
    page="active-users",
    title="Active users: daily, in 7 days, in 28 days",
    definitions=("active_user", "dau", "wau", "mau", "stickiness", "sessions"),
    count=partial(active_users_report, published=True),
    suppress=suppression.suppress_active_users,
    own=active_users_report,
)
FEATURES = Report(
    name="feature-adoption",
    page="features",
    title="Feature adoption",
    definitions=("feature_adoption", "active_user"),
    count=partial(features_report, published=True),
    suppress=suppression.suppress_features,
    own=_own_features,
)
ENDPOINTS = Report(
    name="endpoint-performance",
    page="endpoints",
    title="Endpoint performance",
    definitions=("endpoint_performance",),
    count=partial(endpoints_report, published=True),
    suppress=suppression.suppress_endpoints,
    own=_own_endpoints,
)
RETENTION = Report(
    name="retention",
    page="retention",
    title="Retention: the range, and weekly cohorts",
    definitions=("retention", "retention_login_window", "retention_curve", "cohorts"),
    count=partial(retention_report, published=True),
    suppress=suppression.suppress_retention,
)
INSTALLATIONS = Report(
    name="installations",
    page="installations",
    title="Installations by what they report",
    definitions=("installations",),
    count=installations_report,
    suppress=suppression.suppress_installations,
    by_organization=False,
    dimensions=INSTALLATION_DIMENSIONS,
)
ERRORS = Report(
    name="errors",
    page="errors",
    title="Errors by type and place",
    definitions=("errors", "error_place", "error_seen"),
    count=partial(errors_report, published=True),
    suppress=suppression.suppress_errors,
    own=_own_errors,
)
TIMINGS = Report(
    name="timings",
    page="timings",
    title="Timings: how long features take",
    definitions=("timings", "timing_memory"),
    count=partial(timings_report, published=True),
    suppress=suppression.suppress_timings,
    own=_own_timings,
)

REPORTS = (ACTIVE_USERS, FEATURES, ENDPOINTS, RETENTION, INSTALLATIONS, ERRORS, TIMINGS)
