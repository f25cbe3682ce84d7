"""The looks of `/ready` are shared for a second, and abandoned if they hang."""

import threading
import time
from collections.abc import Iterator

import pytest
from django.test import Client
from django.utils import timezone

from analytics import partitions
from analytics.jobs import runs
from telemetry_site import health

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_looks_of_other_tests() -> Iterator[None]:
    health._looks.clear()
    yield
    for look in health._looks.values():
        look.done.wait(10)
    health._looks.clear()


def a_look(*, seconds_ago: float, is_done: bool) -> health._Look:
    look = health._looks["redis"] = health._Look("redis")
    look.began = time.monotonic() - seconds_ago
    if is_done:
        look.done.set()
    return look


@pytest.mark.parametrize(
    ("seconds_ago", "is_done", "is_shared"),
    [(0.3, True, True), (1.1, True, False), (1.1, False, True), (29, False, True), (30.1, False, False)],
)
def test_a_look_is_shared_while_fresh_or_under_way(
    seconds_ago: float, is_done: bool, is_shared: bool
) -> None:
    look = a_look(seconds_ago=seconds_ago, is_done=is_done)
    assert (health._look_at("redis") is look) is is_shared
    look.done.set()


def test_a_look_that_hangs_is_not_waited_for() -> None:
    a_look(seconds_ago=1, is_done=False)
    answers = []
    asking = threading.Thread(target=lambda: answers.append(health.states(["redis"])), daemon=True)
    asking.start()
    asking.join(20)
    assert answers == [{"redis": "does not answer in time"}]
    health._looks["redis"].done.set()


@pytest.mark.parametrize(("age", "status"), [(0, 200), (179, 200), (181, 503)])
def test_a_beat_is_late_after_three_minutes(
    client: Client, monkeypatch: pytest.MonkeyPatch, age: int, status: int
) -> None:
    now = timezone.now()
    runs.note_beat(now - timezone.timedelta(seconds=age))
    monkeypatch.setattr(timezone, "now", lambda: now)
    assert client.get("/ready?part=beat").status_code == status


def test_without_a_beat_it_says_so(client: Client) -> None:
    answer = client.get("/ready?part=beat")
    assert (answer.status_code, answer.json()["parts"]) == (503, {"beat": "beat has not ticked yet"})


@pytest.mark.parametrize("ahead", [0, 1])
def test_this_month_and_the_next_need_a_partition(
    client: Client, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    """Asked in the last month that has a partition, and in the one after it."""
    last = max(partition.month for partition in partitions.existing())
    monkeypatch.setattr(timezone, "now", lambda: last.plus(ahead).starts_at)
    parts = client.get("/ready?part=partitions").json()["parts"]
    assert parts["partitions"].endswith(f"has no partition for {last.plus(1)}: run `manage.py migrate`")
    monkeypatch.setattr(timezone, "now", lambda: last.plus(-1).starts_at)
    health._looks.clear()
    assert client.get("/ready?part=partitions").json()["parts"] == {"partitions": "ok"}


def test_answers_are_not_kept_by_caches_and_only_read(client: Client) -> None:
    assert client.get("/ready?part=redis")["Cache-Control"] == "no-store"
    assert client.get("/metrics")["Cache-Control"] == "no-store"
    assert [client.post(path).status_code for path in ("/health", "/ready", "/metrics")] == [405, 405, 405]


def test_an_unknown_part_is_named_in_forty_characters(client: Client) -> None:
    message = client.get(f"/ready?part=database&part={'x' * 50}").json()["message"]
    assert message.startswith(f"no such part: {'x' * 40}; there are database, analytics_database, ")
