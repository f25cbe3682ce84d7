"""The pages “Feature adoption” and, below it, one feature."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from django.http import HttpRequest, HttpResponse

from analytics.reports import catalogue
from analytics.reports.features import FeatureReport, FeaturesReport
from analytics.reports.filters import ReportFilters
from analytics.reports.parameters import DEPLOYMENTS
from dashboards import charts
from dashboards.charts.plot import Plot
from dashboards.layout.filter_bar import FilterBar, filter_bar
from dashboards.layout.long_tables import ShowAll, shortened
from dashboards.layout.navigation import NAMED_IN_QUERY
from dashboards.layout.page import Crumb, NoMatchPage, ReportPage, crumb, report_page, show
from dashboards.tables.report_rows import (
    BarRow,
    FeatureDayRow,
    FeatureTableRow,
    bar_rows,
    feature_day_rows,
    feature_rows,
)

SECTION = "features"
DEPLOYMENT_COLOURS = {"cloud": "v", "self-hosted": "v2"}  # classes of bars; any other: "vo"


@dataclass(frozen=True, kw_only=True)
class FeaturesPage(ReportPage):
    template: ClassVar[str] = "dashboards/features.html"
    section: str = SECTION
    report: FeaturesReport
    plot: Plot
    rows: Sequence[FeatureTableRow]
    default_sort: str


@dataclass(frozen=True, kw_only=True)
class FeaturePage(ReportPage):
    template: ClassVar[str] = "dashboards/feature.html"
    section: str = SECTION
    report: FeatureReport
    plot: Plot
    rows: Sequence[FeatureDayRow]
    show_all: ShowAll | None
    actions: Sequence[BarRow]
    deployments: Sequence[BarRow]


@report_page
def features(request: HttpRequest, filters: ReportFilters) -> HttpResponse:
    report = catalogue.FEATURES.shown(filters)
    page = FeaturesPage(
        title="Feature adoption",
        filters=filters,
        bar=filter_bar(request, filters, report=catalogue.FEATURES.name),
        report=report,
        plot=charts.features_plot(report),
        rows=feature_rows(report),
        default_sort="-uses" if report.filters.reaches_sealed else "-users",
    )
    return show(request, page)


@report_page
def feature(request: HttpRequest, filters: ReportFilters, name: str) -> HttpResponse:
    if name == NAMED_IN_QUERY:
        name = request.GET.get("feature", name)
    report = catalogue.feature_shown(filters, name)
    back = crumb("features", "Feature adoption", filters)
    bar = filter_bar(
        request,
        filters,
        report=catalogue.FEATURES.name,
        page_parameters=("feature", "rows"),
        export_parameters={"feature": name},
    )
    if report is None:
        return show(request, _no_use(name, back, filters, bar))
    return show(request, _feature_page(request, report, back, filters, bar))


def _no_use(name: str, back: Crumb, filters: ReportFilters, bar: FilterBar) -> NoMatchPage:
    return NoMatchPage(
        section=SECTION,
        title=name,
        title_is_code=True,
        crumb=back,
        filters=filters,
        bar=bar,
        heading="No use of this feature matches these filters",
        what="use of this feature",
    )


def _feature_page(
    request: HttpRequest, report: FeatureReport, back: Crumb, filters: ReportFilters, bar: FilterBar
) -> FeaturePage:
    rows, show_all = shortened(request, feature_day_rows(report))
    return FeaturePage(
        title=report.feature,
        title_is_code=True,
        crumb=back,
        filters=filters,
        bar=bar,
        report=report,
        plot=charts.feature_plot(report),
        rows=rows,
        show_all=show_all,
        actions=bar_rows(
            [(row.action, row.uses) for row in report.actions], whole=report.uses_so_far, is_code=True
        ),
        deployments=bar_rows(
            [(DEPLOYMENTS[row.deployment], row.users) for row in report.deployments],
            whole=report.users_so_far,
            kinds=[DEPLOYMENT_COLOURS.get(row.deployment, "vo") for row in report.deployments],
        ),
    )
