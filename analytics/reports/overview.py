"""The overview: the headline of each report, and how many have said yes."""

from dataclasses import dataclass

from analytics.reports.active_users import ActiveUsersReport
from analytics.reports.cells import Count
from analytics.reports.endpoints import EndpointsReport
from analytics.reports.features import FeaturesReport
from analytics.reports.filters import ReportFilters
from analytics.reports.retention import RetentionReport
from analytics.reports.sessions import SessionsReport


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How many subjects of one kind are in which state."""

    granted: Count
    denied: Count
    unset: Count

    @property
    def known(self) -> Count | None:
        """All together; None where a part is hidden."""
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
    sessions: SessionsReport
    organizations: Coverage
    users: Coverage
    organizations_by_deployment: dict[str, Coverage]


def overview_report(filters: ReportFilters) -> OverviewReport:
    """All headlines of one period, exact."""
    raise NotImplementedError
