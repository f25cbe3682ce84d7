"""The page “Timings”."""

from dataclasses import dataclass
from typing import ClassVar

from django.http import HttpRequest, HttpResponse

from analytics.reports import catalogue
from analytics.reports.filters import ReportFilters
from analytics.reports.timings import TimingsReport
from dashboards import charts
from dashboards.charts.plot import Plot
from dashboards.layout.filter_bar import filter_bar
from dashboards.layout.page import ReportPage, report_page, show
from dashboards.numbers import round_milliseconds
from dashboards.tables.report_rows import latency_axis_ms


@dataclass(frozen=True, kw_only=True)
class TimingsPage(ReportPage):
    template: ClassVar[str] = "dashboards/timings.html"
    section: str = "timings"
    report: TimingsReport
    plot: Plot
    axis_ms: float  # where the latency bars end
    axis: tuple[str, str]  # labels at the axis's middle and end


@report_page
def timings(request: HttpRequest, filters: ReportFilters) -> HttpResponse:
    report = catalogue.TIMINGS.shown(filters)
    axis_ms = latency_axis_ms(report.rows)
    page = TimingsPage(
        title="Timings",
        filters=filters,
        bar=filter_bar(request, filters, report=catalogue.TIMINGS.name),
        report=report,
        plot=charts.latency_plot(filters, report.days, report.previous_days, "all that was timed"),
        axis_ms=axis_ms,
        axis=(round_milliseconds(axis_ms / 2), round_milliseconds(axis_ms)),
    )
    return show(request, page)
