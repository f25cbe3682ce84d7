"""The pages “Endpoint performance” and, below it, one endpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from django.http import HttpRequest, HttpResponse

from analytics.reports import catalogue
from analytics.reports.endpoints import EndpointDay, EndpointReport, EndpointsReport
from analytics.reports.filters import ReportFilters
from dashboards import charts
from dashboards.charts.plot import Plot
from dashboards.layout.filter_bar import FilterBar, filter_bar
from dashboards.layout.long_tables import ShowAll, shortened
from dashboards.layout.page import Crumb, NoMatchPage, ReportPage, crumb, report_page, show
from dashboards.numbers import round_milliseconds
from dashboards.tables.heat import LatencyHeat, latency_heat
from dashboards.tables.report_rows import BarRow, bar_rows, latency_axis_ms

SECTION = "endpoints"


@dataclass(frozen=True, kw_only=True)
class EndpointsPage(ReportPage):
    template: ClassVar[str] = "dashboards/endpoints.html"
    section: str = SECTION
    report: EndpointsReport
    plot: Plot
    axis_ms: float  # where the latency bars end
    axis: tuple[str, str]  # labels at the axis's middle and end


@dataclass(frozen=True, kw_only=True)
class EndpointPage(ReportPage):
    template: ClassVar[str] = "dashboards/endpoint.html"
    section: str = SECTION
    report: EndpointReport
    plot: Plot
    heat: LatencyHeat
    rows: Sequence[EndpointDay]
    show_all: ShowAll | None
    statuses: Sequence[BarRow]


@report_page
def endpoints(request: HttpRequest, filters: ReportFilters) -> HttpResponse:
    report = catalogue.ENDPOINTS.shown(filters)
    axis_ms = latency_axis_ms(report.rows)
    page = EndpointsPage(
        title="Endpoint performance",
        filters=filters,
        bar=filter_bar(request, filters, report=catalogue.ENDPOINTS.name),
        report=report,
        plot=charts.latency_plot(filters, report.days, report.previous_days, "all endpoints"),
        axis_ms=axis_ms,
        axis=(round_milliseconds(axis_ms / 2), round_milliseconds(axis_ms)),
    )
    return show(request, page)


@report_page
def endpoint(request: HttpRequest, filters: ReportFilters) -> HttpResponse:
    route, method = request.GET.get("endpoint", ""), request.GET.get("method", "")
    report = catalogue.endpoint_shown(filters, route, method)
    title = f"{method} {route}".strip() or "Endpoint"
    back = crumb("endpoints", "Endpoint performance", filters)
    bar = filter_bar(
        request,
        filters,
        report=catalogue.ENDPOINTS.name,
        page_parameters=("endpoint", "method", "rows"),
    )
    if report is None:
        return show(request, _no_requests(title, back, filters, bar))
    return show(request, _endpoint_page(request, report, title, back, filters, bar))


def _no_requests(title: str, back: Crumb, filters: ReportFilters, bar: FilterBar) -> NoMatchPage:
    return NoMatchPage(
        section=SECTION,
        title=title,
        title_is_code=True,
        crumb=back,
        filters=filters,
        bar=bar,
        heading="No requests match these filters",
        what="requests to this endpoint",
    )


def _endpoint_page(
    request: HttpRequest,
    report: EndpointReport,
    title: str,
    back: Crumb,
    filters: ReportFilters,
    bar: FilterBar,
) -> EndpointPage:
    rows, show_all = shortened(request, report.days[::-1])
    return EndpointPage(
        title=title,
        title_is_code=True,
        crumb=back,
        filters=filters,
        bar=bar,
        report=report,
        plot=charts.latency_plot(filters, report.days, report.previous_days, "this endpoint"),
        heat=latency_heat(report),
        rows=rows,
        show_all=show_all,
        statuses=bar_rows(
            [(row.status, row.requests) for row in report.statuses],
            whole=report.total.requests,
            kinds=["bad" if row.status == "5xx" else "v" for row in report.statuses],
        ),
    )
