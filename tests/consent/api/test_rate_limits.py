"""Counts in Redis: requests pass up to the limit and no further, and the count is forgotten in time."""

import socket
import threading

import pytest
import redis
from pytest_django import Settings

from consent.api import rate_limits
from consent.api.rate_limits import TooOften, forget, give_back, spend

pytestmark = pytest.mark.usefixtures("unspent")


@pytest.fixture
def server(settings: Settings) -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL)


def the_count(server: redis.Redis) -> str:
    (name,) = server.keys("candid:limit:*")
    return name.decode()


def test_the_last_that_is_allowed_is_allowed() -> None:
    for _ in range(3):
        spend("a", most=3, seconds=60)
    with pytest.raises(TooOften) as refusal:
        spend("a", most=3, seconds=60)
    assert 1 <= refusal.value.again_after <= 60
    spend("b", most=3, seconds=60)


def test_nothing_is_counted_without_a_limit(server: redis.Redis) -> None:
    for _ in range(3):
        spend("a", most=0, seconds=60)
    assert server.keys("candid:limit:*") == []


def test_what_is_given_back_may_be_spent_again() -> None:
    spend("a", most=1, seconds=60)
    give_back("a", seconds=60)
    spend("a", most=1, seconds=60)
    forget("a")
    spend("a", most=1, seconds=60)


def test_a_count_ends_with_its_window_however_much_is_asked(server: redis.Redis) -> None:
    spend("a", most=5, seconds=60)
    assert 58 <= server.ttl(the_count(server)) <= 60
    server.expire(the_count(server), 30)
    spend("a", most=5, seconds=60)
    assert 28 <= server.ttl(the_count(server)) <= 30
    server.persist(the_count(server))
    spend("a", most=5, seconds=60)
    assert 58 <= server.ttl(the_count(server)) <= 60


@pytest.mark.parametrize(("left", "again_after"), [(0, 1), (-1, 1), (1, 1), (7, 7), (99, 60)])
def test_when_to_ask_again_is_within_the_window(
    monkeypatch: pytest.MonkeyPatch, left: int, again_after: int
) -> None:
    monkeypatch.setattr(rate_limits, "_add", lambda what, number, seconds: (4, left))
    with pytest.raises(TooOften, match=f"try again in {again_after}$"):
        spend("a", most=3, seconds=60)


def test_the_log_complains_once_a_minute(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 1000.0
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(rate_limits, "_complained_at", float("-inf"))
    monkeypatch.setattr(rate_limits.time, "monotonic", lambda: now)
    for after, complaints in ((0, 1), (59, 1), (60, 2)):
        now = 1000.0 + after
        spend("a", most=1, seconds=60)
        forget("a")
        assert len(caplog.records) == complaints


def test_a_redis_that_does_not_answer_holds_nobody_up(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "REDIS_TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        asking = threading.Thread(target=spend, args=("a",), kwargs={"most": 1, "seconds": 60}, daemon=True)
        asking.start()
        asking.join(30)
        assert not asking.is_alive()
        options = rate_limits._connection(settings.REDIS_URL).connection_pool.connection_kwargs
        assert (options["socket_timeout"], options["socket_connect_timeout"]) == (0.05, 0.05)
