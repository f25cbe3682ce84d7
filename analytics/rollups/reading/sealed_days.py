"""Sealed days: the counts of people that were taken when a day's rows were dropped."""

from datetime import date
from typing import NamedTuple

from analytics.models import RolledDay


class SealedDay(NamedTuple):
    """Counts of people of one day, without internal use; None where a count is withheld.

    The 27 days after a sealed one stay open, and hold the counts of windows that reach into what was dropped.
    """

    day: date
    is_sealed: bool
    active: dict[tuple[str, str, str], int | None]  # deployment ('' is any), activity, metric (dau, wau, mau)
    features: dict[str, int | None]  # of any deployment


def sealed_days(first: date, last: date) -> list[SealedDay]:
    """The days that have such counts, from `first` to `last`."""
    days = RolledDay.objects.filter(day__range=(first, last), people__isnull=False).order_by("day")
    return [
        SealedDay(
            day.day,
            day.state == RolledDay.Phase.SEALED,
            {(name, activity, metric): count for name, activity, metric, count in people["active"]},
            dict(people.get("features", [])),
        )
        for day in days
        if (people := day.people)
    ]
