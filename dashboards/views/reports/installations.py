"""The page “Installations”: active ones by version, platform and deployment type. They are not people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from django.http import HttpRequest, HttpResponse

from analytics.reports import catalogue
from analytics.reports.cells import Compared
from analytics.reports.filters import ReportFilters
from analytics.reports.installations import InstallationDay, InstallationsReport
from dashboards import charts
from dashboards.charts.plot import Plot
from dashboards.layout.filter_bar import filter_bar
from dashboards.layout.long_tables import ShowAll, shortened
from dashboards.layout.page import ReportPage, report_page, show
from dashboards.tables.report_rows import BarRow, kind_rows

COLOURS = 6  # of versions in the plot, from the palest (o0) to the strongest (o5)


class VersionColour(NamedTuple):
    """An entry of the plot's key: the class of the colour, and the version."""

    css_class: str
    version: str


class VersionRow(NamedTuple):
    row: BarRow
    compared: Compared


class KindTable(NamedTuple):
    title: str
    rows: Sequence[BarRow]


@dataclass(frozen=True, kw_only=True)
class InstallationsPage(ReportPage):
    template: ClassVar[str] = "dashboards/installations.html"
    section: str = "installations"
    report: InstallationsReport
    plot: Plot
    rows: Sequence[InstallationDay]
    show_all: ShowAll | None
    colours: Sequence[VersionColour]
    versions: Sequence[VersionRow]
    kinds: Sequence[KindTable]


@report_page
def installations(request: HttpRequest, filters: ReportFilters) -> HttpResponse:
    report = catalogue.INSTALLATIONS.shown(filters)
    rows, show_all = shortened(request, report.days[::-1])
    bar = filter_bar(
        request,
        filters,
        report=catalogue.INSTALLATIONS.name,
        has_people=False,
        page_parameters=("rows",),
    )
    page = InstallationsPage(
        title="Installations",
        filters=filters,
        bar=bar,
        report=report,
        plot=charts.versions_plot(report),
        rows=rows,
        show_all=show_all,
        colours=_colours(report.shown_versions),
        versions=_version_rows(report),
        kinds=[
            KindTable("Operating system", kind_rows(report.platforms)),
            KindTable("Architecture", kind_rows(report.architectures)),
            KindTable("Release channel", kind_rows(report.channels)),
            KindTable("Deployment type", kind_rows(report.deployments)),
        ],
    )
    return show(request, page)


def _colours(versions: Sequence[str]) -> list[VersionColour]:
    """The newest version first, in the strongest colour."""
    palest = COLOURS - len(versions)
    return [VersionColour(f"o{palest + i}", version) for i, version in enumerate(versions)][::-1]


def _version_rows(report: InstallationsReport) -> list[VersionRow]:
    return [
        VersionRow(row, Compared(kind.installations, kind.previous))
        for row, kind in zip(kind_rows(report.versions), report.versions, strict=True)
    ]
