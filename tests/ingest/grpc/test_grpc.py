"""OTLP over gRPC, run as a process: statuses, answers and rows."""

import base64
import gzip
import json
import socket
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from django.test import Client
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from pytest_django.plugin import DjangoDbBlocker

from analytics.models import FeatureUsage
from consent.keys import revoke_key
from consent.models import Key
from ingest.grpc import compression, service
from ingest.models import TrafficCount
from ingest.otlp import status
from tests.ingest.test_receiver import RESOURCE, check_the_three_rows
from tests.support import grpc_receiver
from tests.support.grpc_receiver import Receiver, call_frames, export, prefixed, refusal
from tests.support.otlp import a_key, encoded, grant, log, logs, post, span, traces
from tests.support.programs import until

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT = 64 * 1024 * 1024  # bytes
TRACES = f"/{service.SERVICES['traces']}/Export"


@pytest.fixture(scope="module")
def receiver(
    tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Receiver]:
    log = tmp_path_factory.mktemp("grpc") / "log"
    with django_db_blocker.unblock(), grpc_receiver.receiver(log) as running:
        yield running


@pytest.fixture
def channel(receiver: Receiver) -> Iterator[grpc.Channel]:
    with receiver.channel() as channel:
        yield channel


@pytest.fixture
def key() -> str:
    grant(user="u1")
    return a_key()[0]


def feature(number: int = 1, **attributes: Any) -> dict[str, Any]:
    return span(number, attributes={"user.id": "u1", "feature.name": "export"} | attributes)


def rejected(reason: str) -> int:
    return sum(row.count for row in TrafficCount.objects.filter(outcome="rejected", reason=reason))


# --- What is accepted ----------------------------------------------------------------------------
@pytest.mark.parametrize("compression", list(grpc.Compression))
def test_spans_are_stored_however_compressed(
    channel: grpc.Channel, key: str, compression: grpc.Compression
) -> None:
    message = encoded(traces(*map(feature, range(1, 100))))
    assert export(channel, message, key, compression=compression) == b""
    assert FeatureUsage.objects.count() == 99


def test_log_records_are_stored(channel: grpc.Channel, key: str) -> None:
    message = encoded(logs(log("cart.filled", attributes={"user.id": "u1"}), log("a line")))
    answer = ExportLogsServiceResponse.FromString(export(channel, message, key, signal="logs"))
    assert answer.partial_success.rejected_log_records == 1
    assert FeatureUsage.objects.get().feature_name == "cart"


def test_metrics_are_not_kept(channel: grpc.Channel, key: str) -> None:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="a")
    metric.gauge.data_points.add(as_int=1)
    answer = export(channel, request.SerializeToString(), key, signal="metrics")
    partial = ExportMetricsServiceResponse.FromString(answer).partial_success
    assert partial.rejected_data_points == 1
    assert "metrics are not kept" in partial.error_message


def test_refused_records_are_explained_as_over_http(channel: grpc.Channel, client: Client, key: str) -> None:
    body = traces(feature(1), feature(2, **{"user.id": "u2"}), span(3), span(4))
    partial = ExportTraceServiceResponse.FromString(export(channel, encoded(body), key)).partial_success
    over_http = post(client, "/v1/traces", body, key).json()["partialSuccess"]
    assert (str(partial.rejected_spans), partial.error_message) == (
        over_http["rejectedSpans"],
        over_http["errorMessage"],
    )


def test_events_whose_content_decides_are_stored_once_over_every_way(
    channel: grpc.Channel, client: Client, key: str
) -> None:
    who = {"user.id": "u1", "feature.name": "export", "raw": {"bytesValue": "AA=="}}
    event = log(attributes=who, severityNumber=17, severityText="Error", flags=1, traceId="a" * 32)
    without_ids = span(
        traceId="", spanId="", attributes=who, events=[{"name": "retried"}], links=[{"traceId": "b" * 32}]
    )
    for signal, body in (("logs", logs(event)), ("traces", traces(without_ids))):
        assert post(client, f"/v1/{signal}", body, key).content == b"{}"
        answer = post(client, f"/v1/{signal}", encoded(body), key, content_type=status.PROTOBUF)
        assert (answer.content, export(channel, encoded(body), key, signal=signal)) == (b"", b"")
    assert FeatureUsage.objects.count() == 2


