"""Published slices: whatever values are asked for, what is counted are sums of parts of enough people."""

import random
from collections import defaultdict
from itertools import combinations, product

import numpy as np
import pytest

from analytics.rollups.reading.published import Everybody
from analytics.rollups.reading.published_slices import DayBlocks, SlicedEntries, blocks_by_slice, key_of

SLICES = list(product(("production", "test"), ("web", "desktop"), ("1", "2", "3")))
FEATURE, PEOPLE = 1, 60
NO_ACTIONS, CELL = 1, 0


def everybody(people: int = PEOPLE) -> Everybody:
    """Each member is a person of a group of their own number modulo 3."""
    number, no = np.arange(people), np.zeros(people, dtype=np.bool_)
    return Everybody(
        person=number,
        cell=np.zeros(people, dtype=np.int64),
        group=1 + number % 3,
        counts=number > 0,
        left=no,
        has_account=no,
        is_named=number >= 0,
    )


def divided(used: list[tuple[int, int, int]], *, of_organizations: bool = False) -> DayBlocks:
    """The blocks of one feature's people: (action, slice, member)."""
    action, number, member = (np.array(column, dtype=np.int64) for column in zip(*used, strict=True))
    top = np.full(len(used), FEATURE)
    part = everybody().group[member] if of_organizations else action
    entries = SlicedEntries(top, part if action.any() or of_organizations else top, number, member)
    return blocks_by_slice(entries, SLICES, everybody(), of_organizations=of_organizations)


def counted(blocks: DayBlocks, asked: dict[int, str], name: int = FEATURE, group: int = CELL) -> set[int]:
    """The slices that count where these values (by place) are asked for."""
    inside = [
        number
        for number, values in enumerate(SLICES)
        if all(values[place] == value for place, value in asked.items())
    ]
    key = key_of(np.full(len(inside), name), np.full(len(inside), group), np.array(inside))
    reach = blocks.reach(key, max(asked) + 1)
    return {number for number, is_published in zip(inside, reach, strict=True) if is_published}


def questions() -> list[dict[int, str]]:
    values = [(place, value) for place in range(3) for value in sorted({one[place] for one in SLICES})]
    some = [own for number in (1, 2, 3) for own in combinations(values, number)]
    return [dict(own) for own in some if len(dict(own)) == len(own)]


def slice_of(*values: str) -> int:
    return SLICES.index(values)


def test_small_slices_count_together_where_they_share_the_first_values():
    big, other = slice_of("production", "web", "1"), slice_of("test", "desktop", "1")
    small = slice_of("production", "desktop", "1"), slice_of("production", "desktop", "2")
    used = [(0, big, member) for member in range(1, 21)] + [(0, other, member) for member in range(1, 10)]
    used += [(0, small[number % 2], 30 + number) for number in range(6)]
    blocks = divided(used)
    assert counted(blocks, {0: "production"}) >= {big, *small}
    assert counted(blocks, {0: "production", 1: "desktop"}) >= {*small}
    assert not counted(blocks, {2: "1"}) & {*small}  # one version of three people
    assert counted(blocks, {2: "1"}) >= {big, other}


def test_what_is_left_is_of_enough_people():
    big, few = slice_of("production", "web", "1"), slice_of("test", "web", "1")
    medium = slice_of("test", "desktop", "2")
    used = [(0, big, member) for member in range(1, 21)] + [(0, medium, member) for member in range(1, 8)]
    assert counted(divided(used), {1: "desktop"}) >= {medium}
    assert counted(divided([*used, (0, few, 50)]), {0: "test"}) >= {medium, few}  # eight together
    assert few not in counted(divided([*used, (0, few, 50)]), {1: "web"})
    lone = slice_of("production", "desktop", "3")  # whose app has enough, in another environment
    assert not counted(divided([*used, (0, lone, 50)]), {1: "desktop"}) & {lone, medium}


@pytest.mark.parametrize("seed", range(8))
def test_no_combination_of_filters_tells_what_few_did(seed):
    chance = random.Random(seed)
    used = {
        (0, chance.choice(range(len(SLICES))), chance.randint(1, PEOPLE - 1))
        for _ in range(chance.choice((20, 60, 200)))
    }
    blocks = divided(sorted(used))
    people: dict[int, set[int]] = defaultdict(set)
    for _, number, member in used:
        people[number].add(member)
    seen_in: dict[int, list[int]] = {number: [] for number in people}
    for question, asked in enumerate(questions()):
        for number in counted(blocks, asked) & people.keys():
            seen_in[number].append(question)
    together: dict[tuple[int, ...], set[int]] = defaultdict(set)
    for number, seen in seen_in.items():
        together[tuple(seen)] |= people[number]
    assert not [members for members in together.values() if len(members) < 5], together
    assert any(seen_in.values()) or len(used) <= 60


@pytest.mark.parametrize("of_organizations", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_parts_of_blocks_leave_nobody_or_enough(seed, of_organizations):
    chance = random.Random(seed)
    used = sorted(
        {
            (chance.choice((11, 12, 13)), chance.choice((0, 1, 4, 8)), chance.randint(1, PEOPLE - 1))
            for _ in range(150)
        }
    )
    whole = divided([(0, number, member) for _, number, member in used])
    blocks = divided(used, of_organizations=of_organizations)
    group = everybody().group
    for asked in questions():
        all_of_it = counted(whole, asked)
        rest: set[int] = set()
        for part in (1, 2, 3) if of_organizations else (11, 12, 13):
            own = counted(blocks, asked, *((FEATURE, part) if of_organizations else (part, CELL)))
            mine = [
                (number, member)
                for action, number, member in used
                if (group[member] if of_organizations else action) == part
            ]
            shown = {member for number, member in mine if number in own}
            assert not 0 < len(shown) < 5
            assert {number for number, _ in mine if number in own} <= all_of_it
            rest |= {member for number, member in mine if number in all_of_it - own}
        assert not 0 < len(rest) < 5
