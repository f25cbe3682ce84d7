"""After a change of dimensions: which days must be built again, and how far that is."""

from datetime import date
from typing import NamedTuple

from django.db.models import Count, QuerySet

from analytics.models import RolledDay
from consent.policies.activation import active_registry


class Progress(NamedTuple):
    """On how many of the open days that have events this dimension has been counted."""

    dimension: str
    built: int
    days: int


def _open_days() -> QuerySet[RolledDay]:
    return RolledDay.objects.filter(state=RolledDay.Phase.OPEN, events__gt=0).order_by()


def days_of_other_dimensions() -> set[date]:
    """The open days that were counted by other dimensions than the registry has now."""
    wanted = set(active_registry().dimensions)
    return {
        day
        for day, dimensions in _open_days().values_list("day", "dimensions")
        if set(dimensions.split(",")) - {""} != wanted
    }


def sentence() -> str:
    """How far counting by each dimension is, as in “Counting by app: 34 of 365 days.”; '' when it is done."""
    names: dict[tuple[int, int], list[str]] = {}
    for dimension, built, days in still_counting():
        names.setdefault((built, days), []).append(dimension)
    return " ".join(
        f"Counting by {', '.join(some)}: {built} of {days} days." for (built, days), some in names.items()
    )


def still_counting() -> list[Progress]:
    """The dimensions by which not every open day is counted yet."""
    counted: dict[str, int] = dict(_open_days().values_list("dimensions").annotate(Count("day")))
    days = sum(counted.values())
    progress = [
        Progress(
            dimension, sum(number for names, number in counted.items() if dimension in names.split(",")), days
        )
        for dimension in active_registry().dimensions
    ]
    return [one for one in progress if one.built < one.days]
