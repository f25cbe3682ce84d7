"""Slices: which combinations of the dimensions' values a day has, and how many of them it keeps.

A day keeps at most MOST_VALUES values of a dimension and MOST_SLICES slices (`rollups/layout.py`); what is
rarer is told together, as OTHER. What is kept follows from the day's rows alone.
"""

from collections import Counter
from collections.abc import Iterable

import numpy as np

from analytics.rollups.layout import LONGEST_VALUE, MOST_SLICES, MOST_VALUES, NOT_REPORTED, OTHER
from analytics.rollups.numbers import Numbers

Slice = tuple[str, ...]  # a value for each dimension, in order

MOST_READ = 20_000  # slices that a day is read with, before it is known which are frequent


class Slices:
    """Numbers for the slices of a day, in order of appearance."""

    def __init__(self, dimensions: Slice = ()) -> None:
        self.dimensions = dimensions
        self.numbers: dict[Slice, int] = {}

    def numbers_of(self, found: Iterable[tuple[Slice, int]]) -> Numbers:
        """The numbers of these slices, each given with how many events it has; new ones by that order."""
        in_order = list(found)
        events: Counter[Slice] = Counter()
        for values, count in in_order:
            events[values] += count
        number = {
            values: self._number(values)
            for values in sorted(events, key=lambda values: (-events[values], values))
        }
        return np.array([number[values] for values, _ in in_order], dtype=np.int64)

    def _number(self, values: Slice) -> int:
        """Beyond MOST_READ, a new slice is its last value less, as often as needed to find a known one."""
        values = tuple(OTHER if len(value) > LONGEST_VALUE else value for value in values)
        if values in self.numbers or len(self.numbers) < MOST_READ:
            return self.numbers.setdefault(values, len(self.numbers))
        for place in reversed(range(len(values))):
            values = values[:place] + (OTHER,) * (len(values) - place)
            if values in self.numbers:
                break
        return self.numbers.setdefault(values, len(self.numbers))

    def kept(self, events: Numbers) -> tuple[list[Slice], Numbers]:
        """The slices that are kept, ascending, and for each number the place of the one it is told with.

        `events` says how many each number has.
        """
        told = dict(zip(self.numbers, self.numbers, strict=True))
        counts = Counter(dict(zip(self.numbers, events.tolist(), strict=True)))
        for place in range(len(self.dimensions)):
            told = _followed(told, _without_rare_values(_together(told, counts), place))
        for place in reversed(range(len(self.dimensions))):
            told = _followed(told, _fewer(_together(told, counts), place))
        slices = sorted(set(told.values()))
        place_of = {values: place for place, values in enumerate(slices)}
        return slices, np.array([place_of[told[values]] for values in self.numbers], dtype=np.int64)


def _followed(told: dict[Slice, Slice], then: dict[Slice, Slice]) -> dict[Slice, Slice]:
    return {values: then.get(known, known) for values, known in told.items()}


def _together(told: dict[Slice, Slice], events: Counter[Slice]) -> Counter[Slice]:
    """How many events there are of each slice that is told."""
    together: Counter[Slice] = Counter()
    for values, known in told.items():
        together[known] += events[values]
    return together


def _by_frequency(events: Counter[Slice]) -> list[Slice]:
    return sorted(events, key=lambda values: (-events[values], values))


def _other(values: Slice, place: int) -> Slice:
    return (*values[:place], OTHER, *values[place + 1 :])


def _without_rare_values(events: Counter[Slice], place: int) -> dict[Slice, Slice]:
    """What becomes of slices whose value of this dimension is not one of the most frequent."""
    by_value: Counter[Slice] = Counter()
    for values, count in events.items():
        by_value[values[place : place + 1]] += count
    frequent = [value for value in _by_frequency(by_value) if value not in ((NOT_REPORTED,), (OTHER,))]
    rare = set(frequent[MOST_VALUES:])
    return {values: _other(values, place) for values in events if values[place : place + 1] in rare}


def _fewer(events: Counter[Slice], place: int) -> dict[Slice, Slice]:
    """What becomes of the rarest slices: as few as leave MOST_SLICES, or all of them."""
    if len(events) <= MOST_SLICES:
        return {}
    fewer: dict[Slice, Slice] = {}
    made: set[Slice] = set()
    for values in reversed(_by_frequency(events)):
        fewer[values] = _other(values, place)
        made.add(fewer[values])
        if len(events) - len(fewer) + len(made) <= MOST_SLICES:
            break
    return fewer
