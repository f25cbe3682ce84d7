"""Sealed days: the counts of people that were taken when a day's rows were dropped."""

from datetime import date
from typing import NamedTuple

from analytics.models import RolledDay


class SealedDay(NamedTuple):
    """Counts of people of one day, without internal use; None where a count is withheld."""

    day: date
    active: dict[tuple[str, str, str], int | None]  # deployment ('' is any), activity, metric (dau, wau, mau)
    features: dict[str, int | None]  # of any deployment


def sealed_days(first: date, last: date) -> list[SealedDay]:
    """The sealed days from `first` to `last`."""
    days = RolledDay.objects.filter(day__range=(first, last), state=RolledDay.Phase.SEALED).order_by("day")
    return [
        SealedDay(
            day.day,
            {(name, activity, metric): count for name, activity, metric, count in people["active"]},
            dict(people.get("features", [])),
        )
        for day in days
        if (people := day.people)
    ]
