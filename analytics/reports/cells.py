"""What a cell of a report may hold: a number, nothing, or the reason why its number is withheld.

Reports are counted exactly, and withhold only what sealed days did not keep. Suppression does the rest.
"""

import enum
from typing import Any, NamedTuple

import numpy as np
from django.conf import settings
from numpy.typing import NDArray


class Withheld(enum.Enum):
    """Why a cell shows no number. Prints as what people read in its place."""

    FEW = "few"  # a group of fewer people than `SUPPRESS_BELOW`, but not empty
    HIDDEN = "hidden"  # belongs to such a group, or would reveal its size by subtraction
    GONE = "not kept"  # of a sealed day, which did not keep it when its events were dropped

    def __str__(self) -> str:
        return f"<{settings.SUPPRESS_BELOW}" if self is Withheld.FEW else self.value


class Deserted(int):
    """Zero, because everyone here withdrew. What they did still counts until it is erased."""


DESERTED = Deserted(0)


class AndFewMore(int):
    """What enough people did, where few people did more: a sum of published cells that leaves others out."""


class AtLeast(float):
    """A measure of such a sum: all of it would give more."""


Count = int | Withheld
Measure = float | Withheld | None  # None: there is nothing to measure


class Compared(NamedTuple):
    """A headline and the same measure of the previous period (None: not asked for, or no data)."""

    value: Measure
    before: Measure = None

    @property
    def change(self) -> float | None:
        """Relative change, 0.1 for ten per cent more; None without two numbers."""
        if isinstance(self.value, Withheld) or isinstance(self.before, Withheld):
            return None
        if self.value is None or not self.before:
            return None
        return self.value / self.before - 1


def and_few_more(number: int, left_out: bool) -> int:
    """The number, as one that leaves out what few people did, if it does."""
    return AndFewMore(number) if left_out else number


def at_least(number: float, left_out: bool) -> float:
    """The number, as one that would be more with what few people did, if that is left out."""
    return AtLeast(number) if left_out else number


def published(number: int) -> Count:
    """A sum of published cells as it is shown: HIDDEN where none of its cells is published."""
    return Withheld.HIDDEN if isinstance(number, AndFewMore) and not number else number


def exact(cell: Count) -> int:
    """The number in a cell that suppression has not seen yet. Raises TypeError for a withheld one."""
    if isinstance(cell, Withheld):
        raise TypeError("this report has been through suppression already")
    return cell


def of_people(counts: NDArray[np.int64], deserted: NDArray[np.bool_]) -> list[Any]:
    """Counts of people as (nested) lists, with DESERTED for each zero that `deserted` marks."""
    cells: NDArray[Any] = counts
    if deserted.any():
        cells = counts.astype(object)
        cells[deserted & (counts == 0)] = DESERTED
    return list(cells.tolist())


def ratio(part: float, whole: float) -> float | None:
    """`part / whole`; None when there is no whole."""
    return part / whole if whole else None
