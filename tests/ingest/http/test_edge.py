"""The OTLP port under granian: slow, broken and early-refused requests, as bytes on a socket."""

import gzip
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from pytest_django.plugin import DjangoDbBlocker

from analytics.models import FeatureUsage
from consent.models import Key
from ingest.models import TrafficCount
from tests.support.otlp import a_key, grant, span, traces
from tests.support.programs import until
from tests.support.receiver import receiver

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def address(
    tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    log = tmp_path_factory.mktemp("front") / "log"
    settings = {"OTLP_MAX_BODY_BYTES": "1000000", "OTLP_CORS_ORIGINS": "https://app.example"}
    with django_db_blocker.unblock(), receiver(log, **settings) as address:
        yield address
        assert "Traceback" not in log.read_text()


@pytest.fixture
def key() -> str:
    grant(user="u1")
    return a_key()[0]


class Wire:
    """A connection on which a test writes requests byte by byte."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=15)
        self._file = self.socket.makefile("rb")

    def send(
        self, key: str, body: bytes, *, path: str = "/v1/traces", method: str = "POST", **more: str
    ) -> None:
        headers = {
            "Host": "localhost",
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
        }
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)

    def answer(self, method: str = "POST") -> tuple[int, dict[str, str], bytes]:
        line = self._file.readline()
        assert line, "the connection was closed without an answer"
        headers = {}
        while (header := self._file.readline().strip()) != b"":
            name, _, value = header.decode().partition(":")
            headers[name.lower()] = value.strip()
        length = 0 if method == "HEAD" or line.split()[1] == b"100" else int(headers["content-length"])
        return int(line.split()[1]), headers, self._file.read(length)

    def is_closed(self) -> bool:
        try:
            return self._file.read(1) == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        self._file.close()
        self.socket.close()


@pytest.fixture
def wire(address: str) -> Iterator[Wire]:
    with closing(Wire(address)) as wire:
        yield wire


def feature(number: int) -> bytes:
    attributes = {"user.id": "u1", "feature.name": "export"}
    return json.dumps(traces(span(number, attributes=attributes))).encode()


@pytest.mark.parametrize("values", [["1", "0"], ["0", "1"], ["0, 1"]])
def test_one_of_several_signals_is_enough(wire: Wire, key: str, values: list[str]) -> None:
    wire.send(key, feature(1), DNT="\r\nDNT: ".join(values))
    status, _, body = wire.answer()
    assert (status, b"1 do_not_track" in body) == (200, True)
    assert FeatureUsage.objects.count() == 0


def test_a_hundred_stalled_bodies_hold_nobody_up(address: str, wire: Wire, key: str) -> None:
    wire.send(key, feature(1))
    assert wire.answer()[0] == 200
    with ExitStack() as stalled:
        for number in range(100):
            slow = stalled.enter_context(closing(Wire(address)))
            slow.send(key, b"{", Content_Length=str(100 if number % 2 else 500_000))
        begin = time.monotonic()
        for number in range(2, 52):
            wire.send(key, feature(number))
            assert wire.answer()[0] == 200
        assert time.monotonic() - begin < 5  # seconds; about 0.3 on an idle machine
    assert FeatureUsage.objects.count() == 51


def test_a_body_that_does_not_come_is_answered_408(wire: Wire, key: str) -> None:
    wire.send(key, b"{", Content_Length="100000")
    wire.socket.settimeout(20)
    begin = time.monotonic()
    status, headers, body = wire.answer()
    assert (status, json.loads(body)["message"]) == (408, "the body did not arrive within 10 seconds")
    assert 9 < time.monotonic() - begin < 15
    assert headers["connection"] == "close"


def test_a_head_that_does_not_come_is_not_waited_for(address: str) -> None:
    with closing(Wire(address)) as silent, closing(Wire(address)) as slow:
        slow.socket.sendall(b"POST /v1/traces HT")
        assert slow.is_closed()
        assert silent.is_closed()


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size", [100, 200_000])
def test_a_sender_that_leaves_in_its_body_leaves_nothing(
    address: str, wire: Wire, key: str, framing: str, size: int
) -> None:
    body = feature(7)
    with closing(Wire(address)) as leaving:
        if framing == "length":
            leaving.send(key, body, Content_Length=str(len(body) + size))
        else:
            leaving.send(key, b"", Content_Length="", Transfer_Encoding="chunked")
            leaving.socket.sendall(b"%x\r\n%b\r\n" % (len(body), body))
        time.sleep(0.2)
    wire.send(key, feature(8))
    assert wire.answer()[0] == 200
    assert FeatureUsage.objects.count() == 1


def test_a_sender_that_leaves_before_the_answer_may_send_again(address: str, wire: Wire, key: str) -> None:
    for _ in range(5):
        with closing(Wire(address)) as leaving:
            leaving.send(key, feature(9))
    wire.send(key, feature(9))
    assert wire.answer()[::2] == (200, b"{}")
    until(lambda: FeatureUsage.objects.count() == 1, what="the event is stored once")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Bearer nonsense"}, 401),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Encoding": "zstd"}, 415),
        ({}, 413),
    ],
)
def test_a_connection_stays_usable_after_an_early_refusal(
    wire: Wire, key: str, headers: dict[str, str], status: int
) -> None:
    body = b" " * (1_200_000 if status == 413 else 900_000)
    for _ in range(3):
        wire.send(key, body, **headers)
        assert wire.answer()[0] == status
    wire.send(key, feature(1))
    assert wire.answer()[0] == 200


def test_a_chunked_body_that_grows_too_large_is_refused_while_it_comes(wire: Wire, key: str) -> None:
    wire.send(key, b"", Content_Length="", Transfer_Encoding="chunked")
    piece = b"%x\r\n%b\r\n" % (100_000, b" " * 100_000)
    for _ in range(12):
        wire.socket.sendall(piece)
    wire.socket.sendall(b"0\r\n\r\n")
    assert wire.answer()[0] == 413
    wire.send(key, feature(1))
    assert wire.answer()[0] == 200


def test_who_asks_whether_to_continue_is_told(wire: Wire, key: str) -> None:
    body = feature(3)
    wire.send(key, b"", Content_Length=str(len(body)), Expect="100-continue")
    assert wire.answer()[0] == 100
    wire.socket.sendall(body)
    assert wire.answer()[0] == 200
    wire.send("nonsense", b"", Content_Length=str(len(body)), Expect="100-continue")
    assert wire.answer()[0] == 401


def test_many_requests_share_a_connection(wire: Wire, key: str) -> None:
    for number in range(1, 21):
        wire.send(key, gzip.compress(feature(number)), Content_Encoding="gzip")
    assert [wire.answer()[0] for _ in range(20)] == [200] * 20
    assert FeatureUsage.objects.count() == 20


@pytest.mark.parametrize(
    "path", ["/", "/v1/traces/", "/v1/profiles", "/otlp/v2/logs", "/dashboards/", "/admin/"]
)
def test_there_is_nothing_else_on_this_port(wire: Wire, path: str) -> None:
    wire.send("", b"{}", path=path)
    status, headers, body = wire.answer()
    assert (status, headers["content-type"], json.loads(body)["code"]) == (404, "application/json", 12)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_told_to_post(wire: Wire, method: str) -> None:
    wire.send("", b"", method=method)
    status, headers, body = wire.answer(method)
    assert (status, headers["allow"]) == (405, "POST, OPTIONS")
    assert body == b"" if method == "HEAD" else json.loads(body)["code"] == 12


def test_a_browser_is_answered_before_and_after(wire: Wire, key: str) -> None:
    asks = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    wire.send("", b"", method="OPTIONS", Authorization="", Content_Type="", **asks)
    status, headers, _ = wire.answer()
    assert (status, headers["access-control-allow-origin"]) == (200, "https://app.example")
    assert "authorization" in headers["access-control-allow-headers"]
    for text, expected in ((key, 200), ("nonsense", 401)):
        wire.send(text, b"{}", Origin="https://app.example")
        status, headers, _ = wire.answer()
        assert (status, headers["access-control-allow-origin"]) == (expected, "https://app.example")


def test_a_long_answer_is_compressed_for_who_accepts_that(wire: Wire, key: str) -> None:
    them = {"user.id": "u1", "feature.name": "a"}
    events = traces(
        span(1),
        span(2, attributes=them | {"user.id": "nobody"}),
        span(3, attributes=them | {"user.id": "x" * 2000}),
        span(4, attributes=them | {"feature.name": "bob@example.com"}),
        span(5, attributes=them, at=datetime(2001, 1, 1, tzinfo=UTC)),
    )
    body = json.dumps(events).encode()
    wire.send(key, body, Accept_Encoding="gzip")
    status, headers, compressed = wire.answer()
    wire.send(key, body, Accept_Encoding="gzip;q=0")
    assert (status, headers["content-encoding"]) == (200, "gzip")
    assert gzip.decompress(compressed) == wire.answer()[2]


def test_a_refusal_is_counted_for_its_key(wire: Wire) -> None:
    text, key = a_key()
    wire.send(text, b"{}", Content_Type="text/plain")
    assert wire.answer()[0] == 415
    counted = TrafficCount.objects.filter(key_id=key.pk, outcome="rejected", reason="wrong_type")
    until(counted.exists, what="it is counted")


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize(("size", "status"), [(1_000_000, 200), (1_000_001, 413)])
def test_a_body_may_be_as_large_as_the_limit(
    wire: Wire, key: str, framing: str, size: int, status: int
) -> None:
    body = b"{" + b" " * (size - 2) + b"}"
    if framing == "length":
        wire.send(key, body)
    else:
        wire.send(key, b"", Content_Length="", Transfer_Encoding="chunked")
        wire.socket.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (size, body))
    assert wire.answer()[0] == status


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"revoked_at": datetime(2026, 1, 1, tzinfo=UTC)}, 401),
        ({"scopes": ["reports"]}, 403),
        ({"is_publishable": True, "origins": ["https://page.example"]}, 403),
    ],
)
def test_a_key_that_was_good_a_moment_ago_and_has_changed_stores_nothing(
    wire: Wire, change: dict[str, object], status: int
) -> None:
    grant(user="u1")
    text, key = a_key()
    for number in (1, 2):
        wire.send(text, feature(number))
        assert wire.answer()[0] == 200
    Key.objects.filter(pk=key.pk).update(**change)
    wire.send(text, feature(3))
    assert wire.answer()[0] == status
    assert FeatureUsage.objects.count() == 2


@pytest.mark.parametrize("field", ["revoked_at", "expires_at"])
def test_a_key_that_ends_while_a_body_is_on_its_way_stores_nothing_of_it(wire: Wire, field: str) -> None:
    """100 (Continue) is sent once the key was admitted."""
    grant(user="u1")
    text, key = a_key()
    body = feature(1)
    wire.send(text, b"", Content_Length=str(len(body)), Expect="100-continue")
    assert wire.answer()[0] == 100
    Key.objects.filter(pk=key.pk).update(**{field: datetime(2026, 1, 1, tzinfo=UTC)})
    wire.socket.sendall(body)
    assert wire.answer()[0] == 401
    assert FeatureUsage.objects.count() == 0


def test_a_changed_rate_holds_for_a_key_that_was_good_a_moment_ago(wire: Wire) -> None:
    text, key = a_key()
    for _ in range(11):
        wire.send(text, b"{}")
        assert wire.answer()[0] == 200
    Key.objects.filter(pk=key.pk).update(requests_per_second=1)
    answers = []
    for _ in range(6):  # five in each window of five seconds, and at most two windows
        wire.send(text, b"{}")
        answers.append(wire.answer()[:2])
    refused = [headers for status, headers in answers if status == 429]
    assert refused
    assert all(1 <= int(headers["retry-after"]) <= 5 for headers in refused)
