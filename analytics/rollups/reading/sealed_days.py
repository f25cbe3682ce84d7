"""Sealed days: the counts of people that were taken when a day's rows were dropped."""

from datetime import date
from typing import Any, NamedTuple

from analytics.models import RolledDay


class SealedDay(NamedTuple):
    """Counts of people of one day, without internal use; None where a count is withheld."""

    day: date
    active: dict[tuple[str, str, str], int | None]  # deployment ('' is any), activity, metric (dau, wau, mau)
    features: dict[str, int | None]  # of any deployment
    cohort: "SealedCohort | None"  # of the week that this day is the first sealed one of, if it was counted


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
        )
        for day in days
        if (people := day.people)
    ]


def _cohort(kept: dict[str, Any] | None) -> SealedCohort | None:
    if not kept:
        return None
    monday = date.fromisoformat(kept["monday"])
    kinds = {name: CohortCounts(**counts) for name, counts in kept.items() if name != "monday"}
    return SealedCohort(monday, kinds)
