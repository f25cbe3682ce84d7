"""The cap on new names also holds when many requests come at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from django.db import OperationalError, connections
from pytest_django import Settings

from ingest.mapping.name_limits import _remember
from ingest.models import SeenName
from postgres import locks
from tests.support.second_connection import held, impatient

TODAY = date(2026, 11, 23)


@pytest.mark.django_db
def test_a_day_has_so_many_places_and_known_names_need_none(settings: Settings) -> None:
    settings.NEW_NAMES_PER_DAY = 3
    assert _remember(["a", "b"], "feature", 1, TODAY) == {"a", "b"}
    assert len(_remember(["a", "c", "d"], "feature", 1, TODAY)) == 2
    assert _remember(["e"], "feature", 1, TODAY) == set()
    assert _remember(["e"], "feature", 1, date(2026, 11, 24)) == {"e"}
    assert _remember(["x"], "action", 1, TODAY) == {"x"}
    assert _remember(["x"], "feature", 2, TODAY) == {"x"}


@pytest.mark.django_db(transaction=True)
def test_the_last_place_is_taken_once(settings: Settings) -> None:
    settings.NEW_NAMES_PER_DAY = 5

    def ask(number: int) -> None:
        try:
            _remember([f"{number}-{letter}" for letter in "abc"], "feature", 1, TODAY)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(16)))
    assert SeenName.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_a_process_waits_while_another_takes_places_of_the_same_key() -> None:
    with held(locks.TAKE, [locks.NEW_NAMES, 1]), impatient():
        with pytest.raises(OperationalError, match="lock timeout"):
            _remember(["a"], "feature", 1, TODAY)
        assert _remember(["a"], "feature", 2, TODAY) == {"a"}
