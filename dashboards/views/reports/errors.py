"""The page “Errors”."""

from dataclasses import dataclass
from typing import ClassVar

from django.http import HttpRequest, HttpResponse

from analytics.reports import catalogue
from analytics.reports.errors import ErrorsReport
from analytics.reports.filters import ReportFilters
from dashboards import charts
from dashboards.charts.plot import Plot
from dashboards.layout.filter_bar import filter_bar
from dashboards.layout.page import ReportPage, report_page, show


@dataclass(frozen=True, kw_only=True)
class ErrorsPage(ReportPage):
    template: ClassVar[str] = "dashboards/errors.html"
    section: str = "errors"
    report: ErrorsReport
    plot: Plot
    types: int  # different ones, and places
    places: int
    default_sort: str


@report_page
def errors(request: HttpRequest, filters: ReportFilters) -> HttpResponse:
    report = catalogue.ERRORS.shown(filters)
    page = ErrorsPage(
        title="Errors",
        filters=filters,
        bar=filter_bar(request, filters, report=catalogue.ERRORS.name),
        report=report,
        plot=charts.errors_plot(report),
        types=len({row.error_type for row in report.rows}),
        places=len({row.place for row in report.rows}),
        default_sort="-occurrences" if report.filters.reaches_sealed else "-users",
    )
    return show(request, page)
