"""How numbers are written, and that a withheld number is not."""

import pytest
from pytest_django import Settings

from analytics.reports.cells import AndFewMore, Compared, Withheld
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


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (numbers.compact(1_000_000), "1.00 M"),
        (numbers.count(0), "0"),
        (numbers.decimal(1.25), "1.2"),
        (numbers.decimal(1234.5678, 2), "1,234.57"),
        (numbers.percent(0.0005), "0.1%"),  # 0.05 % is not less than half of the least
        (numbers.percent(0.00049), "<0.1%"),
        (numbers.percent(0.004, 0), "<1%"),
        (numbers.percent(0.12345, 2), "12.35%"),
        (numbers.milliseconds(1000), "1.00 s"),
        (numbers.milliseconds(999.4), "999 ms"),
        (numbers.milliseconds(10), "10 ms"),
        (numbers.milliseconds(9.96), "10.0 ms"),
        (numbers.seconds(60), "1 min"),
        (numbers.seconds(59), "59 s"),
        (numbers.seconds(3600), "1 h 0 min"),
        (numbers.seconds(3569), "59 min"),
        (numbers.round_milliseconds(999), "999 ms"),
        (numbers.round_milliseconds(1000), "1 s"),
    ],
)
def test_units_change_at_their_border(written: str, expected: str) -> None:
    assert written == expected


def test_what_is_not_kept_says_so_and_few_say_how_many_that_is(settings: Settings) -> None:
    settings.SUPPRESS_BELOW = 8
    assert numbers.count(Withheld.GONE) == '<span class="muted">not kept</span>'
    few = numbers.decimal(Withheld.FEW)
    assert "Fewer than 8: the exact count is hidden" in few
    assert "&lt;8" in few
    assert "no data" in numbers.seconds(None)


def test_a_drawing_gets_shown_numbers_only() -> None:
    assert [numbers.shown(value) for value in (3, 0, None, *Withheld)] == [3, 0, None, None, None, None]


@pytest.mark.parametrize(
    ("now", "classes", "text"),
    [
        (103, "delta up good", "3.0%"),  # exactly a clear change
        (102.9, "delta up", "2.9%"),
        (97, "delta down bad", "3.0%"),
        (100.06, "delta up", "0.1%"),
        (100.04, "delta flat", "no change"),
        (0, "delta down bad", "100.0%"),
    ],
)
def test_a_change_is_clear_from_three_per_cent_on(now: float, classes: str, text: str) -> None:
    drawn = numbers.change(Compared(now, 100), "up")
    assert f'class="{classes}"' in drawn
    assert text in drawn


def test_points_are_of_shares_and_digits_can_be_chosen() -> None:
    assert ">2 pt<" in numbers.change(Compared(0.42, 0.40), kind="points", digits=0)
    assert "no change" in numbers.change(Compared(0.404, 0.40), kind="points", digits=0)
    assert '<span class="vh">down </span>' in numbers.change(Compared(0.3, 0.4))


@pytest.mark.parametrize(("number", "shown"), [(1_234, "1,234 "), (1_694_000, "1.69 M ")])
def test_a_sum_that_leaves_few_people_out_says_so_however_large_it_is(number: int, shown: str) -> None:
    written = numbers.compact(AndFewMore(number))
    assert written.startswith(shown)
    assert written.endswith(">+ few</span>")
