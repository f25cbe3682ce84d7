"""What every dashboard page is made of: the layout's context, and the answer to filters that cannot be."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, NamedTuple, ParamSpec

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from analytics.report_days import report_today
from analytics.reports.filters import ReportFilters
from analytics.reports.parameters import FilterError
from dashboards.access import View, staff_only
from dashboards.layout.filter_bar import FilterBar, filter_bar, filters_of
from dashboards.layout.navigation import navigation

P = ParamSpec("P")
ReportView = Callable[Concatenate[HttpRequest, ReportFilters, P], HttpResponse]


class Notice(NamedTuple):
    """A box above a report: what is the matter, and what to do."""

    title: str
    text: str
    tone: str = "warn"  # or "bad"
    action: str = ""
    address: str = ""


class Crumb(NamedTuple):
    address: str
    label: str


def page(
    request: HttpRequest,
    template: str,
    *,
    section: str,
    title: str,
    filters: ReportFilters | None = None,
    bar: FilterBar | None = None,
    status: int = 200,
    **context: Any,
) -> HttpResponse:
    """A page in the layout; `section` is the navigation's current link."""
    layout = {
        "section": section,
        "title": title,
        "filters": filters,
        "bar": bar,
        "navigation": navigation(request, filters),
        "version": settings.VERSION,
    }
    return render(request, template, layout | context, status=status)


def report_page(view: ReportView[P]) -> View[P]:
    """For staff, by GET, with the address's filters; filters that cannot be get a notice and status 400."""

    @wraps(view)
    def read(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        today = report_today()
        try:
            return view(request, filters_of(request, today=today), *args, **kwargs)
        except FilterError as error:
            return _refused(request, error, ReportFilters.from_query({}, today=today, last_sealed=None))

    return require_safe(staff_only(read))


def _refused(request: HttpRequest, error: FilterError, defaults: ReportFilters) -> HttpResponse:
    return page(
        request,
        "dashboards/refused.html",
        section="",
        title="These filters cannot be used",
        filters=defaults,
        bar=filter_bar(request, defaults),
        notice=Notice("Nothing is shown for this address", f"{error}.", "bad", "Clear filters", request.path),
        status=400,
    )