def test_the_same_spans_over_http_and_grpc_are_stored_once(
    channel: grpc.Channel, client: Client, key: str
) -> None:
    body = traces(*map(feature, range(1, 51)))
    assert post(client, "/v1/traces", body, key).content == b"{}"
    assert export(channel, encoded(body), key) == b""
    assert FeatureUsage.objects.count() == 50


@pytest.mark.parametrize("user", ["u1", "u2"])
def test_a_key_of_one_organization_is_told_nothing_of_a_person(channel: grpc.Channel, user: str) -> None:
    grant(user="u1", organization="o1")
    text, _ = a_key(organization="o1")
    assert export(channel, encoded(traces(feature(1, **{"user.id": user}))), text) == b""
    answer = export(channel, encoded(traces(feature(2, **{"user.id": user}), span(3, kind=2))), text)
    partial = ExportTraceServiceResponse.FromString(answer).partial_success
    assert partial.error_message.startswith("1 of 2 refused: 1 unroutable (")
    assert FeatureUsage.objects.count() == (2 if user == "u1" else 0)


@pytest.mark.parametrize("message", [b"", encoded(traces())])
def test_nothing_is_accepted_too(channel: grpc.Channel, key: str, message: bytes) -> None:
    assert export(channel, message, key) == b""


@pytest.mark.parametrize("name", ["dnt", "sec-gpc"])
@pytest.mark.parametrize("values", [["1"], ["1", "0"], ["0", "1"], ["0, 1"]])
def test_who_asks_not_to_be_tracked_is_not(
    channel: grpc.Channel, key: str, name: str, values: list[str]
) -> None:
    metadata = [(name, value) for value in values]
    answer = export(channel, encoded(traces(feature())), key, metadata=metadata)
    assert "do_not_track" in ExportTraceServiceResponse.FromString(answer).partial_success.error_message
    assert FeatureUsage.objects.count() == 0


def test_what_was_meant_as_a_dry_run_is_not_stored(channel: grpc.Channel, key: str) -> None:
    """Over gRPC the answer has no room for a dry run, and storing its records would be worse."""
    with pytest.raises(grpc.RpcError) as refused:
        export(channel, encoded(traces(feature())), key, metadata=[("x-telemetry-dry-run", "1")])
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert FeatureUsage.objects.count() == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [("authorization", "bearer {key}"), ("authorization", "Basic {basic}"), ("x-api-key", "{key}")],
)
def test_a_key_is_taken_in_each_of_its_forms(channel: grpc.Channel, key: str, name: str, value: str) -> None:
    basic = base64.b64encode(f"any:{key}".encode()).decode()
    assert export(channel, b"", metadata=[(name, value.format(key=key, basic=basic))]) == b""


def test_what_arrives_is_counted_and_the_keys_use_is_noted(channel: grpc.Channel) -> None:
    grant(user="u1")
    text, key = a_key()
    body = encoded(traces(feature(1), feature(2), span(3, kind=2)))
    export(channel, body, text), export(channel, body, text)
    refusal(channel, b"garbage", text)
    counted = TrafficCount.objects.filter(key_id=key.pk)
    expected = {
        ("accepted", ""): 2, ("duplicate", ""): 2, ("refused", "unroutable"): 2, ("rejected", "malformed"): 1,
    }  # fmt: skip
    until(lambda: {(row.outcome, row.reason): row.count for row in counted.all()} == expected, what="counts")
    until(Key.objects.filter(pk=key.pk).exclude(last_used_at=None).exists, what="the key's last use")


