"""Real receivers and real SDKs: what arrives on the wire becomes the right rows, once."""

import http.client
import json
import os
import random
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connections
from django.utils import timezone
from opentelemetry.sdk.resources import Resource
from pytest_django.plugin import DjangoDbBlocker

from analytics import partitions
from analytics.models import EndpointUsage, FeatureUsage, UserActivity
from consent.models import Key
from consent.pseudonyms import pseudonym
from ingest.models import TrafficCount
from tests.support.otlp import a_key, grant, span, traces
from tests.support.programs import until
from tests.support.receiver import receiver

pytestmark = pytest.mark.django_db(transaction=True)

RESOURCE = {"service.name": "shop", "service.version": "1.2.3", "deployment.type": "cloud"}


@pytest.fixture(scope="module")
def address(
    tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    with django_db_blocker.unblock(), receiver(tmp_path_factory.mktemp("otlp") / "log") as address:
        yield address


def request(address: str, path: str, body: Any, key: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    sent = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"} | headers
    connection.request("POST", path, body, sent, encode_chunked=not isinstance(body, bytes))
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_the_same_512_spans_from_eight_clients_in_any_order_are_512_rows(address: str) -> None:
    for user in range(16):
        grant(user=f"u{user}")
    text, key = a_key()
    spans = [
        span(number, attributes={"user.id": f"u{number % 16}", "feature.name": f"feature-{number % 7}"})
        for number in range(1, 513)
    ]
    orders = [random.sample(spans, len(spans)) for _ in range(20)]

    def send(order: list[dict[str, Any]]) -> tuple[int, bytes]:
        return request(address, "/v1/traces", json.dumps(traces(*order)).encode(), text)

    with ThreadPoolExecutor(8) as clients:
        assert set(clients.map(send, orders)) == {(200, b"{}")}
    assert FeatureUsage.objects.count() == 512
    counted = TrafficCount.objects.filter(key_id=key.pk)
    until(lambda: sum(row.count for row in counted.all()) == 20 * 512, what="all are counted")
    assert {row.outcome for row in counted} == {"accepted", "duplicate"}
    used = Key.objects.filter(pk=key.pk).exclude(last_used_at=None)
    until(used.exists, what="the key's last use is written")


def test_a_chunked_body_is_read_whole(address: str) -> None:
    grant(user="u1")
    text, _ = a_key()
    spans = [span(number, attributes={"user.id": "u1", "feature.name": "x"}) for number in range(1, 200)]
    raw = json.dumps(traces(*spans)).encode()
    pieces = (raw[start : start + 1000] for start in range(0, len(raw), 1000))
    assert request(address, "/v1/traces", pieces, text) == (200, b"{}")
    assert FeatureUsage.objects.count() == 199


def test_a_body_cut_short_is_refused(address: str) -> None:
    text, _ = a_key()
    host = urlsplit(address).hostname, urlsplit(address).port
    with socket.create_connection(host, timeout=10) as connection:
        connection.sendall(
            f"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {text}\r\n"
            "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{}".encode()
        )
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400 ")


def check_the_three_rows(who: str) -> None:
    user, organization = pseudonym("user", f"{who}-user"), pseudonym("organization", f"{who}-organization")
    activity, endpoint, feature = (
        UserActivity.objects.get(),
        EndpointUsage.objects.get(),
        FeatureUsage.objects.get(),
    )
    assert (activity.event_type, activity.session_id) == ("login", pseudonym("session", f"{who}-session"))
    assert activity.event_metadata == {"app": "shop", "app_version": "1.2.3", "login_method": "oidc"}
    assert (endpoint.endpoint, endpoint.method, endpoint.status_code) == ("/orders/:id", "GET", 200)
    assert 0 <= endpoint.duration_ms < 10_000
    assert (feature.feature_name, feature.action) == ("cart", "filled")
    assert feature.event_metadata == {"app": "shop", "app_version": "1.2.3", "count": 3}
    for row in (activity, endpoint, feature):
        assert (row.user_id, row.organization_id, row.deployment_type) == (user, organization, "cloud")


def test_the_real_python_sdk(address: str) -> None:
    from opentelemetry._logs import LogRecord
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanKind

    grant(user="python-user", organization="python-organization")
    text, _ = a_key()
    headers, resource = {"Authorization": f"Bearer {text}"}, Resource(RESOURCE)
    who = {"user.id": "python-user", "organization.id": "python-organization", "session.id": "python-session"}

    spans = OTLPSpanExporter(f"{address}/v1/traces", headers=headers, compression=Compression.Gzip)
    tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
    tracers.add_span_processor(BatchSpanProcessor(spans))
    page = {"http.request.method": "GET", "http.route": "/orders/:id", "http.response.status_code": 200}
    with tracers.get_tracer("shop").start_as_current_span("GET", kind=SpanKind.SERVER, attributes=who | page):
        pass
    assert tracers.force_flush()
    tracers.shutdown()

    records = OTLPLogExporter(f"{address}/v1/logs", headers=headers, compression=Compression.Gzip)
    loggers = LoggerProvider(resource=resource, shutdown_on_exit=False)
    loggers.add_log_record_processor(BatchLogRecordProcessor(records))
    logger = loggers.get_logger("shop")
    logger.emit(LogRecord(event_name="auth.login", attributes=who | {"login_method": "oidc"}))
    logger.emit(
        LogRecord(event_name="cart.filled", attributes=who | {"count": 3, "user.email": "jane@example.com"})
    )
    loggers.force_flush()
    loggers.shutdown()
    check_the_three_rows("python")


@pytest.mark.node
def test_the_real_node_sdk(address: str, node_modules: Path) -> None:
    grant(user="node-user", organization="node-organization")
    text, _ = a_key()
    result = subprocess.run(
        ["node", "send.mjs", address, text], cwd=node_modules, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1]) == []
    check_the_three_rows("node")


def test_a_lost_partition_means_come_again_where_only_a_job_may_make_it(address: str) -> None:
    """Under the embedded server's role for ingest; without such roles the receiver makes it itself."""
    grant(user="u1")
    text, _ = a_key()
    name = partitions.partition_name("analytics_feature_usage", partitions.Month.of(timezone.now().date()))
    with connections["analytics"].cursor() as cursor:
        cursor.execute(f"DROP TABLE {name}")
    body = json.dumps(traces(span(1, attributes={"user.id": "u1", "feature.name": "timer"}))).encode()
    has_roles = bool(os.environ.get("CANDID_EMBEDDED"))
    try:
        assert request(address, "/v1/traces", body, text)[0] == (503 if has_roles else 200)
    finally:
        partitions.ensure_for(timezone.now(), 12)
    assert request(address, "/v1/traces", body, text)[0] == 200
    assert FeatureUsage.objects.count() == 1
