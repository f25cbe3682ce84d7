"""What happens under granian when too much arrives and when the receiver stops; publishable keys."""

import json
import signal
import time
from contextlib import ExitStack, closing
from pathlib import Path

import psutil
import pytest
from django.test import Client

from analytics.models import FeatureUsage
from consent.keys import issue_key
from tests.ingest.http.test_edge import Wire, feature
from tests.support.otlp import a_key, grant, log, logs, post
from tests.support.programs import until
from tests.support.receiver import running


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
            wire.send(text, b"{}")  # one key has three quarters at most
            assert wire.answer()[0] == 503
            wire.send(a_key()[0], b"{}")  # so there is room for another
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
