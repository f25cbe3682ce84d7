"""Sealed days: the counts of people that were taken when a day's rows were dropped."""

from collections.abc import Iterable
from datetime import date
from typing import Any, NamedTuple

from analytics.models import RolledDay


class SealedDay(NamedTuple):
    """Counts of people of one day, without internal use; None where a count is withheld."""

    day: date
    active: dict[tuple[str, str, str], int | None]  # deployment ('' is any), activity, metric (dau, wau, mau)
    features: dict[str, int | None]  # of any deployment
    # Of the week and of the month that this day is the first sealed one of, if they were counted:
    cohort: "SealedCohort | None"
    spans: "list[SealedSpan]"


class SealedSpan(NamedTuple):
    """Distinct people of a week or month, without internal use; None where a count is withheld."""

    first: date
    last: date
    active: int | None
    features: dict[str, int | None]


class CohortCounts(NamedTuple):
    """New people of a week; those whose seven days are over; those who came back; who came in each week.

    None where a count is withheld. Weeks that were not over when the cohort was sealed are missing.
    """

    users: int | None
    mature: int | None
    retained: int | None
    weeks: list[int | None]


class SealedCohort(NamedTuple):
    """A weekly cohort, without internal use, by what people came back to: any, login, login_window."""

    monday: date
    kinds: dict[str, CohortCounts]


def sealed_days(first: date, last: date) -> list[SealedDay]:
    """The sealed days from `first` to `last`."""
    days = RolledDay.objects.filter(day__range=(first, last), state=RolledDay.Phase.SEALED).order_by("day")
    return [
        SealedDay(
            day.day,
            {(name, activity, metric): count for name, activity, metric, count in people["active"]},
            dict(people.get("features", [])),
            _cohort(people.get("cohort")),
            [_span(**span) for span in people.get("spans", [])],
        )
        for day in days
        if (people := day.people)
    ]


def sealed_span(first: date, last: date, days: Iterable[SealedDay]) -> SealedSpan | None:
    """What was kept of exactly these days as a whole, if that is a sealed day, week or month."""
    for day in days:
        if first == last == day.day:
            return SealedSpan(first, last, day.active.get(("", "any", "dau")), day.features)
        for span in day.spans:
            if (span.first, span.last) == (first, last):
                return span
    return None


def _span(first: str, last: str, active: int | None, features: list[tuple[str, int | None]]) -> SealedSpan:
    return SealedSpan(date.fromisoformat(first), date.fromisoformat(last), active, dict(features))


def _cohort(kept: dict[str, Any] | None) -> SealedCohort | None:
    if not kept:
        return None
    monday = date.fromisoformat(kept["monday"])
    kinds = {name: CohortCounts(**counts) for name, counts in kept.items() if name != "monday"}
    return SealedCohort(monday, kinds)
