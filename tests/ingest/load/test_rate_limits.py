"""How many requests a key may send: to one process, to several, and without Redis."""

import logging
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from django.conf import settings as present
from django.test import Client
from pytest_django import Settings

from consent.models import Key
from ingest.load import rate_limits
from ingest.load.rate_limits import RateLimited, Rates
from tests.support.otlp import a_key, post
from tests.support.programs import until
from tests.support.redis_server import own_redis

WHEN = 1_000_000_000.0  # the first second of a window


def key(number: int = 1, *, publishable: bool = False, per_second: int | None = None) -> Any:
    return SimpleNamespace(pk=number, is_publishable=publishable, requests_per_second=per_second)


@pytest.fixture
def _no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts are exchanged when a test asks for it."""
    monkeypatch.setattr(Rates, "_start", lambda self: None)


@pytest.fixture
def rates(_no_thread: None) -> Rates:
    return Rates()


@pytest.fixture
def connection() -> Iterator["redis.Redis"]:
    with closing(redis.Redis.from_url(present.REDIS_URL)) as connection:
        yield connection
        for name in connection.scan_iter("candid:rate:*"):
            connection.delete(name)


def spent(rates: Rates, sender: Any, now: float = WHEN) -> int:
    """How many more requests the sender may send."""
    number = 0
    try:
        while number < 10_000:
            rates.spend(sender, now=now)
            number += 1
    except RateLimited:
        return number
    raise AssertionError("there is no limit")


def test_a_key_may_send_so_many_requests_in_a_window(rates: Rates) -> None:
    assert spent(rates, key(per_second=10)) == 50
    assert spent(rates, key(2, per_second=20)) == 100
    assert spent(rates, key(per_second=10), WHEN + 4.99) == 0
    assert spent(rates, key(per_second=10), WHEN + 5) == 50


@pytest.mark.parametrize(("second", "again_after"), [(0, 5), (2, 3), (2.9, 3), (4, 1)])
def test_a_refused_sender_is_told_when_the_window_ends(rates: Rates, second: float, again_after: int) -> None:
    spent(rates, key(per_second=1))
    with pytest.raises(RateLimited) as refused:
        rates.spend(key(per_second=1), now=WHEN + second)
    assert (refused.value.again_after, refused.value.per_second) == (again_after, 1)


def test_publishable_keys_have_a_limit_of_their_own(rates: Rates, settings: Settings) -> None:
    settings.KEY_REQUESTS_PER_SECOND, settings.PUBLISHABLE_KEY_REQUESTS_PER_SECOND = 8, 3
    assert (spent(rates, key(1)), spent(rates, key(2, publishable=True))) == (40, 15)
    assert spent(rates, key(3, publishable=True, per_second=4)) == 20


def test_zero_is_no_limit(rates: Rates, settings: Settings) -> None:
    settings.KEY_REQUESTS_PER_SECOND = 1
    for _ in range(100):
        rates.spend(key(per_second=0), now=WHEN)


@pytest.mark.usefixtures("_no_thread")
def test_bytes_of_a_key_have_a_limit_of_their_own(settings: Settings) -> None:
    settings.KEY_BYTES_PER_SECOND = 100
    counts = Rates("bytes", rate_limits.bytes_limit_of)
    counts.spend(key(), 499, now=WHEN)
    counts.spend(key(), 499, now=WHEN)  # the limit is asked before: one body may exceed it
    with pytest.raises(RateLimited, match="more than 100 bytes a second"):
        counts.spend(key(), 1, now=WHEN)
    counts.spend(key(2), 1, now=WHEN)


@pytest.mark.parametrize(("requests", "own", "most"), [(5, None, 100), (0, None, 0), (5, 0, 0), (0, 7, 100)])
def test_without_a_limit_on_requests_a_key_has_none_on_bytes(
    settings: Settings, requests: int, own: int | None, most: int
) -> None:
    settings.KEY_REQUESTS_PER_SECOND, settings.KEY_BYTES_PER_SECOND = requests, 100
    assert rate_limits.bytes_limit_of(key(per_second=own)) == most


@pytest.mark.usefixtures("_no_thread")
@pytest.mark.django_db(transaction=True)
def test_whoever_sends_too_many_bytes_is_told_how_many(settings: Settings) -> None:
    settings.KEY_BYTES_PER_SECOND = 10
    text, _ = a_key()
    answers = [post(Client(), "/v1/traces", {"resourceSpans": []}, text) for _ in range(8)]
    refused = [answer.content.decode() for answer in answers if answer.status_code == 429]
    assert "may send 10 bytes a second" in refused[0]


def test_two_processes_share_a_limit(rates: Rates, connection: "redis.Redis") -> None:
    here, there = rates, Rates()
    for _ in range(20):
        here.spend(key(per_second=10), now=WHEN)
        there.spend(key(per_second=10), now=WHEN)
        here.exchange(connection)
        there.exchange(connection)
    left = spent(there, key(per_second=10))
    there.exchange(connection)
    here.spend(key(per_second=10), now=WHEN)  # one too many: it does not know of the last ones yet
    here.exchange(connection)
    assert (left, spent(here, key(per_second=10))) == (10, 0)


def test_what_is_told_to_redis_is_told_once_and_expires(rates: Rates, connection: "redis.Redis") -> None:
    for _ in range(3):
        rates.spend(key(7, per_second=10), now=WHEN)
    for _ in range(2):
        rates.exchange(connection)
    (name,) = connection.scan_iter("candid:rate:7:*")
    assert name == b"candid:rate:7:%d" % (WHEN // 5)
    assert connection.hvals(name) == [b"3"]  # by process
    assert 5 < connection.ttl(name) <= 10  # seconds: as long as the window may still count


@pytest.mark.parametrize("was_heard", [False, True], ids=["lost", "answer lost"])
def test_what_a_failed_exchange_told_counts_once(
    rates: Rates, connection: "redis.Redis", was_heard: bool
) -> None:
    class Failing:
        """A Redis that does not answer; perhaps it heard."""

        def pipeline(self, **options: Any) -> Any:
            pipeline = connection.pipeline(**options)
            execute = pipeline.execute

            def fail() -> None:
                if was_heard:
                    execute()
                raise redis.ConnectionError

            pipeline.execute = fail
            return pipeline

    here, there = rates, Rates()
    for _ in range(30):
        here.spend(key(per_second=10), now=WHEN)
    with pytest.raises(redis.ConnectionError):
        here.exchange(Failing())  # type: ignore[arg-type]
    here.exchange(connection)
    there.spend(key(per_second=10), now=WHEN)
    there.exchange(connection)
    assert (spent(there, key(per_second=10)), spent(here, key(per_second=10))) == (19, 20)


def test_counts_of_a_window_that_ended_while_they_were_exchanged_count_no_more(
    rates: Rates, connection: "redis.Redis"
) -> None:
    class Slow:
        """A Redis that answers only in the next window."""

        def pipeline(self, **options: Any) -> Any:
            pipeline = connection.pipeline(**options)
            execute = pipeline.execute
            pipeline.execute = lambda: (execute(), rates.spend(key(2, per_second=10), now=WHEN + 5))[0]
            return pipeline

    rates.spend(key(per_second=10), now=WHEN)
    rates.exchange(Slow())  # type: ignore[arg-type]
    assert spent(rates, key(per_second=10), WHEN + 5) == 50


def test_when_redis_stops_the_limit_holds_here_and_the_log_says_so_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    monkeypatch.setattr(rate_limits, "SYNC_EVERY", 0.01)
    rates = Rates()

    def fails_again() -> bool:
        rates.spend(key(2, per_second=100_000))
        return rates.unshared > 2

    with own_redis() as server, closing(redis.Redis.from_url(server.url)) as connection:
        settings.REDIS_URL = server.url
        rates.spend(key(2, per_second=100_000))
        until(lambda: connection.keys("candid:rate:2:*"), what="counts are exchanged")
        server.stop()
        until(fails_again, what="several exchanges have failed")
        assert spent(rates, key(per_second=10), WHEN) == 50
    told = [record for record in caplog.records if "Redis does not answer" in record.message]
    assert [record.levelno for record in told] == [logging.WARNING]
    rates._complained_at -= 60
    rates._complain(redis.ConnectionError())
    assert len([record for record in caplog.records if "Redis does not answer" in record.message]) == 2


@pytest.mark.django_db
@pytest.mark.usefixtures("rolled_back", "_no_thread")
@pytest.mark.parametrize("content_type", ["application/json", "application/x-protobuf"])
def test_a_limited_sender_is_answered_429(client: Client, content_type: str) -> None:
    text, sender = a_key()
    Key.objects.filter(pk=sender.pk).update(requests_per_second=1)
    answers = [post(client, "/v1/logs", b"{", text, content_type=content_type) for _ in range(11)]
    assert {answer.status_code for answer in answers} == {400, 429}  # five of each window are decoded
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert (refused["Content-Type"], 1 <= int(refused["Retry-After"]) <= 5) == (content_type, True)
