"""Published slices: what people did under a filter by dimensions is a sum of parts of published cells.

A cell's slices are published one by one where enough people are in them. Those of fewer are joined while they
share the first dimensions: all but the last, then all but the last two, and so on. What is left of the cell
must be of nobody or of enough people. So each published *block* of slices has a depth: how many of the
dimensions its slices share. A filter counts the blocks whose depth reaches to the last dimension that it asks
for, and none of which it would have to divide.

A block has parts, too: organizations, or actions of a feature. One is published if it is of enough people,
and if what is withheld of the block is of nobody or of enough, and what is withheld of the part in its cell.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from analytics.rollups.layout import CELLS
from analytics.rollups.numbers import Flags, Numbers
from analytics.rollups.reading.published import Crowded, Everybody, withheld_with_rest
from analytics.small_groups import are_enough

SLICE_BITS = 16


class SlicedEntries(NamedTuple):
    """Who did what on a day: numbers of the name (a feature), of its part (an action, an organization's
    group; the name again, if none is asked for), of the slice, of the member."""

    top: Numbers
    part: Numbers
    slice: Numbers
    member: Numbers


class DayBlocks(NamedTuple):
    """What a day publishes less than fully: `key` (see `key_of`), ascending, and the depth; 0 is withheld."""

    key: Numbers
    depth: Numbers

    @property
    def size(self) -> int:
        """Bytes."""
        return self.key.nbytes + self.depth.nbytes

    def reach(self, key: Numbers, depth: int) -> Flags:
        """Which entries are published to this depth."""
        if not len(self.key):
            return np.ones(len(key), dtype=np.bool_)
        place = np.minimum(np.searchsorted(self.key, key), len(self.key) - 1)
        reach: Flags = (self.key[place] != key) | (self.depth[place] >= depth)
        return reach


def key_of(name: Numbers, group: Numbers, number: Numbers) -> Numbers:
    """A number for each name, cell or group, and slice."""
    key: Numbers = (name << SLICE_BITS | group) << SLICE_BITS | number
    return key


def blocks_by_slice(
    entries: SlicedEntries, slices: Sequence[tuple[str, ...]], everybody: Everybody, *, of_organizations: bool
) -> DayBlocks:
    """The blocks of a day. Keys are by part and cell, or by name and group `of_organizations`."""
    top, part, number, member = entries
    cell = everybody.cell[member]
    whole = _numbered(top * CELLS + cell)
    whole_withheld = Crowded.at(whole, int(whole.max(initial=-1)) + 1, member, everybody).too_few
    depth, block = _blocks(whole, number, member, slices, everybody)
    shown = _parts_shown(block, whole, member, depth > 0, whole_withheld, everybody)
    rest = np.flatnonzero(~shown & ~whole_withheld[whole])
    block[rest] = whole[rest] + int(block.max(initial=-1)) + 1
    depth[rest] = _shared_by_all(whole[rest], number[rest], slices)
    shown[rest] = depth[rest] > 0  # of enough people, or of nobody
    if of_organizations or part is not top:
        own = _numbered(block << 32 | part)
        length = int(block.max(initial=-1)) + 1
        withheld_blocks = np.zeros(length, dtype=np.bool_)
        withheld_blocks[block[~shown]] = True
        may_be_shown = shown & (everybody.is_named[member] if of_organizations else True)
        shown = _parts_shown(own, block, member, may_be_shown, withheld_blocks, everybody)
        in_cell = _numbered(whole << 32 | part)
        nothing = np.zeros(int(in_cell.max(initial=-1)) + 1, dtype=np.bool_)
        shown = _parts_shown(own, in_cell, member, shown, nothing, everybody)
    group = everybody.group[member] if of_organizations else cell
    key = key_of(top if of_organizations else part, group, number)
    keys, first = np.unique(key, return_index=True)
    depth = np.where(shown, depth, 0)[first]
    less = depth < (len(slices[0]) if slices else 0)
    return DayBlocks(keys[less], depth[less])


def _numbered(values: Numbers) -> Numbers:
    _, place = np.unique(values, return_inverse=True)
    numbered: Numbers = place.astype(np.int64)
    return numbered


def _blocks(
    whole: Numbers, number: Numbers, member: Numbers, slices: Sequence[tuple[str, ...]], everybody: Everybody
) -> tuple[Numbers, Numbers]:
    """Each entry's depth, and its block. What is left of a cell has depth 0, and is one block."""
    dimensions = len(slices[0]) if slices else 0
    depth, block = np.zeros(len(whole), dtype=np.int64), np.zeros(len(whole), dtype=np.int64)
    left, until = np.arange(len(whole)), 0
    for shared in range(dimensions, -1, -1):
        own = _numbered(whole[left] << 32 | _prefixes(slices, shared)[number[left]])
        block[left] = own + until
        length = int(own.max(initial=-1)) + 1
        crowded = Crowded.at(own, length, member[left], everybody)
        published = are_enough(crowded.people) & ~crowded.too_few
        if shared == dimensions:
            published |= (crowded.people == 0) & ~crowded.is_deserted
        depth[left[published[own]]] = shared
        left, until = left[~published[own]] if shared else left, until + length
    return depth, block


def _prefixes(slices: Sequence[tuple[str, ...]], shared: int) -> Numbers:
    """By slice: a number for its first values."""
    numbers: dict[tuple[str, ...], int] = {}
    return np.array([numbers.setdefault(values[:shared], len(numbers)) for values in slices], dtype=np.int64)


def _shared_by_all(whole: Numbers, number: Numbers, slices: Sequence[tuple[str, ...]]) -> Numbers:
    """By entry: how many of the first values all entries of its cell share."""
    depth = np.zeros(len(whole), dtype=np.int64)
    length = int(whole.max(initial=-1)) + 1
    for shared in range(1, len(slices[0]) + 1 if slices else 0):
        prefix = _prefixes(slices, shared)[number]
        low, high = np.full(length, len(slices)), np.full(length, -1)
        np.minimum.at(low, whole, prefix)
        np.maximum.at(high, whole, prefix)
        depth += (low == high)[whole]
    return depth


def _parts_shown(
    part: Numbers, whole: Numbers, member: Numbers, shown: Flags, whole_withheld: Flags, everybody: Everybody
) -> Flags:
    """Which entries' parts are shown, of those that are `shown` so far; all entries of a part are alike."""
    crowded = Crowded.at(part, int(part.max(initial=-1)) + 1, member, everybody)
    withheld = crowded.too_few
    withheld[part[~shown]] = True
    flags: Flags = ~withheld_with_rest(part, whole, member, crowded, withheld, whole_withheld, everybody)[
        part
    ]
    return flags
