"""A day's members by name (of a feature, endpoint or page), as they are stored and as reports count them."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from analytics.rollups.layout import KEY_SHIFT
from analytics.rollups.numbers import Flags, Numbers, distinct
from analytics.rollups.reading.directory import MemberColumns, NameNumbers

Key = TypeVar("Key")

ALL_NAMES = 0  # the row of all names together
MOST_INT32 = 1 << 31


@dataclass(frozen=True)
class NamedSets(Generic[Key]):
    """A day's members by name: those of `keys[i]` begin at `starts[i]`. `count` may hold one for each."""

    keys: list[Key]
    starts: Numbers  # one more than keys
    members: Numbers
    count: Numbers | None = None

    @property
    def size(self) -> int:
        """Bytes, about."""
        return self.members.nbytes * (2 if self.count is not None else 1) + 200 * len(self.keys)


def by_first_part(sets: NamedSets[tuple[str, ...]]) -> NamedSets[str]:
    """The same by the first part of the names, each member once. Counts stay if no two names become one."""
    parts = [key[0] for key in sets.keys]
    keys = sorted(set(parts))
    if len(keys) == len(parts):
        return NamedSets(parts, sets.starts, sets.members, sets.count)
    number = np.array([keys.index(part) for part in parts], dtype=np.int64)
    pairs = distinct(np.repeat(number, np.diff(sets.starts)) << KEY_SHIFT | sets.members)
    members = pairs & (1 << KEY_SHIFT) - 1
    return NamedSets(keys, np.searchsorted(pairs, np.arange(len(keys) + 1) << KEY_SHIFT), members)


@dataclass(frozen=True)
class Arranged:
    """Members of one day by name, as places in a table with a row for each name and a column for each member.

    Members that are not the first of their person (a few in a hundred) are listed again as `others`.
    """

    rows: Numbers  # of each name: its row
    starts: Numbers  # one more than rows
    places: NDArray[np.int32] | Numbers
    count: Numbers | None
    others: Numbers
    other_places: Numbers  # their persons'
    with_first: Flags  # whether the first member of their person is there under the same name

    @property
    def size(self) -> int:
        """Bytes, about."""
        kept = (self.places, self.starts, self.others, self.other_places, self.with_first)
        return sum(values.nbytes for values in kept) + (0 if self.count is None else self.count.nbytes)


def arranged(
    sets: NamedSets[Any], rows: NameNumbers, members: MemberColumns, width: int, *, everybody: bool
) -> Arranged:
    """Arrange a day's sets. `everybody` adds a set of all members as row ALL_NAMES."""
    numbers, row = sets.members, rows.of(sets.keys)
    with_members = np.flatnonzero(np.diff(sets.starts))
    row, starts = row[with_members], np.append(sets.starts[with_members], len(numbers))
    if everybody and len(numbers):
        starts = np.append(starts, len(numbers) + len(all_of_them := distinct(numbers)))
        numbers = np.concatenate([numbers, all_of_them])
        row = np.append(row, ALL_NAMES)
    of_entry = np.repeat(row, np.diff(starts))
    places = of_entry * width + numbers
    others = np.flatnonzero(members.is_other[numbers])
    other_places = of_entry[others] * width + members.person[numbers[others]]
    ordered = places if len(row) < 2 or (np.diff(row) > 0).all() else np.sort(places)
    nearest = np.minimum(np.searchsorted(ordered, other_places), max(len(ordered) - 1, 0))
    return Arranged(
        rows=row,
        starts=starts[:-1],
        places=places.astype(np.int32) if len(rows) * width < MOST_INT32 else places,
        count=sets.count,
        others=numbers[others],
        other_places=other_places,
        with_first=ordered[nearest] == other_places,
    )


def of_rows(day_sets: Arranged, rows_asked: Flags, width: int) -> Arranged | None:
    """The part of some rows that lie side by side; None when there are none."""
    chosen = np.flatnonzero(rows_asked[day_sets.rows])
    if not len(chosen):
        return None
    low, high = int(chosen[0]), int(chosen[-1]) + 1
    ends = np.append(day_sets.starts, len(day_sets.places))
    part, others_part = slice(ends[low], ends[high]), rows_asked[day_sets.other_places // width]
    return Arranged(
        rows=day_sets.rows[low:high],
        starts=day_sets.starts[low:high] - ends[low],
        places=day_sets.places[part],
        count=None if day_sets.count is None else day_sets.count[part],
        others=day_sets.others[others_part],
        other_places=day_sets.other_places[others_part],
        with_first=day_sets.with_first[others_part],
    )
