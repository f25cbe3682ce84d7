"""Segments that may be asked for: an organization of few active people shows nothing at all, zeros included.

Nor does the smallest of the others if the people of organizations that show nothing are few together: they
would be found by subtracting all others from the whole.
"""

from django.conf import settings

from analytics.reports.filters import ReportFilters
from analytics.reports.parameters import FilterError
from analytics.rollups.reading import reader as rollups
from analytics.rollups.reading.reader import Segment
from consent.decisions.account_reports import organizations_with_account_reports


class TooFewPeople(FilterError):
    """The organization asked for has too few active people to be shown."""


def is_account_report(filters: ReportFilters) -> bool:
    """Whether the organization asked for allows staff its own totals, however few its people are.

    Its own key still gets whole weeks of enough people.
    """
    asked = filters.organization
    return bool(asked) and not filters.whole_weeks and asked in organizations_with_account_reports()


def refuse_few(filters: ReportFilters) -> None:
    """Raises `TooFewPeople` if the organization asked for has too few active people to be shown."""
    if not filters.organization:
        return
    with rollups.reading() as reader:
        shown = reader.organizations_of_enough(Segment.of(filters), filters.first, filters.last)
    if filters.organization not in shown:
        raise TooFewPeople(
            "org",
            f"names an organization with fewer than {settings.SUPPRESS_BELOW} people active in these days, "
            "or the only others would be so few: nothing of it is shown",
        )
