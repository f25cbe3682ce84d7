"""Published cells: what people did is shown as a sum of parts, each of enough people or of nobody.

A cell of a name (a feature, or an endpoint and method) is *published* by its day if enough people are in it.
The people of the days of a week that are not published that way may be enough together: then these days are
published as one block, the rest of the week; else perhaps together with the rests of the other weeks of the
same four. What is in no block stays withheld. The blocks follow from the calendar and the data, never from
what is asked. Whoever asks for two ranges or filters gets sums of the same blocks, and so finds sums of
blocks by subtracting them.

A published cell has parts: the actions of a feature, the organizations. A part is published by its day if it
has enough people itself, and if what the withheld parts have together is nobody or enough.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import NamedTuple

import numpy as np

from analytics.rollups.layout import CELLS, KEY_SHIFT
from analytics.rollups.numbers import NOTHING, Flags, Numbers, distinct
from analytics.small_groups import are_enough, are_too_few

WITHHELD, BY_DAY, BY_WEEK, BY_FOUR_WEEKS = range(4)  # levels: which block publishes an entry
WEEK, FOUR_WEEKS = 7, 28  # days; both begin on Mondays, counted from 1 January of year 1, which is one
DAYS_OF_LEVEL = np.array([0, 1, WEEK, FOUR_WEEKS])

Levels = Callable[
    [date, Numbers, Numbers], Numbers
]  # of a day's entries, by their names' and groups' numbers


@dataclass(frozen=True)
class Everybody:
    """Everybody whose events are stored, by member's number."""

    person: Numbers
    cell: Numbers
    group: Numbers
    counts: Flags
    left: Flags  # who has withdrawn
    has_account: Flags  # whose organization's figures are known: it has account reports
    is_named: Flags  # whose organization can be asked for


class Entries(NamedTuple):
    """Who did what on a day: the numbers of the name's first part, of the whole name, of the member."""

    top: Numbers
    row: Numbers
    member: Numbers


class DayCells(NamedTuple):
    """What a day does not publish. A key is a name's number << KEY_SHIFT | a cell's (or a group's).

    `key` and `person` list who is in withheld cells; `is_other`: not of an organization with account reports.
    """

    withheld: Numbers  # keys by the first part of the names, ascending
    withheld_parts: Numbers  # keys by the whole names, ascending
    key: Numbers = NOTHING
    person: Numbers = NOTHING
    is_other: Flags = np.empty(0, dtype=np.bool_)

    @property
    def size(self) -> int:
        """Bytes, about."""
        return sum(values.nbytes for values in self)


@dataclass(frozen=True)
class Crowded:
    """How many people are at each place; `others` are not of organizations with account reports."""

    people: Numbers
    others: Numbers
    is_deserted: Flags

    @classmethod
    def at(cls, place: Numbers, length: int, member: Numbers, everybody: Everybody) -> "Crowded":
        counts, person = everybody.counts[member], everybody.person[member]
        people = others = _people(place[counts], person[counts], length)
        if everybody.has_account.any():
            other = counts & ~everybody.has_account[member]
            others = _people(place[other], person[other], length)
        has_left = np.bincount(place[everybody.left[member]], minlength=length) > 0
        return cls(people, others, has_left & (people == 0))

    @property
    def too_few(self) -> Flags:
        return are_too_few(self.people) | are_too_few(self.others) | self.is_deserted


def _people(place: Numbers, person: Numbers, length: int) -> Numbers:
    """Distinct people at each place."""
    return np.bincount(distinct(place << KEY_SHIFT | person) >> KEY_SHIFT, minlength=length)


def cells_of_day(entries: Entries, everybody: Everybody) -> DayCells:
    """What a day does not publish of all organizations together."""
    top, _, member = entries
    withheld, withheld_parts = _withheld_cells(entries, everybody)
    inside = withheld[top * CELLS + everybody.cell[member]] & everybody.counts[member]
    return DayCells(
        withheld=_as_keys(np.flatnonzero(withheld)),
        withheld_parts=_as_keys(np.flatnonzero(withheld_parts)),
        key=top[inside] << KEY_SHIFT | everybody.cell[member[inside]],
        person=everybody.person[member[inside]],
        is_other=~everybody.has_account[member[inside]],
    )


