"""The report pages. Each reads like a table of contents: which filters, rows, figure, template.

A report passes through suppression before anything else sees it; no exact count reaches a template.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from analytics.report_days import report_zone_name
from analytics.reports import catalogue, suppression
from analytics.reports.cells import Compared
from analytics.reports.definitions import DEFINITIONS
from analytics.reports.endpoints import endpoint_report
from analytics.reports.features import feature_report
from analytics.reports.filters import ReportFilters
from analytics.reports.installations import InstallationsReport
from analytics.reports.parameters import ACTIVITIES, DEPLOYMENTS, METRICS
from analytics.reports.sessions import sessions_report
from dashboards import charts
from dashboards.layout.filter_bar import filter_bar
from dashboards.layout.page import Crumb, page, report_page
from dashboards.numbers import round_milliseconds
from dashboards.tables import heat, report_rows

Row = TypeVar("Row")

HEADINGS = {
    "dau": "Users active each day, by deployment type",
    "wau": "Users active in the 7 days up to each date, by deployment type",
    "mau": "Users active in the 28 days up to each date, by deployment type",
}
ACTIVE_DEFINITIONS = {"any": "active_user", "login": "active_user_login"}
SHORT_NAMES = {"window": "Seen again", "login_window": "Signed in again"}


class Option(NamedTuple):
    label: str
    address: str
    is_current: bool


class Switch(NamedTuple):
    """A row of links that set one parameter."""

    label: str
    options: list[Option]


class ShowAll(NamedTuple):
    total: int
    address: str


@report_page
def active_users(request: HttpRequest, filters: ReportFilters) -> HttpResponse:
    report = catalogue.ACTIVE_USERS.shown(filters)
    sessions = sessions_report(filters)
    rows, show_all = _shortened(request, report_rows.active_day_rows(report))
    return page(
        request,
        "dashboards/active_users.html",
        section="active-users",
        title="Active users",
        filters=filters,
        bar=filter_bar(request, filters, report="daily-active-users", kept=("rows",)),
        report=report,
        sessions=sessions and suppression.suppress_sessions(sessions),
        plot=charts.active_users_plot(report),
        rows=rows,
        show_all=show_all,
        nobody=all(day.total == 0 for day in (*report.days, *report.previous)),
        heading=HEADINGS[filters.metric],
        definition=DEFINITIONS[filters.metric],
        definition_of_active=DEFINITIONS[
            "active_user_login" if filters.activity == "login" else "active_user"
        ],
        is_yesterday=filters.includes_today,
        switches=[
            _switch(filters, "Counted as active", "activity", ACTIVITIES),
            _switch(filters, "Measure", "metric", METRICS),
        ],
        **_common(filters),
    )


@report_page
def features(request: HttpRequest, filters: ReportFilters) -> HttpResponse:
    report = catalogue.FEATURES.shown(filters)
    return page(
        request,
        "dashboards/features.html",
        section="features",
        title="Feature adoption",
        filters=filters,
        bar=filter_bar(request, filters, report="feature-adoption"),
        report=report,
        plot=charts.features_plot(report),
        rows=report_rows.feature_rows(report),
        default_sort="-uses" if report.filters.reaches_sealed else "-users",
        **_common(filters),
    )


@report_page
def feature(request: HttpRequest, filters: ReportFilters, name: str) -> HttpResponse:
    exact = feature_report(filters, name)
    report = suppression.suppress_feature(exact) if exact else None
    context: dict[str, Any] = _common(filters)
    if report:
        rows, show_all = _shortened(request, report_rows.feature_day_rows(report))
        deployments = [(DEPLOYMENTS[row.deployment], row.users) for row in report.deployments]
        context |= {
            "plot": charts.feature_plot(report),
            "rows": rows,
            "show_all": show_all,
            "actions": report_rows.bar_rows(
                [(row.action, row.uses) for row in report.actions], whole=report.uses_so_far, is_code=True
            ),
            "deployments": report_rows.bar_rows(
                deployments,
                whole=report.users_so_far,
                kinds=[_kind_of(row.deployment) for row in report.deployments],
            ),
        }
    return page(
        request,
        "dashboards/feature.html",
        section="features",
        title=name,
        title_is_code=True,
        crumb=_crumb("dashboards:features", "Feature adoption", filters),
        filters=filters,
        bar=filter_bar(request, filters, report="feature-adoption", kept=("rows",), only={"feature": name}),
        report=report,
        **context,
    )


@report_page
def endpoints(request: HttpRequest, filters: ReportFilters) -> HttpResponse:
    report = catalogue.ENDPOINTS.shown(filters)
    axis_ms = report_rows.latency_axis_ms(report.rows)
    return page(
        request,
        "dashboards/endpoints.html",
        section="endpoints",
        title="Endpoint performance",
        filters=filters,
        bar=filter_bar(request, filters, report="endpoint-performance"),
        report=report,
        plot=charts.latency_plot(filters, report.days, report.previous_days, "all endpoints"),
        axis_ms=axis_ms,
        axis=[round_milliseconds(axis_ms / 2), round_milliseconds(axis_ms)],
        **_common(filters),
    )


@report_page
def endpoint(request: HttpRequest, filters: ReportFilters) -> HttpResponse:
    route, method = request.GET.get("endpoint", ""), request.GET.get("method", "")
    exact = endpoint_report(filters, route, method)
    report = suppression.suppress_endpoint(exact) if exact else None
    context: dict[str, Any] = _common(filters)
    if report:
        rows, show_all = _shortened(request, report.days[::-1])
        context |= {
            "plot": charts.latency_plot(filters, report.days, report.previous_days, "this endpoint"),
            "heat": heat.latency_heat(report),
            "rows": rows,
            "show_all": show_all,
            "statuses": report_rows.bar_rows(
                [(row.status, row.requests) for row in report.statuses],
                whole=report.total.requests,
                kinds=["bad" if row.status == "5xx" else "v" for row in report.statuses],
            ),
        }
    return page(
        request,
        "dashboards/endpoint.html",
        section="endpoints",
        title=f"{method} {route}".strip() or "Endpoint",
        title_is_code=True,
        crumb=_crumb("dashboards:endpoints", "Endpoint performance", filters),
        filters=filters,
        bar=filter_bar(request, filters, report="endpoint-performance", kept=("endpoint", "method", "rows")),
        report=report,
        **context,
    )


@report_page
def retention(request: HttpRequest, filters: ReportFilters) -> HttpResponse:
    report = catalogue.RETENTION.shown(filters)
    return page(
        request,
        "dashboards/retention.html",
        section="retention",
        title="Retention",
        filters=filters,
        bar=filter_bar(request, filters, report="retention"),
        report=report,
        plot=charts.retention_weeks_plot(report),
        curve=charts.retention_curve_plot(report),
        cohorts=heat.cohort_table(report),
        weeks=report_rows.week_rows(report),
        switches=[_switch(filters, "Definition", "definition", SHORT_NAMES)],
        **_common(filters),
    )


@report_page
def installations(request: HttpRequest, filters: ReportFilters) -> HttpResponse:
    report = catalogue.INSTALLATIONS.shown(filters)
    rows, show_all = _shortened(request, report.days[::-1])
    return page(
        request,
        "dashboards/installations.html",
        section="installations",
        title="Installations",
        filters=filters,
        bar=filter_bar(request, filters, report="installations", has_people=False, kept=("rows",)),
        report=report,
        plot=charts.versions_plot(report),
        rows=rows,
        show_all=show_all,
        keys=_version_keys(report),
        versions=[
            (row, Compared(kind.installations, kind.previous))
            for row, kind in zip(report_rows.kind_rows(report.versions), report.versions, strict=True)
        ],
        kinds=[
            ("Operating system", report_rows.kind_rows(report.platforms)),
            ("Architecture", report_rows.kind_rows(report.architectures)),
            ("Release channel", report_rows.kind_rows(report.channels)),
            ("Deployment type", report_rows.kind_rows(report.deployments)),
        ],
        **_common(filters),
    )


def _common(filters: ReportFilters) -> dict[str, Any]:
    return {
        "definitions": DEFINITIONS,
        "zone": report_zone_name(),
        "threshold": settings.SUPPRESS_BELOW,
        "navigation_query": filters.navigation_querystring,
    }


def _crumb(url_name: str, label: str, filters: ReportFilters) -> Crumb:
    query = filters.navigation_querystring
    return Crumb(reverse(url_name) + (f"?{query}" if query else ""), label)


def _switch(filters: ReportFilters, label: str, parameter: str, labels: dict[str, str]) -> Switch:
    current = getattr(filters, parameter)
    options = []
    for value, name in labels.items():
        query = replace(filters, **{parameter: value}).query()  # type: ignore[arg-type]
        options.append(Option(name, "?" + urlencode(query), value == current))
    return Switch(label, options)


def _shortened(request: HttpRequest, rows: Sequence[Row]) -> tuple[Sequence[Row], ShowAll | None]:
    """The newest rows of a long table, and the link to all of them."""
    if request.GET.get("rows") == "all" or len(rows) <= report_rows.SHORT_TABLE:
        return rows, None
    query = request.GET.copy()
    query["rows"] = "all"
    return rows[: report_rows.SHORT_TABLE], ShowAll(len(rows), f"?{query.urlencode()}")


def _kind_of(deployment: str) -> str:
    return {"cloud": "v", "self-hosted": "v2"}.get(deployment, "vo")


def _version_keys(report: InstallationsReport) -> list[tuple[str, str]]:
    """Newest first: the class of the colour, and the version."""
    shown = report.shown_versions
    return [(f"o{6 - len(shown) + i}", version) for i, version in enumerate(shown)][::-1]
