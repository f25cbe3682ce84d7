"""Bodies share a number of bytes."""

import pytest

from ingest.load.memory_budget import Budget
from ingest.load.threads import Busy


def test_bodies_share_a_number_of_bytes() -> None:
    budget = Budget(100)
    one, other = budget.share(), budget.share()
    one.take(60)
    one.take(30)
    with pytest.raises(Busy):
        other.take(11)
    other.take(10)
    one.give_back()
    other.take(90)
    other.give_back()
    assert budget.held == 0


def test_one_owner_takes_three_quarters_at_most() -> None:
    budget = Budget(100)
    one, two, other = budget.share(), budget.share(), budget.share()
    for share, owner in ((one, 1), (two, 1), (other, 2)):
        share.belongs_to(owner)
    one.take(70)
    with pytest.raises(Busy):
        two.take(6)
    two.take(5)
    other.take(25)
    for share in (one, two, other):
        share.give_back()
    assert (budget.held, budget.by_owner) == (0, {})


def test_what_is_only_promised_takes_half_of_it_at_most() -> None:
    budget = Budget(100)
    one, other = budget.share(), budget.share()
    assert one.take_of_plenty(50)
    assert not other.take_of_plenty(1)
    assert budget.held == 50
    other.take(50)  # what has come takes all


def test_a_request_that_is_over_takes_nothing_any_more_and_gives_back_once() -> None:
    budget = Budget(100)
    one = budget.share()
    one.take(10)
    for _ in range(2):
        one.give_back()
    assert budget.held == 0
    with pytest.raises(Busy):  # its thread may still be inflating
        one.take(1)
    assert not one.take_of_plenty(1)
    assert budget.held == 0
