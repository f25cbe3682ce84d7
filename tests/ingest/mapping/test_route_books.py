"""What a process remembers of a key's names and routes, and for how long."""

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from analytics.storage.rows import Row
from consent.registry.registry import current_registry
from ingest.mapping import name_limits
from ingest.mapping.name_limits import OTHER, cap_new_names, known_names
from ingest.models import SeenName

TODAY = date(2026, 11, 23)
REGISTRY = current_registry()
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_back")]


def row(table: str, *names: Any) -> Row:
    return Row(table, b"", 0, "", "", "", "", False, {}, names, False)


def capped(*rows: Row, key: int = 1, learn: bool = True) -> list[tuple[Any, ...]]:
    return [row.names for row in cap_new_names(list(rows), key_id=key, today=TODAY, learn=learn)]


def test_each_kind_of_name_has_a_cap_of_its_own_and_other_columns_none(settings: Settings) -> None:
    settings.NEW_NAMES_PER_DAY = 1
    rows = [
        *(row("feature", "a", "x"), row("feature", "b", "x"), row("feature", "a", "y")),
        *(row("endpoint", "/a", "GET", 200, 1.0), row("endpoint", "/b", "PUT", 404, 2.0)),
        *(row("activity", "login", "s1"), row("activity", "logout", "s2")),
    ]
    assert capped(*rows) == [
        *(("a", "x"), (OTHER, "x"), ("a", OTHER)),
        *(("/a", "GET", 200, 1.0), (OTHER, "PUT", 404, 2.0)),
        *(("login", "s1"), (OTHER, "s2")),
    ]
    assert capped(*rows[:1], key=2) == [("a", "x")]


def test_the_words_for_no_name_take_no_place(settings: Settings) -> None:
    settings.NEW_NAMES_PER_DAY = 1
    assert capped(
        row("endpoint", "{unmatched}", "GET", None, None), row("endpoint", OTHER, "GET", None, None)
    )
    assert capped(row("endpoint", "/a", "GET", None, None))[0][0] == "/a"


def test_known_names_cost_no_query() -> None:
    capped(row("feature", "a", "x"))
    with CaptureQueriesContext(connection) as queries:
        assert capped(row("feature", "a", "x")) == [("a", "x")]
    assert len(queries) == 0


@pytest.mark.parametrize("cap", [0, 1, 2])
def test_a_dry_run_says_what_would_become_of_the_names_and_takes_no_place(
    settings: Settings, cap: int
) -> None:
    settings.NEW_NAMES_PER_DAY = 10
    capped(row("feature", "known", "x"))
    SeenName.objects.update(first_seen_on=TODAY - timedelta(days=1))
    known_names.forget()
    settings.NEW_NAMES_PER_DAY = cap
    rows = [row("feature", name, "x") for name in ("known", "a", "b", "c")]
    expected = [("known", "x"), *((name if place < cap else OTHER, "x") for place, name in enumerate("abc"))]
    assert capped(*rows, learn=False) == expected
    assert SeenName.objects.count() == 2
    assert capped(*rows, learn=False) == expected
    assert capped(*rows) == expected


def test_a_route_that_was_just_seen_is_matched_at_once_by_this_process_and_key() -> None:
    assert known_names.routes(1, REGISTRY).match("/seen/17") == "{unmatched}"
    capped(row("endpoint", "/seen/{id}", "GET", 200, None))
    assert known_names.routes(1, REGISTRY).match("/seen/17") == "/seen/{id}"
    assert known_names.routes(2, REGISTRY).match("/seen/17") == "{unmatched}"


def test_a_route_that_another_process_saw_is_known_after_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(name_limits, "time", SimpleNamespace(monotonic=lambda: now[0]))
    book = known_names.routes(1, REGISTRY)
    SeenName.objects.create(key_id=1, kind="endpoint", name="/theirs/{id}", first_seen_on=TODAY)
    SeenName.objects.create(key_id=1, kind="endpoint", name="no-path", first_seen_on=TODAY)
    SeenName.objects.create(key_id=1, kind="feature", name="/feature/{id}", first_seen_on=TODAY)
    now[0] += 9.9
    assert known_names.routes(1, REGISTRY) is book
    now[0] += 0.1
    assert known_names.routes(1, REGISTRY).match("/theirs/17") == "/theirs/{id}"
    assert known_names.routes(1, REGISTRY).match("/feature/17") == "{unmatched}"


def test_a_book_is_of_one_registry() -> None:
    from consent.registry.registry import Registry

    assert known_names.routes(1, REGISTRY).match("/only/17") == "{unmatched}"
    other = Registry([], [], ["/only/{id}"])
    assert known_names.routes(1, other).match("/only/17") == "/only/{id}"