def _as_keys(place: Numbers) -> Numbers:
    return place // CELLS << KEY_SHIFT | place % CELLS


def _withheld_cells(entries: Entries, everybody: Everybody) -> tuple[Flags, Flags]:
    """By place (a name's number times CELLS, and the cell's): by first parts, and by whole names."""
    top, row, member = entries
    cell = everybody.cell[member]
    place, part = top * CELLS + cell, row * CELLS + cell
    length = int(max(place.max(initial=-1), part.max(initial=-1))) + 1
    withheld = Crowded.at(place, length, member, everybody).too_few
    if top is row:
        return withheld, withheld
    crowded = Crowded.at(part, length, member, everybody)
    return withheld, withheld_with_rest(part, place, member, crowded, crowded.too_few, withheld, everybody)


def withheld_with_rest(
    part: Numbers,
    whole: Numbers,
    member: Numbers,
    crowded: Crowded,
    too_few: Flags,
    whole_withheld: Flags,
    everybody: Everybody,
) -> Flags:
    """Parts of withheld wholes, parts of too few, and others where these are too few together."""
    withheld = too_few.copy()
    withheld[part[whole_withheld[whole]]] = True
    is_other = (everybody.counts | everybody.left)[member] & ~everybody.has_account[member]
    inside = withheld[part] & ~whole_withheld[whole] & is_other
    rest, counted = whole[inside], everybody.counts[member[inside]]
    length = len(whole_withheld)
    people = _people(rest[counted], everybody.person[member[inside]][counted], length)
    for thin in np.flatnonzero(np.bincount(rest, minlength=length).astype(np.bool_) & ~are_enough(people)):
        parts = distinct(part[whole == thin])
        parts = parts[~withheld[parts] & are_enough(crowded.others[parts])]
        if len(parts):
            withheld[parts[np.argmin(crowded.others[parts])]] = True
    return withheld


def organizations_of_day(entries: Entries, everybody: Everybody) -> DayCells:
    """What a day does not publish of each organization by itself. There are no blocks of it.

    An organization's actions are shown where all of them can be, so that nothing is left to subtract.
    """
    top, row, member = entries
    withheld, withheld_parts = _withheld_cells(entries, everybody)
    keys, key, is_withheld = _organizations(top, member, withheld, everybody)
    part_keys, part, part_is_withheld = _organizations(row, member, withheld_parts, everybody)
    has_withheld = is_withheld.copy()
    has_withheld[key[part_is_withheld[part]]] = True
    part_is_withheld[part[has_withheld[key]]] = True
    return DayCells(keys[is_withheld], part_keys[part_is_withheld])


def _organizations(
    name: Numbers, member: Numbers, whole_withheld: Flags, everybody: Everybody
) -> tuple[Numbers, Numbers, Flags]:
    """Keys by name and group, each entry's place among them, and which are withheld."""
    keys, place = np.unique(name << KEY_SHIFT | everybody.group[member], return_inverse=True)
    crowded = Crowded.at(place, len(keys), member, everybody)
    is_withheld = crowded.too_few
    is_withheld[place[~everybody.is_named[member]]] = True
    whole = name * CELLS + everybody.cell[member]
    return (
        keys,
        place,
        withheld_with_rest(place, whole, member, crowded, is_withheld, whole_withheld, everybody),
    )


