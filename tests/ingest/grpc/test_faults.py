"""OTLP over gRPC when something goes wrong: a database is away, the process ends, senders stall."""

import asyncio
import itertools
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc

from analytics.models import FeatureUsage
from consent.decisions.recording import record_decision
from consent.models import Key, Method, State, SubjectKind
from consent.pseudonyms import pseudonym
from ingest.errors import Failure
from ingest.grpc import admission, service
from tests.support.grpc_receiver import Receiver, call_frames, export, prefixed, receiver, refusal
from tests.support.otlp import a_key, encoded, grant, span, traces
from tests.support.programs import environment, until
from tests.support.relay import Relay, relay

pytestmark = pytest.mark.django_db(transaction=True)

TRACES = f"/{service.SERVICES['traces']}/Export"
RETRYABLE = {"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"}
READY = service.SERVICES["traces"]
NUMBERS = itertools.count(1)


def features(count: int, user: str = "u1") -> bytes:
    """A message of new spans."""
    attributes, now = {"user.id": user, "feature.name": "export"}, datetime.now(UTC)
    return encoded(traces(*(span(next(NUMBERS), at=now, attributes=attributes) for _ in range(count))))


def trailer(error: grpc.RpcError, name: str = "google.rpc.retryinfo-bin") -> bytes:
    return next(value for key, value in error.trailing_metadata() or () if key == name)


@contextmanager
def behind_a_door(log: Path, database: str) -> Iterator[tuple[Relay, Receiver, grpc.Channel]]:
    """A receiver that is ready and reaches one of its databases through a relay. Yields both."""
    with relay(environment()[database]) as door, receiver(log, **{database: door.url}) as running:
        with running.channel() as channel:
            until(lambda: running.health(READY) == "SERVING", what="it is ready")
            yield door, running, channel


@pytest.mark.parametrize("database", ["DATABASE_URL", "ANALYTICS_DATABASE_URL"])
def test_with_a_database_away_it_is_unavailable_and_the_sdk_delivers_once_it_is_back(
    tmp_path: Path, database: str
) -> None:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    grant(user="u1")
    text, _ = a_key()
    with behind_a_door(tmp_path / "log", database) as (door, running, channel):
        export(channel, features(5), text)
        door.close()
        error = refusal(channel, features(5), text)
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert RetryInfo.FromString(trailer(error)).retry_delay.seconds == 2
        assert trailer(error) in trailer(error, "grpc-status-details-bin")
        until(lambda: running.health(READY) == "NOT_SERVING", what="it is not ready")
        assert running.health() == "SERVING"

        exporter = OTLPSpanExporter(f"http://{running.address}", headers=(("x-api-key", text),))
        tracers = TracerProvider(shutdown_on_exit=False)
        tracers.add_span_processor(BatchSpanProcessor(exporter))
        for _ in range(20):
            attributes = {"user.id": "u1", "feature.name": "export"}
            tracers.get_tracer("shop").start_span("x", attributes=attributes).end()
        delivery = threading.Thread(target=tracers.force_flush)
        delivery.start()
        time.sleep(1)
        assert FeatureUsage.objects.count() == 5
        door.open()
        delivery.join(20)
        tracers.shutdown()
        assert FeatureUsage.objects.count() == 25
        until(lambda: running.health(READY) == "SERVING", what="it is ready again")
    assert "export" not in (tmp_path / "log").read_text()


def send_for_ever(address: str, text: str, stop: threading.Event) -> tuple[int, set[str]]:
    """Send until told to stop, each message until acknowledged. Returns how many, and the refusals' codes."""
    acknowledged, codes = 0, set()
    while not stop.is_set():
        message = features(20)
        while True:
            with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
                try:
                    export(channel, message, text, timeout=10)
                    acknowledged += 1
                    break
                except grpc.RpcError as error:
                    codes.add(error.code().name)
                    time.sleep(0.1)
    return acknowledged, codes


@pytest.mark.parametrize("database", ["DATABASE_URL", "ANALYTICS_DATABASE_URL"])
def test_a_database_that_hangs_is_unavailable_too_and_forgotten_once_it_is_back(
    tmp_path: Path, database: str
) -> None:
    """The database neither answers nor disconnects. Django would wait for ever, and so would every thread."""
    grant(user="u1")
    text, _ = a_key()
    with behind_a_door(tmp_path / "log", database) as (door, running, channel):
        export(channel, features(5), text)
        door.freeze()
        body = features(5)
        assert refusal(channel, body, text).code() is grpc.StatusCode.UNAVAILABLE
        until(lambda: running.health(READY) == "NOT_SERVING", what="it is not ready")
        door.thaw()
        until(lambda: running.health(READY) == "SERVING", what="it is ready again")
        export(channel, body, text)
    assert FeatureUsage.objects.count() == 10


