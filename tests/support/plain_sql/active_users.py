"""Active users from raw rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from analytics.reports.active_user_counts import earliest_day
from analytics.reports.active_users import ActiveUsersReport, active_users_of
from analytics.reports.features import Active
from analytics.reports.filters import ReportFilters
from analytics.reports.parameters import DEPLOYMENTS
from tests.support.plain_sql.presence import Presence, presence


@dataclass(frozen=True)
class OneDeployment:
    """What the report asks of one deployment type ('' for all)."""

    seen: Presence
    name: str

    def windows(self, widths: Sequence[int], first: date, last: date) -> dict[int, list[int]]:
        found = self.seen.windows(self.name, widths, first, last)
        return dict(zip(widths, found, strict=True))

    def distinct(self, first: date, last: date) -> int:
        return self.seen.distinct(self.name, first, last)


def active_users_report(filters: ReportFilters) -> ActiveUsersReport:
    seen = presence(filters, earliest_day(filters), filters.last)
    return active_users_of(filters, {name: OneDeployment(seen, name) for name in ("", *DEPLOYMENTS)})


def read_active(filters: ReportFilters) -> Active:
    """Who was active, whatever `activity` says: what features' shares are shares of."""
    filters = replace(filters, activity="any")
    first = min(filters.first, filters.previous.first) if filters.compare else filters.first
    seen = presence(filters, first, filters.last)

    def distinct(span: ReportFilters) -> int:
        return seen.distinct(filters.deployment, span.first, span.last)

    before = distinct(filters.previous_complete) if filters.compare else 0
    return Active(distinct(filters), before, distinct(filters.complete))