def organizations_of_enough(organization: Numbers, member: Numbers, everybody: Everybody) -> Numbers:
    """The organizations (numbers, one for each member) of enough people, so that the rest has, too."""
    length = int(organization.max(initial=-1)) + 1
    crowded = Crowded.at(organization, length, member, everybody)
    withheld = ~are_enough(crowded.people)
    withheld[organization[~everybody.is_named[member]]] = True
    together = np.zeros_like(organization)
    nothing = np.zeros(1, dtype=np.bool_)
    withheld = withheld_with_rest(organization, together, member, crowded, withheld, nothing, everybody)
    return np.flatnonzero(~withheld)


@dataclass(frozen=True)
class Blocks:
    """Which keys the blocks of four weeks publish: by the number of a week, and by all four together."""

    by_week: Mapping[int, Numbers]
    by_four_weeks: Numbers

    @classmethod
    def of(cls, days: Mapping[date, DayCells], sealed_until: date | None) -> "Blocks":
        """`days` are of the same four weeks. No block reaches into sealed days."""
        by_week, rests = {}, []
        for week, its_days in groupby(sorted(days), key=lambda day: block_of(day, WEEK)):
            people = _joined(days[day] for day in its_days)
            is_open = sealed_until is None or week > block_of(sealed_until, WEEK)
            by_week[week] = _keys_of_enough(people) if is_open else NOTHING
            left = ~_is_among(people.key, by_week[week])
            rests.append(
                people._replace(
                    key=people.key[left], person=people.person[left], is_other=people.is_other[left]
                )
            )
        is_open = sealed_until is None or block_of(min(days), FOUR_WEEKS) > block_of(sealed_until, FOUR_WEEKS)
        return cls(by_week, _keys_of_enough(_joined(rests)) if is_open else NOTHING)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.by_four_weeks.nbytes + sum(keys.nbytes for keys in self.by_week.values())


class Published:
    """Which entries of some days are published, and by which block (`blocks`: by the number of four weeks).

    Of sealed days, which are not given, everything is: nothing else was kept.
    """

    def __init__(self, days: Mapping[date, DayCells], blocks: Mapping[int, Blocks], tops: Numbers) -> None:
        self._days, self._blocks, self._tops = days, blocks, tops

    def levels(self, day: date, row: Numbers, group: Numbers, *, by_part: bool = False) -> Numbers:
        """The level of each of a day's entries. `by_part`: by the whole name, which only days publish."""
        levels = np.full(len(row), BY_DAY)
        cells = self._days.get(day)
        keys = NOTHING if cells is None else cells.withheld_parts if by_part else cells.withheld
        if not len(keys):
            return levels
        key = (row if by_part else self._tops[row]) << KEY_SHIFT | group
        place = np.flatnonzero(_is_among(key, keys))
        levels[place] = WITHHELD
        if not by_part:
            blocks = self._blocks[block_of(day, FOUR_WEEKS)]
            levels[place[_is_among(key[place], blocks.by_four_weeks)]] = BY_FOUR_WEEKS
            levels[place[_is_among(key[place], blocks.by_week[block_of(day, WEEK)])]] = BY_WEEK
        return levels


def _is_among(values: Numbers, ascending: Numbers) -> Flags:
    """Which values are among some that ascend."""
    if not len(ascending):
        return np.zeros(len(values), dtype=np.bool_)
    place = np.searchsorted(ascending, values)
    found: Flags = ascending[np.minimum(place, len(ascending) - 1)] == values
    return found


def block_of(day: date, length: int) -> int:
    """The number of the week, or of the four weeks, that a day is in."""
    return (day.toordinal() - 1) // length


def _joined(days: Iterable[DayCells]) -> DayCells:
    columns = zip(*(day[2:] for day in days), strict=True)
    return DayCells(NOTHING, NOTHING, *map(np.concatenate, columns))


def _keys_of_enough(people: DayCells) -> Numbers:
    """The keys of enough people."""
    if not len(people.key):
        return NOTHING
    keys, place = np.unique(people.key, return_inverse=True)
    number = _people(place, people.person, len(keys))
    others = _people(place[people.is_other], people.person[people.is_other], len(keys))
    published: Numbers = keys[are_enough(number) & ~are_too_few(others)]
    return published