def test_the_real_python_sdk(receiver: Receiver) -> None:
    from opentelemetry._logs import LogRecord
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanKind

    grant(user="python-user", organization="python-organization")
    resource, metadata = Resource(RESOURCE), (("authorization", f"Bearer {a_key()[0]}"),)
    who = {"user.id": "python-user", "organization.id": "python-organization", "session.id": "python-session"}
    to = {
        "endpoint": f"http://{receiver.address}",
        "headers": metadata,
        "compression": grpc.Compression.Gzip,
    }

    tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(**to)))
    page = {"http.request.method": "GET", "http.route": "/orders/:id", "http.response.status_code": 200}
    with tracers.get_tracer("shop").start_as_current_span("GET", kind=SpanKind.SERVER, attributes=who | page):
        pass
    assert tracers.force_flush()
    tracers.shutdown()

    loggers = LoggerProvider(resource=resource, shutdown_on_exit=False)
    loggers.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(**to)))
    logger = loggers.get_logger("shop")
    logger.emit(LogRecord(event_name="auth.login", attributes=who | {"login_method": "oidc"}))
    logger.emit(
        LogRecord(event_name="cart.filled", attributes=who | {"count": 3, "user.email": "jane@example.com"})
    )
    loggers.force_flush()
    loggers.shutdown()
    check_the_three_rows("python")


@pytest.mark.node
def test_the_real_node_sdk(receiver: Receiver, node_modules: Path) -> None:
    grant(user="node-user", organization="node-organization")
    result = subprocess.run(
        ["node", "send.mjs", f"http://{receiver.address}", a_key()[0], "grpc"],
        cwd=node_modules, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1]) == []
    check_the_three_rows("node")


# --- What is refused -----------------------------------------------------------------------------
def test_without_a_usable_key_it_is_unauthenticated(channel: grpc.Channel) -> None:
    missing = refusal(channel, b"")
    assert (missing.code().name, missing.details()) == (
        "UNAUTHENTICATED",
        "no key: send it as 'Authorization: Bearer KEY' or 'x-api-key: KEY'",
    )
    assert refusal(channel, b"", "cnd_unknown").code() is grpc.StatusCode.UNAUTHENTICATED
    until(lambda: rejected("no_key") == 2, what="counts")


def test_a_revoked_key_stores_nothing_although_it_was_good_a_moment_ago(channel: grpc.Channel) -> None:
    grant(user="u1")
    text, key = a_key()
    assert export(channel, b"", text) == b""
    revoke_key(key=key)
    assert refusal(channel, encoded(traces(feature())), text).code() is grpc.StatusCode.UNAUTHENTICATED
    assert FeatureUsage.objects.count() == 0


def test_a_key_for_something_else_is_denied(channel: grpc.Channel) -> None:
    text, _ = a_key(scopes=("heartbeat",))
    assert refusal(channel, b"", text).code() is grpc.StatusCode.PERMISSION_DENIED
    until(lambda: rejected("wrong_scope") == 1, what="counts")


@pytest.mark.parametrize("signal", list(service.SERVICES))
@pytest.mark.parametrize("message", [b"garbage", b"\x0a\xff", b"x\x9cgarbage", gzip.compress(b"garbage")])
def test_garbage_is_an_invalid_argument(channel: grpc.Channel, key: str, signal: str, message: bytes) -> None:
    error = refusal(channel, message, key, signal=signal)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "in protobuf" in str(error.details())