def test_restarts_under_load_lose_nothing_that_was_acknowledged_and_store_nothing_twice(
    tmp_path: Path,
) -> None:
    grant(user="u1")
    text, _ = a_key()
    stop, clients = threading.Event(), ThreadPoolExecutor(4)
    port = 0
    for number, kind in enumerate((signal.SIGTERM, signal.SIGKILL, signal.SIGTERM)):
        with receiver(tmp_path / f"log{number}", port=port) as running:
            if not port:
                port = running.port
                sending = [clients.submit(send_for_ever, running.address, text, stop) for _ in range(4)]
            before = FeatureUsage.objects.count()
            until(lambda before=before: FeatureUsage.objects.count() > before + 500, what="it arrives")
            running.process.send_signal(kind)
            assert running.process.wait(15) == (0 if kind is signal.SIGTERM else -kind)
    with receiver(tmp_path / "log", port=port):
        stop.set()
        results = [one.result(30) for one in sending]
    clients.shutdown()
    assert FeatureUsage.objects.count() == 20 * sum(acknowledged for acknowledged, _ in results)
    assert set().union(*(codes for _, codes in results)) <= RETRYABLE
    assert (tmp_path / "log0").read_text() == ""


def test_at_the_end_calls_finish_watchers_are_told_and_it_does_not_take_long(tmp_path: Path) -> None:
    grant(user="u1")
    text, _ = a_key()
    with receiver(tmp_path / "log") as running, running.channel() as channel, running.channel() as another:
        watched = health_pb2_grpc.HealthStub(another).Watch(health_pb2.HealthCheckRequest(), timeout=30)
        assert next(watched).status == health_pb2.HealthCheckResponse.SERVING
        slow = ThreadPoolExecutor(1).submit(export, channel, features(5000), text)
        time.sleep(0.1)
        begin = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        assert next(watched).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert slow.result(10) == b""
        assert running.process.wait(10) == 0
        assert time.monotonic() - begin < 6  # seconds; the watcher does not hold it up
    assert FeatureUsage.objects.count() == 5000
    assert (tmp_path / "log").read_text() == ""


def test_no_row_is_committed_after_a_withdrawal_was_answered(tmp_path: Path) -> None:
    grant(user="u1")
    text, _ = a_key()
    stop = threading.Event()

    def send() -> None:
        with running.channel(("grpc.use_local_subchannel_pool", 1)) as channel:
            while not stop.is_set():
                export(channel, features(20), text)

    def decide(state: State) -> None:
        who = pseudonym("user", "u1")
        record_decision(kind=SubjectKind.USER, subject=who, state=state, actor="test", method=Method.API)

    late = []
    with receiver(tmp_path / "log") as running, ThreadPoolExecutor(4) as clients:
        sending = [clients.submit(send) for _ in range(4)]
        for _ in range(10):
            decide(State.GRANTED)
            before = FeatureUsage.objects.count()
            until(lambda before=before: FeatureUsage.objects.count() > before, what="it arrives")
            decide(State.DENIED)
            answered = FeatureUsage.objects.count()
            time.sleep(0.05)
            late.append(FeatureUsage.objects.count() - answered)
        stop.set()
        for one in sending:
            one.result(30)
    assert late == [0] * 10


def stalled(running: Receiver, text: str) -> socket.socket:
    """A connection with a call whose message has begun but does not continue."""
    connection = socket.create_connection(("127.0.0.1", running.port), timeout=15)
    part = prefixed(b"\n" * 1000, length=100_000)
    connection.sendall(call_frames(TRACES, part, end=False, x_api_key=text))
    return connection


def trailers(connection: socket.socket) -> bytes:
    answer = b""
    while b"grpc-status" not in answer and (piece := connection.recv(65536)):
        answer += piece
    return answer


def seconds_for(work: Callable[[], object]) -> float:
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def test_a_hundred_stalled_senders_hold_up_nobody_and_are_ended_in_time(tmp_path: Path) -> None:
    grant(user="u1")
    text, _ = a_key()
    with receiver(tmp_path / "log") as running, running.channel() as channel, ExitStack() as held:

        def send() -> None:
            for _ in range(30):
                export(channel, features(20), text)

        send()
        alone = seconds_for(send)
        connections = [held.enter_context(stalled(running, text)) for _ in range(100)]
        assert seconds_for(send) < 3 * alone + 1
        assert b"grpc-status\x014" in trailers(connections[0])  # DEADLINE_EXCEEDED
        assert FeatureUsage.objects.count() == 90 * 20
    assert (tmp_path / "log").read_text() == ""


