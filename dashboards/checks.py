"""What a report of the catalogue still lacks: `manage.py check` and every start name it (`candid.E030`).

A report begins in `analytics.reports.catalogue`. This module looks at the other places that must know it.
"""

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error
from django.urls import NoReverseMatch, reverse

from analytics.reports.catalogue import REPORTS, Report
from analytics.reports.definitions import DEFINITIONS
from dashboards.api.exports import EXPORTS
from dashboards.layout.navigation import PAGES


def reports_are_complete(**_: Any) -> list[CheckMessage]:
    """Every report has a page, a link to it, an export, and definitions."""
    return [
        Error(f"The report “{report.name}” {lack}.", hint=hint, id="candid.E030")
        for report in REPORTS
        for lack, hint in _lacks(report)
    ]


def _lacks(report: Report[Any]) -> Iterator[tuple[str, str]]:
    if report.name not in EXPORTS:
        yield "has no export", "Add a module to dashboards/api/exports/, and list it in EXPORTS."
    try:
        reverse(f"dashboards:{report.page}")
    except NoReverseMatch:
        yield "has no page", f"Add “{report.page}” to dashboards/urls.py."
    if report.page not in {section for pages in PAGES.values() for section, *_ in pages}:
        yield "is not in the navigation", f"Add “{report.page}” to dashboards/layout/navigation.py."
    for name in report.definitions:
        if name not in DEFINITIONS:
            yield f"has no definition of “{name}”", "Add it to analytics/reports/definitions.py."