def test_what_is_no_export_is_unimplemented(channel: grpc.Channel, key: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(f"/{service.SERVICES['traces']}/Import")(b"", timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def answer_to(receiver: Receiver, frames: bytes) -> bytes:
    """What comes back on the wire, up to the trailers."""
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=10) as connection:
        connection.sendall(frames)
        answer = b""
        while b"grpc-status" not in answer and (piece := connection.recv(65536)):
            answer += piece
    return answer


@pytest.mark.parametrize(
    "data", [b"", prefixed(b"cut", length=100), prefixed(b"no gzip", compressed=True),
             prefixed(gzip.compress(b"\n" * 1000)[:-6], compressed=True)]
)  # fmt: skip
def test_a_call_that_no_client_would_make_is_an_invalid_argument(
    receiver: Receiver, key: str, data: bytes
) -> None:
    frames = call_frames(TRACES, data, grpc_encoding="gzip", x_api_key=key)
    assert b"grpc-status\x013" in answer_to(receiver, frames)


def test_several_gzip_members_are_one_message(receiver: Receiver, key: str) -> None:
    message = encoded(traces(feature(1), feature(2)))
    members = gzip.compress(message[:50]) + gzip.compress(message[50:])
    frames = call_frames(TRACES, prefixed(members, compressed=True), grpc_encoding="gzip", x_api_key=key)
    assert b"grpc-status\x010" in answer_to(receiver, frames)
    assert FeatureUsage.objects.count() == 2


# --- Sizes ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [20_000_000, LIMIT])
def test_large_messages_are_accepted_up_to_the_limit(channel: grpc.Channel, key: str, size: int) -> None:
    padding = size - len(encoded(traces(feature(1, filler="x" * 17_000_000)))) + 17_000_000
    message = encoded(traces(feature(1, filler="x" * padding)))
    assert len(message) == size
    assert export(channel, message, key) == b""
    assert FeatureUsage.objects.count() == 1


def test_a_message_beyond_the_limit_exhausts_the_resource_and_is_not_sent_again(
    channel: grpc.Channel, key: str
) -> None:
    error = refusal(channel, bytes(LIMIT + 1), key)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "google.rpc.retryinfo-bin" not in dict(error.trailing_metadata() or ())
    until(lambda: rejected("too_large") == 1, what="counts")


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_a_bomb_is_defused(
    channel: grpc.Channel, receiver: Receiver, key: str, compression: grpc.Compression
) -> None:
    before = grpc_receiver.resident_mib(receiver.process.pid, peak=True)
    error = refusal(channel, bytes(100 * 1024 * 1024), key, compression=compression)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "after decompression" in str(error.details())
    assert grpc_receiver.resident_mib(receiver.process.pid, peak=True) < before + 200
    until(lambda: rejected("too_large") == 1, what="counts")


# --- Health and silence --------------------------------------------------------------------------
def test_health_speaks_for_the_process_and_for_each_service(receiver: Receiver) -> None:
    assert receiver.health() == "SERVING"
    for name in service.SERVICES.values():
        until(lambda name=name: receiver.health(name) == "SERVING", what=f"{name} is ready")
    assert receiver.health("another") == "NOT_FOUND"


def test_a_taken_port_is_said_in_one_sentence(receiver: Receiver, tmp_path: Path) -> None:
    from tests.support import programs

    command = ["manage.py", "serve_grpc", "--port", str(receiver.port)]
    log = tmp_path / "log"
    with programs.process(*command, env=programs.environment(DEBUG="1"), log=log) as second:
        assert second.wait(30) == 1
    assert log.read_text().splitlines() == [
        f"CommandError: OTLP/gRPC cannot listen on {receiver.address}: it is in use or invalid."
    ]


def test_nothing_of_all_this_was_logged(receiver: Receiver) -> None:
    """Must come after the tests of this module that send keys, garbage and what is refused."""
    assert receiver.log.read_text() == ""


# --- Without a process ---------------------------------------------------------------------------
def test_a_message_that_only_looks_compressed_is_left_as_it_is() -> None:
    unknown_field = b"\x78\x9c\x01"  # field 15, a varint: legal protobuf, and how zlib begins
    assert compression.may_be_compressed(unknown_field)
    assert compression.inflated(unknown_field) == unknown_field
    assert compression.inflated(zlib.compress(b"\x0a\x00")) == b"\x0a\x00"
    assert not compression.may_be_compressed(b"\x0a\x00")


def test_the_delay_before_a_retry_is_said_as_google_rpc_says_it() -> None:
    delay = status.retry_info(300)
    assert RetryInfo.FromString(delay).retry_delay.seconds == 300
    answer = Status.FromString(status.failure_to_retry(14, "later", delay))
    detail = RetryInfo()
    assert answer.details[0].Unpack(detail)
    assert (answer.code, answer.message, detail.retry_delay.seconds) == (14, "later", 300)
