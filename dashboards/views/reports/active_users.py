"""The page “Active users”: people per day, week or 28 days, their sessions, and the pages viewed most."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from django.http import HttpRequest, HttpResponse

from analytics.reports import catalogue, suppression
from analytics.reports.active_users import ActiveUsersReport
from analytics.reports.definitions import DEFINITIONS
from analytics.reports.filters import ReportFilters
from analytics.reports.parameters import ACTIVITIES, METRICS
from analytics.reports.sessions import SessionsReport, sessions_report
from dashboards import charts
from dashboards.charts.plot import Plot
from dashboards.layout.filter_bar import filter_bar
from dashboards.layout.long_tables import ShowAll, shortened
from dashboards.layout.page import ReportPage, report_page, show
from dashboards.layout.switches import Switch, switch
from dashboards.tables.report_rows import ActiveDayRow, active_day_rows

HEADINGS = {
    "dau": "Users active each day, by deployment type",
    "wau": "Users active in the 7 days up to each date, by deployment type",
    "mau": "Users active in the 28 days up to each date, by deployment type",
}
DEFINITIONS_OF_ACTIVE = {"any": "active_user", "login": "active_user_login"}


@dataclass(frozen=True, kw_only=True)
class ActiveUsersPage(ReportPage):
    template: ClassVar[str] = "dashboards/active_users.html"
    section: str = "active-users"
    report: ActiveUsersReport
    sessions: SessionsReport | None
    plot: Plot
    rows: Sequence[ActiveDayRow]
    show_all: ShowAll | None
    nobody: bool
    heading: str
    definition: str
    definition_of_active: str
    switches: Sequence[Switch]


@report_page
def active_users(request: HttpRequest, filters: ReportFilters) -> HttpResponse:
    report = catalogue.ACTIVE_USERS.shown(filters)
    sessions = sessions_report(filters)
    rows, show_all = shortened(request, active_day_rows(report))
    page = ActiveUsersPage(
        title="Active users",
        filters=filters,
        bar=filter_bar(request, filters, report=catalogue.ACTIVE_USERS.name, page_parameters=("rows",)),
        report=report,
        sessions=suppression.suppress_sessions(sessions) if sessions else None,
        plot=charts.active_users_plot(report),
        rows=rows,
        show_all=show_all,
        nobody=all(day.total == 0 for day in (*report.days, *report.previous)),
        heading=HEADINGS[filters.metric],
        definition=DEFINITIONS[filters.metric],
        definition_of_active=DEFINITIONS[DEFINITIONS_OF_ACTIVE[filters.activity]],
        switches=[
            switch(filters, "Counted as active", "activity", ACTIVITIES),
            switch(filters, "Measure", "metric", METRICS),
        ],
    )
    return show(request, page)
