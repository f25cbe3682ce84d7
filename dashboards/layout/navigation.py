"""The navigation on the left: its pages, and the filters that its links keep."""

from typing import NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from analytics.reports.dimensions import dimension_names
from analytics.reports.filters import ReportFilters
from analytics.reports.parameters import NAVIGATION

NAMED_IN_QUERY = "detail"  # in place of a name that cannot stand in a path: it is the parameter `feature`


class NavLink(NamedTuple):
    section: str
    label: str
    address: str
    icon: SafeString
    leaves: bool  # the dashboards, for the admin


class NavGroup(NamedTuple):
    label: str
    links: list[NavLink]


# label of the group -> (section, URL name, label, icon in a 16 × 16 box)
PAGES = {
    "": [("overview", "dashboards:overview", "Overview", '<path d="M2 9.5 5.5 6l3 2.5L14 3M2 13.5h12"/>')],
    "Usage": [
        (
            "active-users",
            "dashboards:active-users",
            "Active users",
            '<circle cx="6" cy="5" r="2.5"/><path d="M1.5 13.5c0-2.8 2-4.5 4.5-4.5s4.5 1.7 4.5 4.5'
            'M10.5 2.8a2.4 2.4 0 0 1 0 4.5M12 9.4c1.6.6 2.5 2 2.5 4.1"/>',
        ),
        ("features", "dashboards:features", "Features", '<path d="M2 3.5h12M2 8h8M2 12.5h4"/>'),
        (
            "retention",
            "dashboards:retention",
            "Retention",
            '<path d="M13.5 8A5.5 5.5 0 1 1 11 3.4M13.5 2v3h-3"/>',
        ),
    ],
    "System": [
        (
            "endpoints",
            "dashboards:endpoints",
            "Endpoints",
            '<path d="M2 4h5M2 12h5M9 8h5M7 4c2 0 0 4 2 4M7 12c2 0 0-4 2-4"/>',
        ),
        (
            "errors",
            "dashboards:errors",
            "Errors",
            '<path d="M8 2 14.5 13.5h-13zM8 6.5v3.5M8 11.9h.01"/>',
        ),
        (
            "timings",
            "dashboards:timings",
            "Timings",
            '<circle cx="8" cy="9" r="5"/><path d="M8 6.5V9l1.8 1.2M6.5 1.5h3M8 1.5V4"/>',
        ),
        (
            "installations",
            "dashboards:installations",
            "Installations",
            '<rect x="2" y="2.5" width="12" height="4.5" rx="1"/>'
            '<rect x="2" y="9" width="12" height="4.5" rx="1"/>'
            '<path d="M4.5 4.8h.01M4.5 11.3h.01"/>',
        ),
        (
            "pipeline",
            "dashboards:pipeline",
            "Pipeline",
            '<path d="M2 5h4l2 6h6M2 11h4l2-6h6M12 3l2 2-2 2M12 9l2 2-2 2"/>',
        ),
    ],
    "Trust": [
        (
            "consent",
            "admin:index",
            "Consent",
            '<path d="M8 1.5 13.5 4v4c0 3.2-2.2 5.4-5.5 6.5C4.7 13.4 2.5 11.2 2.5 8V4z'
            'M5.7 8l1.7 1.7 3-3.4"/>',
        ),
        (
            "privacy",
            "privacy",
            "What we collect",
            '<path d="M4 1.5h5.5L12.5 4.5v10H4zM9.5 1.5v3h3M6 7.5h4.5M6 10h4.5M6 12.5h2.5"/>',
        ),
    ],
}


def navigation(request: HttpRequest, filters: ReportFilters | None) -> list[NavGroup]:
    """The groups of links. Each link keeps the filters that pages share."""
    if filters:
        query = filters.navigation_querystring
    else:
        names = (*NAVIGATION, *dimension_names())
        query = urlencode({name: request.GET[name] for name in names if request.GET.get(name)})
    return [NavGroup(label, [_link(page, query) for page in pages]) for label, pages in PAGES.items()]


def _link(page: tuple[str, str, str, str], query: str) -> NavLink:
    section, url_name, label, icon = page
    leaves = url_name.startswith("admin:")
    address = reverse(url_name)
    if query and not leaves:
        address += "?" + query
    return NavLink(section, label, address, mark_safe(icon), leaves)  # noqa: S308 - constants above