def test_a_sender_beyond_its_rate_is_refused_before_its_message_comes(tmp_path: Path) -> None:
    """Eleven calls of a key that may send five in each five seconds. They may fall into two such windows."""
    text, key = a_key()
    Key.objects.filter(pk=key.pk).update(requests_per_second=1)
    never = threading.Event()
    with receiver(tmp_path / "log") as running, running.channel() as channel:
        method = channel.stream_unary(TRACES)
        calls = [
            method.future(iter(lambda: never.wait() and b"", b""), metadata=[("x-api-key", text)])
            for _ in range(11)
        ]
        refused = grpc.StatusCode.RESOURCE_EXHAUSTED
        until(lambda: any(call.done() and call.code() is refused for call in calls), what="one is refused")
        never.set()
        for call in calls:
            call.cancel()


def test_when_every_place_is_taken_the_slowest_sender_loses_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "ARRIVALS", 2)
    monkeypatch.setattr(admission, "PATIENCE", 0.2)
    bounds = admission.Admission(max_message=1)

    async def arrive(seconds: float) -> int:
        try:
            async with bounds.arrival():
                await asyncio.sleep(seconds)
        except Failure as failure:
            return failure.code
        return 200

    async def scene() -> list[int]:
        slow = [asyncio.create_task(arrive(5)) for _ in range(2)]
        await asyncio.sleep(0)
        assert await arrive(0) == 503  # none of them is late yet
        await asyncio.sleep(0.3)
        assert await arrive(0) == 200
        assert await slow[0] == 503
        assert await arrive(0) == 200  # in the place that is free now
        slow[1].cancel()
        return [one.done() for one in slow]

    assert asyncio.run(scene()) == [True, False]


def test_what_does_not_fit_is_sent_back_to_come_again(tmp_path: Path) -> None:
    """More at once than memory is reserved for: it is refused as retryable, and in the end stored once."""
    grant(user="u1")
    text, _ = a_key()
    messages = [features(2000) for _ in range(12)]  # some 300 kB each
    variables = {"OTLP_MAX_BODY_BYTES": str(max(map(len, messages)))}
    codes: set[str] = set()
    delays: set[int] = set()
    with receiver(tmp_path / "log", **variables) as running, running.channel() as channel:

        def send(message: bytes) -> None:
            while True:
                try:
                    return export(channel, message, text)
                except grpc.RpcError as error:
                    codes.add(error.code().name)
                    delays.add(RetryInfo.FromString(trailer(error)).retry_delay.seconds)
                    time.sleep(0.2)

        with ThreadPoolExecutor(12) as clients:
            list(clients.map(send, messages))
    assert (codes, delays) == ({"UNAVAILABLE"}, {1})
    assert FeatureUsage.objects.count() == 24_000


def test_pings_every_second_without_a_call_are_lived_with(tmp_path: Path) -> None:
    grant(user="u1")
    text, _ = a_key()
    pinging: list[tuple[str, Any]] = [
        ("grpc.keepalive_time_ms", 1000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.enable_retries", 0),
    ]
    states = []
    with receiver(tmp_path / "log") as running, running.channel(*pinging) as channel:
        export(channel, b"", text)
        channel.subscribe(states.append)
        time.sleep(6)
        export(channel, b"", text)
    assert set(states) <= {grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.SHUTDOWN}


def test_a_client_that_has_gone_leaves_nothing_behind(tmp_path: Path) -> None:
    """Clients cancel calls at every stage: afterwards there is as much room as before."""
    grant(user="u1")
    text, _ = a_key()
    message = features(1000)
    with receiver(tmp_path / "log", "--threads", "1") as running, running.channel() as channel:
        for milliseconds in range(1, 61):
            codes = refusal_or_none(channel, message, text, milliseconds / 1000)
            assert codes in (None, "DEADLINE_EXCEEDED")
        begin = time.monotonic()
        while refusal_or_none(channel, message, text, 30):
            assert time.monotonic() - begin < 30
    assert FeatureUsage.objects.count() == 1000
    assert (tmp_path / "log").read_text() == ""


def refusal_or_none(channel: grpc.Channel, message: bytes, text: str, timeout: float) -> str | None:
    try:
        export(channel, message, text, timeout=timeout)
    except grpc.RpcError as error:
        return str(error.code().name)
    return None
