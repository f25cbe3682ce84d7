"""What every dashboard page is made of: typed content, the frame around it, the answer to invalid filters.

A view makes an instance of its page's class; the template reads the class's fields by their names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import wraps
from typing import Any, ClassVar, Concatenate, NamedTuple, ParamSpec

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from analytics.report_days import report_today, report_zone_name
from analytics.reports.definitions import DEFINITIONS
from analytics.reports.filters import ReportFilters
from analytics.reports.parameters import FilterError
from analytics.reports.segments import TooFewPeople
from analytics.rollups.reading import reader as rollups
from dashboards.access import View, staff_only
from dashboards.layout.filter_bar import FilterBar, filter_bar, filters_of
from dashboards.layout.navigation import navigation

P = ParamSpec("P")
ReportView = Callable[Concatenate[HttpRequest, ReportFilters, P], HttpResponse]


class Notice(NamedTuple):
    """A box above a report: what is wrong, and what to do about it."""

    title: str
    text: str
    tone: str = "warn"  # or "bad"
    action: str = ""
    address: str = ""


class Crumb(NamedTuple):
    """The link above a detail page's heading, back to its list."""

    address: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Page:
    """What the frame needs of a page. `section` is the current link in the navigation."""

    template: ClassVar[str]
    section: str = ""
    title: str
    title_is_code: bool = False
    crumb: Crumb | None = None
    notice: Notice | None = None
    filters: ReportFilters | None = None
    bar: FilterBar | None = None


def _threshold() -> int:
    return int(settings.SUPPRESS_BELOW)


@dataclass(frozen=True, kw_only=True)
class ReportPage(Page):
    """A page with a filter bar, and what the templates of all such pages print."""

    filters: ReportFilters
    bar: FilterBar
    definitions: Mapping[str, str] = field(default_factory=lambda: DEFINITIONS)
    zone: str = field(default_factory=report_zone_name)
    threshold: int = field(default_factory=_threshold)  # groups of fewer people are hidden


@dataclass(frozen=True, kw_only=True)
class NoMatchPage(ReportPage):
    """The page of a feature or an endpoint that the filters leave without a single event."""

    template: ClassVar[str] = "dashboards/no_match_page.html"
    heading: str
    what: str  # follows “No”


@dataclass(frozen=True, kw_only=True)
class InvalidFiltersPage(ReportPage):
    template: ClassVar[str] = "dashboards/invalid_filters.html"


def show(request: HttpRequest, page: Page, *, status: int = 200) -> HttpResponse:
    """Render the page in its frame."""
    layout = {"navigation": navigation(request, page.filters), "version": settings.VERSION}
    content: dict[str, Any] = {one.name: getattr(page, one.name) for one in fields(page)}
    return render(request, page.template, layout | content, status=status)


def report_page(view: ReportView[P]) -> View[P]:
    """A view for staff, by GET, with the filters of the address. Invalid filters get a notice and 400.

    An organization of too few people gets a page that says so, and no figures.
    """

    @wraps(view)
    def read(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        today = report_today()
        filters = None
        try:
            filters = filters_of(request, today=today)
            with rollups.reading():  # all of the page's figures from one state of the data
                return view(request, filters, *args, **kwargs)
        except TooFewPeople:
            assert filters is not None
            return _too_few(request, filters)
        except FilterError as error:
            return _invalid(request, error, ReportFilters.from_query({}, today=today, last_sealed=None))

    return require_safe(staff_only(read))


def _too_few(request: HttpRequest, filters: ReportFilters) -> HttpResponse:
    page = NoMatchPage(
        title="Too few people",
        filters=filters,
        bar=filter_bar(request, filters),
        heading=f"Fewer than {settings.SUPPRESS_BELOW} people were active here, or would be left elsewhere",
        what="figures are shown",
    )
    return show(request, page)


def _invalid(request: HttpRequest, error: FilterError, defaults: ReportFilters) -> HttpResponse:
    page = InvalidFiltersPage(
        title="These filters cannot be used",
        filters=defaults,
        bar=filter_bar(request, defaults),
        notice=Notice("Nothing is shown for this address", f"{error}.", "bad", "Clear filters", request.path),
    )
    return show(request, page, status=400)


def crumb(page: str, label: str, filters: ReportFilters) -> Crumb:
    """The link back to a report page, with the filters that pages share."""
    query = filters.navigation_querystring
    return Crumb(reverse(f"dashboards:{page}") + (f"?{query}" if query else ""), label)
