"""The page “Retention”: the 7-day headline, weekly cohorts, and the curve day by day."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from django.http import HttpRequest, HttpResponse

from analytics.reports import catalogue
from analytics.reports.filters import ReportFilters
from analytics.reports.retention import RetentionReport
from dashboards import charts
from dashboards.charts.plot import Plot
from dashboards.layout.filter_bar import filter_bar
from dashboards.layout.page import ReportPage, report_page, show
from dashboards.layout.switches import Switch, switch
from dashboards.tables.heat import CohortTable, cohort_table
from dashboards.tables.report_rows import WeekRow, week_rows

DEFINITION_LABELS = {"window": "Seen again", "login_window": "Signed in again"}


@dataclass(frozen=True, kw_only=True)
class RetentionPage(ReportPage):
    template: ClassVar[str] = "dashboards/retention.html"
    section: str = "retention"
    report: RetentionReport
    plot: Plot  # the headline by week
    curve: Plot
    cohorts: CohortTable
    weeks: Sequence[WeekRow]
    switches: Sequence[Switch]


@report_page
def retention(request: HttpRequest, filters: ReportFilters) -> HttpResponse:
    report = catalogue.RETENTION.shown(filters)
    page = RetentionPage(
        title="Retention",
        filters=filters,
        bar=filter_bar(request, filters, report=catalogue.RETENTION.name),
        report=report,
        plot=charts.retention_weeks_plot(report),
        curve=charts.retention_curve_plot(report),
        cohorts=cohort_table(report),
        weeks=week_rows(report),
        switches=[switch(filters, "Definition", "definition", DEFINITION_LABELS)],
    )
    return show(request, page)
