"""Which figures of people may be shown beside each other where people are in several of them.

A *column* is a filter, a *family* some columns that divide another one, their *whole*: the values of a
dimension, or the deployment types. People may be in several columns of a family, so that one may not ask
that all people of the same columns are enough: if two hundred used two versions of three, one person may
have used all three. What is asked instead is that no difference of shown figures leaves few people. Columns
are shown one by one, in a fixed order, beside those before: two columns; their whole without two of them,
without all of them, and without those that hardly overlap.
"""

from dataclasses import dataclass

import numpy as np

from analytics.rollups.numbers import Flags, Floats, Numbers
from analytics.small_groups import are_enough, are_too_few

MOST_COLUMNS = 62  # a bit for each in a signed number
MOST_AT_ONCE = 1_000_000  # cells of figures by pattern, that are put together
MOST_COMPARED = 60_000  # of these, that are compared: more take longer, as figures have few patterns each
NO_FAMILY = -1


@dataclass(frozen=True)
class Order:
    """Columns (bits of a pattern) in layers, first to last; within a layer the largest come first.

    `families`: the whole, and its columns.
    """

    layers: tuple[tuple[int, ...], ...]
    families: tuple[tuple[int, tuple[int, ...]], ...] = ()

    @property
    def length(self) -> int:
        return max((bit for layer in self.layers for bit in layer), default=-1) + 1

    def family_of(self) -> tuple[Numbers, Numbers]:
        """By column: the number of its family, and its whole."""
        family, whole = (np.full(self.length, NO_FAMILY) for _ in range(2))
        for number, (of, columns) in enumerate(self.families):
            family[list(columns)] = number
            whole[list(columns)] = of
        return family, whole


def shown_columns(patterns: Numbers, people: Numbers, order: Order) -> Flags:
    """Which columns are shown: shape (figures, columns). A column without people is.

    `patterns` are bits: the columns that people are in; `people` how many have which, by figure.
    """
    inside = (patterns[:, np.newaxis] >> np.arange(order.length) & 1).astype(np.float64)
    sizes = (people @ inside).astype(np.int64)
    shown: Flags = sizes == 0
    enough = are_enough(sizes)
    delicate = np.flatnonzero(are_too_few(people).any(axis=1))  # elsewhere any difference is of enough
    shown |= enough
    step = max(MOST_COMPARED // max(len(patterns), 1), 1)
    for start in range(0, len(delicate), step):
        some = delicate[start : start + step]
        occurs = people[some].any(axis=0)
        figures = _Figures(people[some][:, occurs], inside[occurs], sizes[some], order)
        shown[some] = figures.shown() | (sizes[some] == 0)
    return shown


class _Figures:
    """Some figures, whose columns are entered one after another."""

    def __init__(self, people: Numbers, inside: Floats, sizes: Numbers, order: Order) -> None:
        self._people, self._sizes = people.astype(np.float64), sizes
        self._inside = inside  # patterns, columns
        self._order = order
        self._family, self._whole = order.family_of()
        shape = (len(order.families) + 1, *people.shape)  # the last is of columns without a family
        self._times_shown, self._times_apart = (np.zeros(shape, dtype=np.uint8) for _ in range(2))
        self._shown = np.zeros(sizes.shape, dtype=np.bool_)
        self._figure = np.arange(len(people))

    def shown(self) -> Flags:
        """By figure and column."""
        for layer in self._order.layers:
            columns = np.array(layer, dtype=np.int64)
            for place in np.argsort(-self._sizes[:, columns], axis=1, kind="stable").T:
                self._enter(columns[place])
        return self._shown

    def _enter(self, column: Numbers) -> None:
        """Show this column of each figure, if it may be."""
        may = np.flatnonzero(are_enough(self._sizes[self._figure, column]))
        if not len(may):
            return
        figure, column = self._figure[may], column[may]
        own = self._inside.T[column]  # figures, patterns
        family = self._family[column]
        before = self._times_apart[family, figure] > 0
        overlapping = (self._people[figure] * own * before).sum(axis=1).astype(np.int64)
        apart = ~are_enough(overlapping) & (family != NO_FAMILY)
        safe = ~self._leaves_few(figure, column, own) & ~self._leaves_few_of_whole(figure, column, own, apart)
        self._shown[figure[safe], column[safe]] = True
        self._times_shown[family[safe], figure[safe]] += own[safe].astype(np.uint8)
        apart &= safe
        self._times_apart[family[apart], figure[apart]] += own[apart].astype(np.uint8)

    def _leaves_few(self, figure: Numbers, column: Numbers, own: Floats) -> Flags:
        """Whether it and a shown column, or its whole without it and another, differ by few people."""
        shown, sizes, row = self._shown[figure], self._sizes[figure], np.arange(len(figure))
        both = ((self._people[figure] * own) @ self._inside).astype(np.int64)  # figures, columns
        size, whole = sizes[row, column][:, np.newaxis], self._whole[column]
        leaves = (are_too_few(size + sizes - 2 * both) & shown).any(axis=1)
        of_whole = shown[row, whole] & (whole != NO_FAMILY)
        siblings = shown & (self._family == self._family[column][:, np.newaxis]) & of_whole[:, np.newaxis]
        rest = sizes[row, whole][:, np.newaxis] - size - sizes + 2 * both  # who is in neither, or in both
        flags: Flags = leaves | (are_too_few(rest) & siblings).any(axis=1)
        return flags

    def _leaves_few_of_whole(self, figure: Numbers, column: Numbers, own: Floats, apart: Flags) -> Flags:
        """Whether few are left of its whole without all shown columns, or (`apart`) without those that
        hardly overlap."""
        family, whole = self._family[column], self._whole[column]
        people, in_whole = self._people[figure], self._inside.T[whole]
        leaves = np.zeros(len(figure), dtype=np.bool_)
        for times, entered in ((self._times_shown, family != NO_FAMILY), (self._times_apart, apart)):
            left = (people * in_whole * (times[family, figure] + own != 1)).sum(axis=1).astype(np.int64)
            leaves |= are_too_few(left) & entered
        flags: Flags = leaves & self._shown[figure, whole]
        return flags
