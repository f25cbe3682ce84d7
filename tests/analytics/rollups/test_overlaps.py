"""Columns of people who are in several of them: no difference of shown ones leaves few people."""

import random
from itertools import combinations

import numpy as np
import pytest

from analytics.rollups.reading.overlaps import Order, shown_columns

WHOLE, A, B, C, D = range(5)
VALUES = Order(((WHOLE,), (A, B, C, D)), ((WHOLE, (A, B, C, D)),))


def shown(order: Order = VALUES, **people: int) -> str:
    """Which are shown, in letters (`w` is the whole), of so many people in each combination of columns."""
    patterns = [sum(1 << "wabcd".index(letter) for letter in letters) for letters in people]
    (flags,) = shown_columns(np.array(patterns), np.array([list(people.values())]), order)
    somebody = {letter for letters, number in people.items() if number for letter in letters}
    return "".join(letter for letter, flag in zip("wabcd", flags, strict=True) if flag and letter in somebody)


def test_large_columns_that_overlap_ordinarily_are_shown():
    assert shown(wa=4000, wb=3000, wc=2000, wab=200, wbc=1, wabc=1) == "wabc"
    assert shown(wa=4000, wb=3000, wab=700, wd=2) == "wab"  # how many overlap is not told
    assert shown(wa=4000, wb=3000, wab=700, wc=9) == "wabc"


@pytest.mark.parametrize(
    ("people", "expected"),
    [
        ({"wa": 40, "w": 3}, "w"),  # the whole without a
        ({"w": 20, "wab": 30, "wa": 1}, "wa"),  # a without b
        ({"wa": 30, "wb": 20, "wab": 1}, "wa"),  # whoever is in both
        ({"wa": 30, "wb": 20, "wc": 4}, "wa"),  # the whole without a and b
        ({"wa": 50, "wb": 30, "wc": 20, "wd": 1}, "wab"),  # without three
        ({"wa": 50, "wb": 30, "wc": 20, "w": 1, "wad": 25}, "wabd"),  # without three of four
        ({"wa": 30, "wb": 20, "wab": 3, "wc": 3}, "wab"),  # six, of whom three count twice
        ({"wa": 4}, ""),
    ],
)
def test_differences_that_leave_few_people(people, expected):
    assert shown(**people) == expected


def test_whatever_is_shown_first_stays():
    """Columns of an earlier layer do not yield to later ones, however large."""
    order = Order(((WHOLE,), (B,), (A, C, D)))
    assert shown(order, w=9, wab=40, wa=2) == "wb"
    assert shown(w=9, wab=40, wa=2) == "wa"


def test_nothing_is_hidden_without_a_threshold(settings):
    settings.SUPPRESS_BELOW = 0
    assert shown(wa=30, wb=1, wab=1, w=1) == "wab"


@pytest.mark.parametrize("seed", range(6))
def test_no_difference_of_shown_columns_leaves_few(seed):
    chance = random.Random(seed)
    patterns = np.array([bits << 1 | 1 for bits in range(16)])
    people = np.array(
        [[chance.choice((0, 0, 1, 2, 3, 4, 6, 30)) for _ in patterns] for _ in range(300)], dtype=np.int64
    )
    for row, flags in zip(people, shown_columns(patterns, people, VALUES), strict=True):
        inside = [(patterns >> column & 1) * 1 for column in range(5)]
        known = [column for column in range(5) if flags[column] and row @ inside[column]]
        told = [inside[column] for column in known]
        told += [inside[one] - inside[other] for one, other in combinations(known, 2)]
        if WHOLE in known:
            told += [inside[WHOLE] - inside[one] - inside[other] for one, other in combinations(known[1:], 2)]
            told.append(inside[WHOLE] - sum(inside[column] for column in known[1:]))
        left = [int(row @ (difference != 0)) for difference in told]
        assert not [number for number in left if 0 < number < 5], (row, known)
