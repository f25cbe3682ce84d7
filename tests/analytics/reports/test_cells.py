"""Cells: what is compared, what is withheld, and who has left."""

import numpy as np
import pytest

from analytics.reports.cells import DESERTED, Compared, Deserted, Withheld, exact, of_people, ratio


@pytest.mark.parametrize(
    ("value", "before", "change"),
    [
        (110, 100, pytest.approx(0.1)),
        (0, 4, -1.0),
        (4, 0, None),
        (4, None, None),
        (None, 4, None),
        (Withheld.FEW, 4, None),
        (4, Withheld.HIDDEN, None),
    ],
)
def test_a_change_is_relative_and_needs_two_numbers(value, before, change):
    assert Compared(value, before).change == change


def test_withheld_cells_print_why(settings):
    settings.SUPPRESS_BELOW = 7
    assert [str(cell) for cell in Withheld] == ["<7", "hidden", "not kept"]


def test_only_groups_that_everybody_left_are_deserted():
    counts, deserted = np.array([[0, 3], [0, 0]]), np.array([[True, True], [False, False]])
    cells = of_people(counts, deserted)
    assert cells == [[0, 3], [0, 0]]
    assert [[isinstance(cell, Deserted) for cell in row] for row in cells] == [[True, False], [False, False]]
    assert of_people(counts, np.zeros((2, 2), dtype=np.bool_)) == cells


def test_a_withheld_cell_is_no_number():
    assert exact(DESERTED) == 0
    with pytest.raises(TypeError):
        exact(Withheld.GONE)


def test_there_is_no_share_of_nothing():
    assert (ratio(1, 4), ratio(0, 4), ratio(0, 0)) == (0.25, 0.0, None)
