"""The line below the filter bar: which days, compared with which, whose events, and what is hidden."""

from datetime import date

from django.conf import settings
from django.utils import timezone

from analytics.report_days import report_zone_name
from analytics.reports.filters import ReportFilters
from analytics.reports.installation_counts import INSTALLATION_DIMENSIONS
from analytics.reports.parameters import in_words
from analytics.rollups.dimensions_built import Progress, still_counting


def scope_of(filters: ReportFilters, who: str) -> list[str]:
    """The phrases, in the order of the page."""
    scope = [f"{filters.dates_label} ({report_zone_name()})"]
    if filters.compare:
        earlier = filters.previous
        scope.append(f"compared with {_short_dates(earlier.first, earlier.last)}, same weekdays")
    if filters.sealed_label:
        scope.append(filters.sealed_label)
    scope.append(who)
    scope += map(counting_words, still_counting())
    scope.append(f"counts under {settings.SUPPRESS_BELOW} hidden")
    scope.append(f"as of {timezone.now():%H:%M} UTC")
    return scope


def counting_words(progress: Progress) -> str:
    """counting by app version: 34 of 365 days"""
    return f"counting by {in_words(progress.dimension)}: {progress.built} of {progress.days} days"


def people_in_scope(filters: ReportFilters, organization: str) -> str:
    """opted-in users, cloud, Aldermoor Freight (1f0c3a), internal use excluded"""
    who = "opted-in users"
    if filters.deployment:
        who += f", {filters.deployment_label.lower()}"
    if organization:
        who += f", {organization}"
    who += filters.dimensions_label
    if filters.activity == "login":
        who += ", sign-ins only"
    return f"{who}, internal use {'included' if filters.include_internal else 'excluded'}"


def installations_in_scope(filters: ReportFilters) -> str:
    who = "installations" + (f", {filters.deployment_label.lower()}" if filters.deployment else "")
    return who + filters.by_dimensions(INSTALLATION_DIMENSIONS).dimensions_label


def _short_dates(first: date, last: date) -> str:
    """14 Sep to 13 Oct"""
    return f"{first.day} {first:%b} to {last.day} {last:%b}"
