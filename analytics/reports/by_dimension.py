"""A report by the values of a dimension: each as the report shows it to whoever filters by that value."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Generic, NamedTuple, TypeVar

from analytics.reports.dimensions import DimensionValue, dimension_choices, dimension_names
from analytics.reports.filters import ReportFilters
from analytics.reports.parameters import NOT_REPORTED, FilterError

MOST_VALUES = 12  # of many people first
USUAL = "app_version"

AReport = TypeVar("AReport")


class OfValue(NamedTuple, Generic[AReport]):
    """The report of one value; None where nothing of it is shown."""

    value: DimensionValue
    report: AReport | None


def by_value(
    shown: Callable[[ReportFilters], AReport], filters: ReportFilters, most: int = MOST_VALUES
) -> list[OfValue[AReport]]:
    """What `shown` gives for each value of the dimension `filters.by`; nothing if that is ''."""
    asked = filters.asked
    choices = {choice.name: choice.values for choice in dimension_choices(filters)}
    values = [
        value
        for value in choices.get(filters.by, ())
        if filters.by not in asked or _stored(value) == asked[filters.by]
    ]
    parts = []
    for value in values[:most]:
        with_value = asked | {filters.by: _stored(value)}
        dimensions = tuple((name, with_value[name]) for name in dimension_names() if name in with_value)
        question = replace(filters, dimensions=dimensions, compare=False)
        try:
            parts.append(OfValue(value, shown(question)))
        except FilterError:  # too few people, or days that are all sealed
            parts.append(OfValue(value, None))
    return parts


def dimensions_to_choose(filters: ReportFilters) -> dict[str, str]:
    """The dimensions that tell the events of these days apart, each in words."""
    return {choice.name: choice.label for choice in dimension_choices(filters) if len(choice.values) > 1}


def dimension_shown(filters: ReportFilters, dimensions: Iterable[str]) -> str:
    """The dimension that a page tells its rows by: the one asked for, else the version, else the first."""
    names = list(dimensions)
    return filters.by or (USUAL if USUAL in names else next(iter(names), ""))


def _stored(value: DimensionValue) -> str:
    return "" if value.value == NOT_REPORTED else value.value
