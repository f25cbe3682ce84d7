"""What happens when too much arrives, and when the receiver stops: under granian, and piece by piece."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import redis
from django.conf import settings as present
from django.test import Client
from pytest_django import Settings

from analytics.models import FeatureUsage
from consent.keys import issue_key
from ingest.load.memory_budget import Budget
from ingest.load.rate_limits import RateLimited, Rates
from ingest.load.threads import Busy
from tests.ingest.http.test_edge import Wire, feature
from tests.support.otlp import a_key, grant, log, logs, post
from tests.support.programs import until
from tests.support.receiver import running

WHEN = 1_000_000_000.0  # the first second of a window


def key(number: int = 1, *, publishable: bool = False, per_second: int | None = None) -> Any:
    return SimpleNamespace(pk=number, is_publishable=publishable, requests_per_second=per_second)


# --- Rates -----------------------------------------------------------------------------------------
@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> Rates:
    monkeypatch.setattr(Rates, "_start", lambda self: None)
    return Rates()


@pytest.fixture
def connection() -> Iterator["redis.Redis"]:
    with closing(redis.Redis.from_url(present.REDIS_URL)) as connection:
        yield connection
        for name in connection.scan_iter("candid:rate:*"):
            connection.delete(name)


def spent(rates: Rates, sender: Any, now: float = WHEN) -> int:
    """How many more requests the sender may make."""
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
    assert spent(rates, key(per_second=10), WHEN + 5) == 50


def test_a_refused_sender_is_told_when_the_window_ends(rates: Rates) -> None:
    spent(rates, key(per_second=1))
    with pytest.raises(RateLimited) as refused:
        rates.spend(key(per_second=1), now=WHEN + 2)
    assert refused.value.again_after == 3


def test_publishable_keys_have_a_limit_of_their_own(rates: Rates, settings: Settings) -> None:
    settings.KEY_REQUESTS_PER_SECOND, settings.PUBLISHABLE_KEY_REQUESTS_PER_SECOND = 8, 3
    assert (spent(rates, key(1)), spent(rates, key(2, publishable=True))) == (40, 15)


def test_zero_is_no_limit(rates: Rates) -> None:
    for _ in range(20_000):
        rates.spend(key(per_second=0), now=WHEN)


def test_two_processes_share_a_limit(monkeypatch: pytest.MonkeyPatch, connection: "redis.Redis") -> None:
    monkeypatch.setattr(Rates, "_start", lambda self: None)
    here, there = Rates(), Rates()
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


def test_without_redis_the_limit_holds_here_and_the_log_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr("ingest.load.rate_limits.SYNC_EVERY", 0.01)
    rates = Rates()
    rates.spend(key(per_second=10))
    for _ in range(20):
        rates.spend(key(per_second=1000))
        time.sleep(0.02)
    until(lambda: rates.unshared > 1, what="several exchanges have failed")
    assert [record.levelname for record in caplog.records if "Redis does not answer" in record.message] == [
        "WARNING"
    ]


@pytest.mark.django_db
@pytest.mark.usefixtures("rolled_back")
@pytest.mark.parametrize("content_type", ["application/json", "application/x-protobuf"])
def test_a_limited_sender_is_answered_429(
    client: Client, monkeypatch: pytest.MonkeyPatch, content_type: str
) -> None:
    def limited(_key: Any) -> None:
        raise RateLimited(10, 3)

    monkeypatch.setattr("ingest.load.rate_limits.spend", limited)
    answer = post(client, "/v1/logs", b"", a_key()[0], content_type=content_type)
    assert (answer.status_code, answer["Retry-After"], answer["Content-Type"]) == (429, "3", content_type)


# --- Memory ----------------------------------------------------------------------------------------
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


# --- Under granian ---------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_bodies_beyond_the_memory_are_sent_back(tmp_path: Path) -> None:
    text, _ = a_key()
    bounds = {"BODY_MEMORY_BYTES": "2000000", "OTLP_MAX_BODY_BYTES": "1000000"}
    with running(tmp_path / "log", **bounds) as here, ExitStack() as held:
        for _ in range(3):
            slow = held.enter_context(closing(Wire(here.address)))
            slow.send(text, b" " * 600_000, Content_Length="900000")
        time.sleep(0.5)
        with closing(Wire(here.address)) as wire:
            wire.send(text, b" " * 700_000)
            status, headers, body = wire.answer()
            assert (status, json.loads(body)["code"]) == (503, 14)
            assert 1 <= int(headers["retry-after"]) <= 5
            wire.send(text, b"{}")  # a small one still fits
            assert wire.answer()[0] == 200
        held.close()
        time.sleep(0.5)
        with closing(Wire(here.address)) as wire:
            wire.send(text, b"{" + b" " * 900_000 + b"}")
            assert wire.answer()[0] == 200


@pytest.mark.django_db(transaction=True)
def test_what_would_wait_too_long_is_sent_back(tmp_path: Path) -> None:
    grant(user="u1")
    text, _ = a_key()
    with running(tmp_path / "log", REQUESTS_WAITING="0") as here, ExitStack() as many:
        wires = [many.enter_context(closing(Wire(here.address))) for _ in range(30)]
        for number, wire in enumerate(wires):
            wire.send(text, feature(number + 1))
        answers = [wire.answer() for wire in wires]
        assert {status for status, _, _ in answers} == {200, 503}
        waits = {headers["retry-after"] for status, headers, _ in answers if status == 503}
        assert waits <= {"1", "2", "3", "4", "5"}
        for number, (status, _, _) in enumerate(answers):
            if status == 503:
                until(lambda n=number: again(wires[n], text, feature(n + 1)) == 200, what="it is taken later")
    assert FeatureUsage.objects.count() == 30


def again(wire: Wire, text: str, body: bytes) -> int:
    wire.send(text, body)
    return wire.answer()[0]


@pytest.mark.django_db(transaction=True)
def test_a_stop_lets_what_is_under_way_end_and_takes_nothing_new(tmp_path: Path) -> None:
    grant(user="u1")
    text, _ = a_key()
    with running(tmp_path / "log") as here:
        body = feature(1)
        with closing(Wire(here.address)) as wire:
            wire.send(text, body[:10], Content_Length=str(len(body)))
            time.sleep(0.3)
            here.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            wire.socket.sendall(body[10:])
            assert wire.answer()[0] == 200
        here.process.wait(10)
        with pytest.raises(ConnectionError):
            Wire(here.address)
    assert FeatureUsage.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_stop_does_not_wait_for_those_who_stall(tmp_path: Path) -> None:
    text, _ = a_key()
    with running(tmp_path / "log") as here, ExitStack() as stalled:
        for _ in range(10):
            stalled.enter_context(closing(Wire(here.address))).send(text, b"{", Content_Length="100")
        time.sleep(0.3)
        begin = time.monotonic()
        here.process.send_signal(signal.SIGTERM)
        here.process.wait(15)
        assert time.monotonic() - begin < 10


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    grant(user="u1")
    text, _ = a_key()
    with running(tmp_path / "log") as here:
        with closing(Wire(here.address)) as wire:
            wire.send(text, feature(1))
            assert wire.answer()[0] == 200
        workers = psutil.Process(here.process.pid).children(recursive=True)
        for worker in workers:
            worker.kill()

        def resent() -> bool:
            try:
                with closing(Wire(here.address)) as wire:
                    return again(wire, text, feature(2)) == 200
            except (AssertionError, OSError):
                return False

        until(resent, what="another worker answers")
    assert FeatureUsage.objects.count() == 2


# --- Publishable keys ------------------------------------------------------------------------------
SITE = "https://app.example"


@pytest.fixture
def published(db: None, rolled_back: None) -> str:
    grant(user="u1")
    return issue_key(name="page", scopes=["ingest"], origins=[SITE])[0]


def test_a_page_of_the_keys_website_may_send(client: Client, published: str) -> None:
    asks = {"Origin": SITE, "Access-Control-Request-Method": "POST"}
    assert client.options("/v1/logs", headers=asks)["Access-Control-Allow-Origin"] == SITE
    body = logs(log("timer.started", attributes={"user.id": "u1"}))
    answer = post(client, "/v1/logs", body, published, Origin=SITE)
    assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (200, SITE)
    assert FeatureUsage.objects.count() == 1


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}])
def test_nobody_else_may_send_with_it(client: Client, published: str, headers: dict[str, str]) -> None:
    answer = post(client, "/v1/logs", logs(), published, **headers)
    assert (answer.status_code, answer.json()["code"]) == (403, 7)
    assert "Access-Control-Allow-Origin" not in answer


def test_other_websites_are_not_invited(client: Client, published: str) -> None:
    asks = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    assert "Access-Control-Allow-Origin" not in client.options("/v1/logs", headers=asks)
