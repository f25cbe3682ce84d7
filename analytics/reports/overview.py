"""The overview: active users, features, endpoints and retention in one, and how many have opted in."""

from dataclasses import dataclass

from django.db.models import Count as CountOf

from analytics.reports.active_users import ActiveUsersReport, active_users_report
from analytics.reports.cells import Count, exact
from analytics.reports.endpoints import EndpointsReport, endpoints_report
from analytics.reports.features import Active, FeaturesReport, features_report
from analytics.reports.filters import ReportFilters
from analytics.reports.parameters import DEPLOYMENTS
from analytics.reports.retention import RetentionReport, retention_report
from analytics.rollups.reading import reader as rollups
from consent.models import Organization, State, TelemetryUser


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How many subjects of one kind are in which state."""

    granted: Count
    denied: Count
    unset: Count

    @property
    def known(self) -> Count | None:
        """All together; None when a part is withheld."""
        parts = (self.granted, self.denied, self.unset)
        numbers = [part for part in parts if isinstance(part, int)]
        return sum(numbers) if len(numbers) == len(parts) else None


@dataclass(frozen=True, kw_only=True)
class OverviewReport:
    filters: ReportFilters
    active_users: ActiveUsersReport
    features: FeaturesReport
    endpoints: EndpointsReport
    retention: RetentionReport
    organizations: Coverage
    users: Coverage
    organizations_by_deployment: dict[str, Coverage]


def overview_report(filters: ReportFilters, *, published: bool = True) -> OverviewReport:
    """All of these reports for one period, exact; `published`, with what suppression needs."""
    by_deployment: dict[str, dict[str, int]] = {name: {} for name in DEPLOYMENTS}
    organizations = Organization.objects.order_by().values_list("deployment_type", "state")
    for deployment, state, number in organizations.annotate(number=CountOf("pk")):
        by_deployment[deployment][state] = number
    states = TelemetryUser.objects.order_by().values_list("state").annotate(number=CountOf("pk"))
    with rollups.reading():  # all of them from one state of the data
        active_users = active_users_report(filters, published=published)
        is_the_whole = filters.sealed_until is None and filters.activity == "any"
        active = _active(active_users) if is_the_whole else None
        features = features_report(filters, active=active, published=published)
        endpoints = endpoints_report(filters, published=published)
        retention = retention_report(filters, published=True)
    return OverviewReport(
        filters=filters,
        active_users=active_users,
        features=features,
        endpoints=endpoints,
        retention=retention,
        organizations=_coverage(
            {state: sum(counts.get(state, 0) for counts in by_deployment.values()) for state in State}
        ),
        users=_coverage(dict(states)),
        organizations_by_deployment={name: _coverage(counts) for name, counts in by_deployment.items()},
    )


def _active(report: ActiveUsersReport) -> Active:
    """How many were active, as the active users report has counted them."""
    now, before = report.period_users
    return Active(
        exact(report.users_so_far),
        before if isinstance(before, int) else 0,
        now if isinstance(now, int) else 0,
    )


def _coverage(counts: dict[str, int]) -> Coverage:
    """Stale consent counts as undecided: it does not cover the present policy."""
    return Coverage(
        granted=counts.get(State.GRANTED, 0),
        denied=counts.get(State.DENIED, 0),
        unset=counts.get(State.UNSET, 0) + counts.get(State.STALE, 0),
    )
