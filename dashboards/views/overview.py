"""The first page: the headline of each report, who has said yes, and what arrived."""

from django.http import HttpRequest, HttpResponse

from analytics.reports import suppression
from analytics.reports.active_users import ActiveUsersReport
from analytics.reports.definitions import DEFINITIONS
from analytics.reports.filters import ReportFilters
from analytics.reports.overview import OverviewReport, overview_report
from analytics.reports.parameters import DEPLOYMENTS
from dashboards.charts import svg
from dashboards.layout.filter_bar import filter_bar
from dashboards.layout.page import page, report_page
from dashboards.numbers import shown
from dashboards.views import overview_rows
from dashboards.views.arrivals import arrivals
from dashboards.views.first_event import has_events, steps_page


@report_page
def overview(request: HttpRequest, filters: ReportFilters) -> HttpResponse:
    """All headlines; before the first event, how to send one."""
    if not has_events():
        return steps_page(request)
    report = suppression.suppress_overview(overview_report(filters))
    return page(
        request,
        "dashboards/overview.html",
        section="overview",
        title="Overview",
        filters=filters,
        bar=filter_bar(request, filters),
        report=report,
        definitions=DEFINITIONS,
        navigation_query=filters.navigation_querystring,
        top_features=report.features.rows[:3],
        sparks=_sparks(report),
        coverage=[
            overview_rows.coverage_row("Organizations", report.organizations),
            overview_rows.coverage_row("Users", report.users),
        ],
        by_deployment=[
            (DEPLOYMENTS[name], overview_rows.coverage_row(DEPLOYMENTS[name], part))
            for name, part in report.organizations_by_deployment.items()
        ],
        arrivals=(arrived := arrivals(hours=24)),
        arrival_columns=svg.column_chart(arrived.accepted_by_hour),
        changes=overview_rows.largest_changes(report) if filters.compare else [],
    )


def _sparks(report: OverviewReport) -> dict[str, str]:
    """The line under each headline."""
    is_open = report.filters.includes_today
    active: ActiveUsersReport = report.active_users
    top = report.features.rows[0].trend if report.features.rows else []
    weeks = report.retention.cohorts
    return {
        "active": svg.sparkline(
            [shown(day.total) for day in active.series["dau"]],
            previous=[shown(day.total) for day in active.previous_series["dau"]],
            is_last_unfinished=is_open,
            label="Daily active users over the range, the earlier period dotted",
        ),
        "feature": svg.sparkline(
            [shown(value) for value in top],
            is_last_unfinished=is_open,
            label="People per day who used the most used feature",
        ),
        "latency": svg.sparkline(
            [shown(day.p95_ms) for day in report.endpoints.days],
            previous=[shown(day.p95_ms) for day in report.endpoints.previous_days],
            is_last_unfinished=is_open,
            label="p95 response time over the range, the earlier period dotted",
        ),
        "retention": svg.sparkline(
            [shown(row.rate) for row in weeks],
            is_last_unfinished=bool(weeks and weeks[-1].open),
            label="7-day retention by week of first activity",
        ),
    }
