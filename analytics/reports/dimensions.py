"""Dimensions that reports can be filtered by: their names, their words, and the values to choose from."""

from collections.abc import Sequence
from typing import NamedTuple

from django.conf import settings

from analytics.reports.filters import ReportFilters
from analytics.reports.installation_counts import INSTALLATION_DIMENSIONS, read_reported
from analytics.reports.parameters import NOT_REPORTED, WORDS_OF_VALUES, in_words
from analytics.rollups.layout import OTHER
from analytics.rollups.reading import reader as rollups
from analytics.rollups.reading.slice_sizes import ValueSize
from consent.policies.activation import active_registry

MOST_OFFERED = 50  # values of a dimension


class DimensionValue(NamedTuple):
    value: str  # as in an address
    label: str


class DimensionChoice(NamedTuple):
    """A dimension by which the events of some days can be told apart, and the values to choose from."""

    name: str
    label: str
    values: Sequence[DimensionValue]
    chosen: str  # as in an address; '' for all


def dimension_names() -> tuple[str, ...]:
    """The names by which may be filtered: the dimensions of the active registry."""
    return active_registry().dimensions


def dimension_choices(filters: ReportFilters) -> list[DimensionChoice]:
    """Every dimension with more than one value in the range, or asked for; values of many people first."""
    first, last = filters.first, filters.last
    with rollups.reading() as reader:
        sizes = reader.values_of_dimensions(reader.begin(first, last), last)
    return _choices(filters, {name: _in_order(values) for name, values in sizes.items()}, dimension_names())


def installation_choices(filters: ReportFilters) -> list[DimensionChoice]:
    """The same of what installations report."""
    names = [name for name in dimension_names() if name in INSTALLATION_DIMENSIONS]
    return _choices(filters, read_reported(), names)


def _choices(
    filters: ReportFilters, values: dict[str, list[str]], names: Sequence[str]
) -> list[DimensionChoice]:
    asked, choices = filters.asked, []
    for name in names:
        own = values.get(name, [])
        if name not in asked and len(own) < 2:
            continue
        offered = [value for value in own if value not in ("", OTHER)][:MOST_OFFERED]
        offered += [value for value in ("", OTHER) if value in own]
        offered += [asked[name]] if name in asked and asked[name] not in offered else []
        chosen = _option(asked[name]).value if name in asked else ""
        options = [_option(value) for value in offered]
        choices.append(DimensionChoice(name, in_words(name).capitalize(), options, chosen))
    return choices


def _option(value: str) -> DimensionValue:
    label = WORDS_OF_VALUES[value].capitalize() if value in WORDS_OF_VALUES else value
    return DimensionValue(value or NOT_REPORTED, label)


def _in_order(sizes: dict[str, ValueSize]) -> list[str]:
    """Values of few people come last, by name: their order tells nothing of how many they are."""

    def place(value: str) -> tuple[int, str]:
        days, most = sizes[value]
        return (-days if most >= settings.SUPPRESS_BELOW else 0), value

    return sorted(sizes, key=place)
