"""The page “Overview”: the headline of each report, who has opted in, and what arrived."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from analytics.reports import catalogue
from analytics.reports.features import FeatureRow
from analytics.reports.filters import ReportFilters
from analytics.reports.overview import OverviewReport
from analytics.reports.parameters import DEPLOYMENTS
from dashboards.charts import svg
from dashboards.layout.filter_bar import filter_bar
from dashboards.layout.page import ReportPage, report_page, show
from dashboards.numbers import shown
from dashboards.views.arrivals import Arrivals, arrivals
from dashboards.views.first_event import has_events, steps_page
from dashboards.views.reports.overview_rows import ChangeRow, CoverageRow, coverage_row, largest_changes


class Sparklines(NamedTuple):
    """The line under each headline."""

    active: SafeString
    feature: SafeString
    latency: SafeString
    retention: SafeString


@dataclass(frozen=True, kw_only=True)
class OverviewPage(ReportPage):
    template: ClassVar[str] = "dashboards/overview.html"
    section: str = "overview"
    report: OverviewReport
    top_features: Sequence[FeatureRow]
    sparks: Sparklines
    coverage: Sequence[CoverageRow]
    by_deployment: Sequence[CoverageRow]
    arrivals: Arrivals
    arrival_columns: SafeString
    changes: Sequence[ChangeRow]


@report_page
def overview(request: HttpRequest, filters: ReportFilters) -> HttpResponse:
    """All headlines; before the first event, how to send one."""
    if not has_events():
        return steps_page(request)
    report = catalogue.overview_shown(filters)
    last_day = arrivals(hours=24)
    page = OverviewPage(
        title="Overview",
        filters=filters,
        bar=filter_bar(request, filters),
        report=report,
        top_features=report.features.rows[:3],
        sparks=_sparklines(report),
        coverage=[
            coverage_row("Organizations", report.organizations),
            coverage_row("Users", report.users),
        ],
        by_deployment=[
            coverage_row(DEPLOYMENTS[deployment], coverage)
            for deployment, coverage in report.organizations_by_deployment.items()
        ],
        arrivals=last_day,
        arrival_columns=svg.column_chart(last_day.accepted_by_hour),
        changes=largest_changes(report) if filters.compare else [],
    )
    return show(request, page)


def _sparklines(report: OverviewReport) -> Sparklines:
    is_open = report.filters.includes_today
    top = report.features.rows[0].trend if report.features.rows else []
    weeks = report.retention.cohorts
    return Sparklines(
        active=svg.sparkline(
            [shown(day.total) for day in report.active_users.series["dau"]],
            previous=[shown(day.total) for day in report.active_users.previous_series["dau"]],
            is_last_unfinished=is_open,
            label="Daily active users over the range, the earlier period dotted",
        ),
        feature=svg.sparkline(
            [shown(value) for value in top],
            is_last_unfinished=is_open,
            label="People per day who used the most used feature",
        ),
        latency=svg.sparkline(
            [shown(day.p95_ms) for day in report.endpoints.days],
            previous=[shown(day.p95_ms) for day in report.endpoints.previous_days],
            is_last_unfinished=is_open,
            label="p95 response time over the range, the earlier period dotted",
        ),
        retention=svg.sparkline(
            [shown(row.rate) for row in weeks],
            is_last_unfinished=bool(weeks and weeks[-1].open),
            label="7-day retention by week of first activity",
        ),
    )
