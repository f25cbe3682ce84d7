"""Which values of dimensions some days have, and about how many people each: what a filter can offer."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np

from analytics.rollups.layout import KEY_SHIFT, sliced
from analytics.rollups.reading.slices import DaySlices, Unpacked

ACTIVE = "active"


@dataclass(frozen=True)
class DayValues:
    """By dimension, how many members were active with each value on a day; with several slices, as often."""

    members: Mapping[str, Counter[str]]

    @property
    def size(self) -> int:
        """Bytes, about."""
        return sum(100 * len(values) for values in self.members.values())

    @classmethod
    def of(cls, slices: DaySlices, members: Iterable[int]) -> "DayValues":
        """From the members of each slice."""
        by_name: dict[str, Counter[str]] = {name: Counter() for name in slices.dimensions}
        for values, number in zip(slices.values, members, strict=True):
            for name, value in zip(slices.dimensions, values, strict=True):
                by_name[name][value] += number
        return cls(by_name)


class ValueSize(NamedTuple):
    """A value on some days: member-days, and the most members on one of them."""

    member_days: int
    most: int


Read = Callable[[str, list[date]], Iterable[tuple[date, Unpacked]]]


def day_values(slices: Mapping[date, DaySlices], read: Read) -> dict[date, DayValues]:
    """Of days with these slices; `read` gives contents of a kind."""
    one = [day for day, own in slices.items() if len(own.values) == 1]
    several = [day for day, own in slices.items() if len(own.values) > 1]
    values = {day: DayValues.of(slices[day], [len(content.numbers)]) for day, content in read(ACTIVE, one)}
    for day, content in read(sliced(ACTIVE), several):
        own = slices[day]
        members = np.bincount(content.numbers >> KEY_SHIFT, minlength=len(own.values))
        values[day] = DayValues.of(own, members.tolist())
    return values


def values_of(days: Iterable[DayValues]) -> dict[str, dict[str, ValueSize]]:
    """By dimension: its values on these days."""
    total: dict[str, Counter[str]] = {}
    most: dict[str, Counter[str]] = {}
    for day in days:
        for name, members in day.members.items():
            total.setdefault(name, Counter()).update(members)
            most[name] = most.get(name, Counter()) | members
    return {
        name: {value: ValueSize(number, most[name][value]) for value, number in values.items()}
        for name, values in total.items()
    }
