"""The page “Timings”."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from django.http import HttpRequest, HttpResponse

from analytics.reports import catalogue
from analytics.reports.by_dimension import by_value, dimension_shown, dimensions_to_choose
from analytics.reports.filters import ReportFilters
from analytics.reports.timings import TimingsReport
from dashboards import charts
from dashboards.charts.plot import Plot
from dashboards.layout.filter_bar import filter_bar
from dashboards.layout.page import ReportPage, report_page, show
from dashboards.layout.switches import Switch, switch
from dashboards.numbers import round_milliseconds
from dashboards.tables.by_value import MOST_COLUMNS, ByValueTable, by_value_table
from dashboards.tables.report_rows import latency_axis_ms


@dataclass(frozen=True, kw_only=True)
class TimingsPage(ReportPage):
    template: ClassVar[str] = "dashboards/timings.html"
    section: str = "timings"
    report: TimingsReport
    plot: Plot
    by_value: ByValueTable | None
    switches: Sequence[Switch]
    axis_ms: float  # where the latency bars end
    axis: tuple[str, str]  # labels at the axis's middle and end


@report_page
def timings(request: HttpRequest, filters: ReportFilters) -> HttpResponse:
    report = catalogue.TIMINGS.shown(filters)
    dimensions = dimensions_to_choose(filters)
    by = dimension_shown(filters, dimensions)
    parts = by_value(catalogue.TIMINGS.shown, replace(filters, by=by), MOST_COLUMNS)
    axis_ms = latency_axis_ms(report.rows)
    page = TimingsPage(
        title="Timings",
        filters=filters,
        bar=filter_bar(request, filters, report=catalogue.TIMINGS.name),
        report=report,
        by_value=by_value_table(report.rows, parts, lambda row: row.name, lambda row: row.p95_ms),
        switches=[switch(replace(filters, by=by), "By", "by", dimensions)],
        plot=charts.latency_plot(filters, report.days, report.previous_days, "all that was timed"),
        axis_ms=axis_ms,
        axis=(round_milliseconds(axis_ms / 2), round_milliseconds(axis_ms)),
    )
    return show(request, page)
