"""Segments that may be asked for: one of few active people shows nothing at all, zeros included.

That is an organization, or whoever has the values of dimensions that are asked for. Nor does the smallest of
the other organizations if the people of those that show nothing are few together: they would be found by
subtracting all others from the whole.
"""

from django.conf import settings

from analytics.reports.filters import ReportFilters
from analytics.reports.parameters import FilterError
from analytics.rollups.reading import reader as rollups
from analytics.rollups.reading.reader import Reader, Segment
from analytics.small_groups import too_few
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
    """Raises `TooFewPeople` if the organization, or the values of dimensions, asked for have too few active
    people to be shown."""
    with rollups.reading() as reader:
        if filters.organization:
            _refuse_few_of_organization(reader, filters)
        if filters.dimensions:
            _refuse_few_of_values(reader, filters)


def _refuse_few_of_organization(reader: Reader, filters: ReportFilters) -> None:
    shown = reader.organizations_of_enough(Segment.of(filters), filters.first, filters.last)
    if filters.organization not in shown:
        raise TooFewPeople(
            "org",
            f"names an organization with fewer than {settings.SUPPRESS_BELOW} people active in these days, "
            "or the only others would be so few: nothing of it is shown",
        )


def _refuse_few_of_values(reader: Reader, filters: ReportFilters) -> None:
    first = reader.begin(filters.first, filters.last)
    seen = reader.seen(Segment.of(filters), first, filters.last)[filters.deployment]
    if too_few(seen.distinct(first, filters.last)):
        raise TooFewPeople(
            filters.dimensions[0][0],
            f"and the other filters leave fewer than {settings.SUPPRESS_BELOW} people active in these days: "
            "nothing of them is shown",
        )
