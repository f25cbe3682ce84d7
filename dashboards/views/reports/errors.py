"""The page “Errors”."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from django.http import HttpRequest, HttpResponse

from analytics.reports import catalogue
from analytics.reports.by_dimension import by_value, dimension_shown, dimensions_to_choose
from analytics.reports.errors import ErrorsReport
from analytics.reports.filters import ReportFilters
from dashboards import charts
from dashboards.charts.plot import Plot
from dashboards.layout.filter_bar import filter_bar
from dashboards.layout.page import ReportPage, report_page, show
from dashboards.layout.switches import Switch, switch
from dashboards.tables.by_value import MOST_COLUMNS, ByValueTable, by_value_table


@dataclass(frozen=True, kw_only=True)
class ErrorsPage(ReportPage):
    template: ClassVar[str] = "dashboards/errors.html"
    section: str = "errors"
    report: ErrorsReport
    plot: Plot
    by_value: ByValueTable | None
    switches: Sequence[Switch]
    types: int  # different ones, and places
    places: int
    default_sort: str


@report_page
def errors(request: HttpRequest, filters: ReportFilters) -> HttpResponse:
    report = catalogue.ERRORS.shown(filters)
    dimensions = dimensions_to_choose(filters)
    by = dimension_shown(filters, dimensions)
    parts = by_value(catalogue.ERRORS.shown, replace(filters, by=by), MOST_COLUMNS)
    page = ErrorsPage(
        title="Errors",
        filters=filters,
        bar=filter_bar(request, filters, report=catalogue.ERRORS.name),
        report=report,
        by_value=by_value_table(
            report.rows, parts, lambda row: (row.error_type, row.place), lambda row: row.users
        ),
        switches=[switch(replace(filters, by=by), "By", "by", dimensions)],
        plot=charts.errors_plot(report),
        types=len({row.error_type for row in report.rows}),
        places=len({row.place for row in report.rows}),
        default_sort="-occurrences" if report.filters.reaches_sealed else "-users",
    )
    return show(request, page)
