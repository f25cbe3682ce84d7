"""Suppression of days that add up to a total, with today and without it."""

from collections.abc import Sequence
from typing import TypeVar

from analytics.reports.cells import Count, Withheld
from analytics.reports.endpoints import EndpointDay
from analytics.reports.features import FeatureDay
from analytics.reports.filters import ReportFilters
from analytics.reports.suppression.rules import Verdicts, few, rows_of

Day = TypeVar("Day", FeatureDay, EndpointDay)


def day_verdicts(days: Sequence[Day], people: Count, complete_people: Count) -> Verdicts:
    """Verdicts for days, which add up to two totals: with today and without it.

    If today or the complete days are of few people, only the first total is shown. Otherwise today is
    shown, and enough of the complete days are hidden to make both sums safe.
    """
    known = [
        day if isinstance(day.users, int) else day._replace(users=0) for day in days
    ]  # a sealed day has no people to hide
    if few(complete_people) or any(few(day.users) for day in known if not day.complete):
        return rows_of(people, [day.users for day in known])
    verdicts: Verdicts = rows_of(people, [day.users for day in known if day.complete])
    return [*verdicts, *([None] * (len(days) - len(verdicts)))]


def previous_day_verdicts(filters: ReportFilters, days: Sequence[Day], people: Count) -> Verdicts:
    """The previous period's last day, today's counterpart, is not part of its total."""
    counted: int = len(days) - (1 if filters.includes_today and days else 0)
    verdicts: Verdicts = rows_of(people, [day.users for day in days[:counted]])
    return [*verdicts, *(Withheld.FEW if few(day.users) else None for day in days[counted:])]
