"""What a filter by dimensions is compared with: the columns beside which its people are shown or hidden."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.rollups.layout import DEPLOYMENT_TYPES
from analytics.rollups.numbers import Flags, Numbers, distinct
from analytics.rollups.reading.directory import GroupColumns
from analytics.rollups.reading.overlaps import MOST_AT_ONCE, MOST_COLUMNS, Order, shown_columns
from analytics.rollups.reading.segments import Segment
from analytics.rollups.reading.slices import DaySlices, Dimensions

Values = tuple[tuple[str, tuple[str, ...]], ...]  # the dimensions in order, each with values

MOST_FEWER = 14  # questions with fewer of the values asked for, of four dimensions


@dataclass(frozen=True)
class ComparedColumns:
    """The question (`asked`: its place) among others: without values, with fewer of them, with others."""

    segments: tuple[Segment, ...]
    order: Order
    asked: int

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.segments, self.asked))

    @classmethod
    @lru_cache(maxsize=256)
    def beside(cls, asked: Segment, dimension: str, values: Values) -> "ComparedColumns":
        """Others with another value of the dimension, or with one of another dimension instead."""
        context = tuple(pair for pair in asked.dimensions if pair[0] != dimension)
        layers, families = _without_values(asked)
        fewer = [replace(asked, dimensions=some) for some in _fewer(asked.dimensions) if some]
        whole = replace(asked, dimensions=context)
        before = [segment for layer in layers for segment in layer] + fewer
        room = MOST_COLUMNS - len(before)
        others = {
            name: [replace(asked, dimensions=_with(context, name, value, values)) for value in names]
            for name, names in _chosen(asked, dimension, dict(values), room).items()
        }
        segments = tuple(dict.fromkeys([*before, *(one for columns in others.values() for one in columns)]))
        bit = {segment: place for place, segment in enumerate(segments)}
        order = Order(
            layers=tuple(
                tuple(bit[segment] for segment in layer)
                for layer in (
                    *layers,
                    *([one] for one in fewer),
                    [one for own in others.values() for one in own],
                )
            ),
            families=tuple(
                (bit[of], tuple(bit[one] for one in own))
                for of, own in (*families, *((whole, own) for own in others.values()))
            ),
        )
        return cls(segments, order, bit[asked])

    def bits_of_groups(self, inside: Callable[[Segment], Flags]) -> Numbers:
        """By group: in which columns its people may count. `inside` says which groups count in a segment."""
        bits = [
            inside(segment.of_members).astype(np.int64) << number
            for number, segment in enumerate(self.segments)
        ]
        joined: Numbers = np.bitwise_or.reduce(bits)
        return joined

    def bits_of_slices(self, slices: DaySlices | None) -> Numbers:
        """By slice (of a day that is not counted by dimensions, one): in which columns it is."""
        if slices is None:
            return np.array(
                [sum(1 << number for number, one in enumerate(self.segments) if not one.dimensions)]
            )
        bits = np.zeros(len(slices.values), dtype=np.int64)
        inside: dict[Dimensions, Flags] = {(): np.ones(len(bits), dtype=np.bool_)}
        for number, segment in enumerate(self.segments):
            asked = segment.dimensions
            if asked not in inside:
                for pair in asked:
                    if (pair,) not in inside:
                        inside[pair,] = slices.inside((pair,))
                inside[asked] = np.logical_and.reduce([inside[pair,] for pair in asked])
            bits |= inside[asked].astype(np.int64) << number
        return bits


def _without_values(asked: Segment) -> tuple[list[list[Segment]], list[tuple[Segment, list[Segment]]]]:
    """Layers of segments without dimensions, as `reports/together.py` orders them, and their families."""
    layers, families = [], []
    for organization, internal in product(dict.fromkeys(("", asked.organization)), (False, True)):
        whole = Segment("", organization, internal)
        parts = [replace(whole, deployment=name) for name in DEPLOYMENT_TYPES]
        layers += [[whole], parts]
        families.append((whole, parts))
    return layers, families


def _fewer(asked: Dimensions) -> list[Dimensions]:
    """Some of the values, not all: the fewer, the earlier."""
    some = [own for number in range(1, len(asked)) for own in combinations(asked, number)]
    return some if len(some) <= MOST_FEWER else some[: len(asked)] + some[-len(asked) :]


def _with(context: Dimensions, name: str, value: str, values: Values) -> Dimensions:
    order = [name for name, _ in values]
    return tuple(sorted((*context, (name, value)), key=lambda pair: order.index(pair[0])))


def _chosen(
    asked: Segment, dimension: str, values: Mapping[str, Sequence[str]], room: int
) -> dict[str, list[str]]:
    """The values that are compared, in order: as many as there is room for. The dimension's come first, and
    of these the one asked for."""
    own = dict(asked.dimensions)
    free = [name for name in values if name not in own]
    chosen: dict[str, list[str]] = {}
    for name in (dimension, *free):
        names = list(dict.fromkeys([own[dimension], *values[name]] if name == dimension else values[name]))
        chosen[name] = names[:room]
        room -= len(chosen[name])
    return {name: sorted(chosen[name]) for name in values if name in chosen}


def values_of(slices: Iterable[DaySlices]) -> Values:
    """The values of each dimension on some days, those of the most slices first."""
    counts: dict[str, dict[str, int]] = {}
    for day in slices:
        for place, name in enumerate(day.dimensions):
            own = counts.setdefault(name, {})
            for values in day.values:
                own[values[place]] = own.get(values[place], 0) + 1
    return tuple(
        (name, tuple(sorted(own, key=lambda value: (-own[value], value)))) for name, own in counts.items()
    )


class SlicedDay(NamedTuple):
    """Who did what on a day, by slice: `row` is the row of a name."""

    row: NDArray[np.int32]
    slice: NDArray[np.int16]
    member: NDArray[np.int32]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(values.nbytes for values in self)

    def of(self, chosen: Flags) -> "SlicedDay":
        return SlicedDay(self.row[chosen], self.slice[chosen], self.member[chosen])


class CountedPeople(NamedTuple):
    """Who was in which columns (`bits`), by row and person: `key` is row << KEY_SHIFT | person, ascending."""

    key: Numbers
    bits: Numbers


class Figures:
    """Figures of people in the same columns, looked at together."""

    def __init__(self, columns: ComparedColumns) -> None:
        self._columns = columns
        self._added: list[tuple[Numbers, Numbers]] = []

    def add(self, row: Numbers, bits: Numbers, length: int) -> None:
        """Figures by row: the columns (`bits`) of each person."""
        self._added.append(patterns_of(row, bits, length))

    def add_table(self, table: Numbers) -> None:
        """The same by row and person."""
        row, person = np.nonzero(table)
        self.add(row, table[row, person], len(table))

    def hidden(self) -> list[Flags]:
        """Of what was added, in order: in which rows the question is hidden."""
        hidden: list[Flags] = []
        some: list[tuple[Numbers, Numbers]] = []
        rows = patterns = 0
        for own, people in self._added:
            rows, patterns = rows + len(people), patterns + len(own)
            if some and rows * patterns > MOST_AT_ONCE:
                hidden += self._hidden(some)
                some, rows, patterns = [], len(people), len(own)
            some.append((own, people))
        return hidden + self._hidden(some) if some else hidden

    def _hidden(self, added: Sequence[tuple[Numbers, Numbers]]) -> list[Flags]:
        patterns = distinct(np.concatenate([own for own, _ in added]))
        ends = np.cumsum([len(rows) for _, rows in added])
        people = np.zeros((ends[-1], len(patterns)), dtype=np.int64)
        for end, (own, rows) in zip(ends, added, strict=True):
            people[end - len(rows) : end, np.searchsorted(patterns, own)] = rows
        hidden = ~shown_columns(patterns, people, self._columns.order)[:, self._columns.asked]
        return np.split(hidden, ends[:-1])


def patterns_of(row: Numbers, bits: Numbers, length: int) -> tuple[Numbers, Numbers]:
    """The patterns that occur, and how many people of each row have which: shape (rows, patterns)."""
    patterns = distinct(bits)
    place = row * max(len(patterns), 1) + np.searchsorted(patterns, bits)
    return patterns, np.bincount(place, minlength=length * len(patterns)).reshape(length, len(patterns))


def implied(
    asked: Segment, inside: Sequence[tuple[DaySlices, Numbers]], groups: GroupColumns, own: Numbers
) -> Segment:
    """The question with all that follows from it: values, a deployment type, an organization that everything
    in it shares. `inside`: the slices of its days that are in it; `own`: its groups."""
    shared: dict[str, set[str]] = {}
    for slices, numbers in inside:
        for place, name in enumerate(slices.dimensions):
            shared.setdefault(name, set()).update(slices.values[number][place] for number in numbers.tolist())
    known = dict(asked.dimensions) | {name: value for name, (value, *more) in shared.items() if not more}
    deployments, organizations = (
        set(values[own].tolist()) for values in (groups.deployment, groups.organization)
    )
    return replace(
        asked,
        dimensions=tuple((name, known[name]) for name in shared if name in known),
        deployment=DEPLOYMENT_TYPES[deployments.pop()] if len(deployments) == 1 else asked.deployment,
        organization=organizations.pop() or "" if len(organizations) == 1 else asked.organization,
        include_internal=asked.include_internal and bool(groups.is_internal[own].any()),
    )
