"""Long answers leave no faster than they are read, and one that is not read is ended."""

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connections

from consent.keys import issue_key
from consent.pseudonyms import pseudonym
from telemetry_site.server import outflow
from telemetry_site.server.outflow import NOTHING_WITHIN, Outflow, Stalled
from tests.support.receiver import receiver

MIB = 1024 * 1024
Ends = tuple[socket.socket, socket.socket]
ROWS = """
INSERT INTO analytics_feature_usage (id, timestamp, user_id, organization_id, deployment_type, is_internal,
    event_metadata, received_at, feature_name, action)
SELECT gen_random_uuid(), now(), %s, '', 'cloud', false, '{}', now(), repeat('x', 90), 'opened'
FROM generate_series(1, 50000)
"""


@pytest.fixture
def ends() -> Iterator[Ends]:
    """Our end of a connection, and the reader's."""
    with socket.create_server(("127.0.0.1", 0)) as port:
        reader = socket.create_connection(port.getsockname()[:2])
        ours, _ = port.accept()
    with closing(ours), closing(reader):
        yield ours, reader


def queue(ours: socket.socket, size: int) -> threading.Thread:
    """Send, as granian does, on a thread of its own."""

    def send() -> None:
        with suppress(OSError):
            ours.sendall(b"x" * size)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    return thread


def answer_to(reader: socket.socket) -> Outflow:
    host, port = reader.getsockname()
    return Outflow(f"{host}:{port}")


def send_until_ended(answer: Outflow) -> None:
    for _ in range(50):
        answer.sent(MIB)


def test_what_nobody_reads_is_ended(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outflow, "PATIENCE", 0.2)
    ours, reader = ends
    with closing(answer_to(reader)) as answer:
        sending = queue(ours, 50 * MIB)
        with pytest.raises(Stalled):
            send_until_ended(answer)
    assert answer._sent < 20 * MIB  # what the system holds, and AHEAD
    sending.join(10)
    assert not sending.is_alive()
    with pytest.raises(BrokenPipeError):
        ours.send(b"more")


def test_what_is_read_arrives_whole(ends: Ends) -> None:
    ours, reader = ends
    got: list[int] = []

    def read() -> None:
        while piece := reader.recv(MIB):
            got.append(len(piece))

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    with closing(answer_to(reader)) as answer:
        queue(ours, 20 * MIB)
        for _ in range(20):
            answer.sent(MIB)
        answer.finish()
    ours.shutdown(socket.SHUT_WR)
    reading.join(10)
    assert sum(got) == 20 * MIB


def test_a_reader_who_has_gone_is_not_waited_for(ends: Ends) -> None:
    ours, reader = ends
    with closing(answer_to(reader)) as answer:
        queue(ours, 50 * MIB)
        reader.close()
        with pytest.raises(Stalled):
            send_until_ended(answer)


def test_the_ports_end_connections_that_take_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as port:
        outflow.end_stalled_writes()
        with closing(socket.create_connection(port.getsockname()[:2])), port.accept()[0] as ours:
            assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == NOTHING_WITHIN


@pytest.mark.django_db(transaction=True)
def test_an_export_that_is_not_read_is_ended_and_one_that_is_read_is_whole(tmp_path: Path) -> None:
    text, _ = issue_key(name="app", scopes=["consent"])
    with connections["analytics"].cursor() as cursor:
        cursor.execute(ROWS, [pseudonym("user", "u1")])
    with receiver(tmp_path / "log", target="telemetry_site.server.rsgi") as address:
        place = urlsplit(address)
        with closing(socket.socket()) as unread:
            unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            unread.settimeout(60)
            unread.connect((place.hostname, place.port))
            unread.sendall(
                f"POST /api/privacy/export HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {text}\r\n"
                "X-User-Id: u1\r\nContent-Length: 0\r\n\r\n".encode()
            )
            assert unread.recv(15) == b"HTTP/1.1 200 OK"
            connection = http.client.HTTPConnection(place.netloc, timeout=60)
            headers = {"Authorization": f"Bearer {text}", "X-User-Id": "u1"}
            said = []
            while not said or said[-1] == 503:  # it waits 5 s for the first one, then is sent back
                connection.request("POST", "/api/privacy/export", headers=headers)
                answer = connection.getresponse()
                content = answer.read()
                said.append(answer.status)
            assert said[-1] == 200
            assert len(said) > 1
            assert content.count(b'"opened"') == 50_000
            rest = b"".join(iter(lambda: unread.recv(MIB), b""))
        assert not rest.endswith(b"0\r\n\r\n")
        assert rest.count(b'"opened"') < 50_000
