"""How numbers are written, and that a number kept back stays back."""

import pytest

from analytics.reports.cells import Compared, Withheld
from dashboards import numbers


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (numbers.count(1234), "1,234"),
        (numbers.compact(1_694_000), "1.69 M"),
        (numbers.compact(999_999), "999,999"),
        (numbers.percent(0.4421), "44.2%"),
        (numbers.percent(0.0001), "<0.1%"),
        (numbers.percent(0), "0.0%"),
        (numbers.milliseconds(418.2), "418 ms"),
        (numbers.milliseconds(1180), "1.18 s"),
        (numbers.milliseconds(4.25), "4.2 ms"),
        (numbers.round_milliseconds(1500), "1.5 s"),
        (numbers.seconds(45.3), "45 s"),
        (numbers.seconds(1090), "18 min"),
        (numbers.seconds(7500), "2 h 5 min"),
    ],
)
def test_numbers_are_written_short(written: str, expected: str) -> None:
    assert written == expected


@pytest.mark.parametrize("write", [numbers.count, numbers.compact, numbers.percent, numbers.milliseconds])
def test_a_group_too_small_is_written_as_such(write: object) -> None:
    assert "&lt;5" in write(Withheld.FEW)  # type: ignore[operator]
    assert "hidden" in write(Withheld.HIDDEN)  # type: ignore[operator]
    assert "no data" in write(None)  # type: ignore[operator]


def test_a_small_change_stays_grey_and_a_clear_one_gets_a_colour() -> None:
    assert 'class="delta up"' in numbers.change(Compared(102, 100), "up")
    assert 'class="delta up good"' in numbers.change(Compared(110, 100), "up")
    assert 'class="delta up bad"' in numbers.change(Compared(110, 100), "down")
    assert 'class="delta up"' in numbers.change(Compared(110, 100))


def test_shares_change_in_points() -> None:
    assert "2.3 pt" in numbers.change(Compared(0.442, 0.419), "up", "points")


@pytest.mark.parametrize(
    "compared", [Compared(Withheld.FEW, 10), Compared(10, Withheld.FEW), Compared(10, None), Compared(10, 0)]
)
def test_what_cannot_be_compared_has_no_arrow(compared: Compared) -> None:
    assert numbers.change(compared) == ""
