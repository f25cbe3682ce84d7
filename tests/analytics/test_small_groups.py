"""The threshold: nobody, one too few, exactly enough."""

import pytest
from pytest_django import Settings

from analytics.small_groups import enough, too_few


@pytest.mark.parametrize(
    ("people", "is_too_few", "is_enough"),
    [(0, False, False), (1, True, False), (2, True, False), (3, False, True), (4, False, True)],
)
def test_a_group_is_too_few_below_the_setting(
    settings: Settings, people: int, is_too_few: bool, is_enough: bool
) -> None:
    settings.SUPPRESS_BELOW = 3
    assert (too_few(people), enough(people)) == (is_too_few, is_enough)
