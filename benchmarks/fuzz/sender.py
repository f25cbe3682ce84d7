"""A process of the run over HTTP: sends hostile bodies over a few keep-alive connections, counts the answers.

`python -m benchmarks.fuzz.sender` reads its orders from stdin and writes tallies to stdout, as lines of JSON.
"""

import json
import re
import socket
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support.fuzz.bodies import Bodies, Body

ANSWER_WITHIN = 30.0  # seconds
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
LAST_CHUNK = b"0\r\n\r\n"
CLOSES = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)
REFUSED = re.compile(rb"(\d+) of (\d+) refused: ([^\x00-\x08]*)")
IN_STORAGE = (  # decided in there; the first one begins several
    *(b"no_consent", b"names_nobody", b"do_not_track", b"unstorable"),
    *(b"telemetry_off", b"base_telemetry_off"),
)


class Connection:
    """One keep-alive connection: written and read by hand, for a hundred thousand requests a minute."""

    def __init__(self, host: str, port: int, key: str) -> None:
        self._address, self._host, self._key = (host, port), host, key
        self._socket: socket.socket | None = None
        self.reconnects = -1

    def send(self, body: Body) -> None:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=ANSWER_WITHIN)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.reconnects += 1
        coding = f"Content-Encoding: {body.coding}\r\n" if body.coding else ""
        head = (
            f"POST {body.path} HTTP/1.1\r\nHost: {self._host}\r\nAuthorization: Bearer {self._key}\r\n"
            f"Content-Type: {body.content_type}\r\n{coding}Content-Length: {len(body.raw)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + body.raw)

    def answer(self) -> tuple[int, bytes]:
        """Status and body; 0 when the connection ended without an answer."""
        assert self._socket
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            more = self._socket.recv(65_536)
            if not more:
                self.close()
                return 0, received
            received += more
        head, content = received[: end + 2], received[end + 4 :]
        declared = LENGTH.search(head)
        while not (len(content) >= int(declared[1]) if declared else content.endswith(LAST_CHUNK)):
            more = self._socket.recv(65_536)
            if not more:
                self.close()
                return 0, content
            content += more
        if CLOSES.search(head):
            self.close()
        return int(head[9:12]), content if declared else unchunked(content)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Tally:
    """Counts of answers, and the bodies whose answer is wrong for any body."""

    def __init__(self, folder: Path) -> None:
        self.statuses: Counter[str] = Counter()
        self.stored = 0  # bodies of which at least one record reached storage
        self.slowest = 0.0  # seconds
        self.kept: list[str] = []
        self._folder = folder

    def add(self, body: Body, status: int, answer: bytes, took: float) -> None:
        self.statuses[str(status)] += 1
        self.slowest = max(self.slowest, took)
        if status == 200 and reached_storage(body, answer):
            self.stored += 1
        if (status == 0 or status >= 500) and len(self.kept) < 50:
            name = f"{status}-{body.path.rpartition('/')[2]}-{time.time_ns()}"
            head = f"{body.path}\n{body.content_type}\n{body.coding}\n"
            (self._folder / name).write_bytes(head.encode() + body.raw)
            self.kept.append(name)

    def as_json(self) -> dict[str, Any]:
        told = {"statuses": self.statuses, "stored": self.stored}
        return told | {"slowest": self.slowest, "kept": self.kept}


def unchunked(content: bytes) -> bytes:
    """What the chunks of a whole answer hold; extensions and trailers are not expected."""
    found = b""
    while content:
        size, _, content = content.partition(b"\r\n")
        found, content = found + content[: int(size, 16)], content[int(size, 16) + 2 :]
    return found


def reached_storage(body: Body, answer: bytes) -> bool:
    """Whether the store was asked to write any of it, as far as the answer shows."""
    if body.path == "/v1/metrics":
        return False
    partial = REFUSED.search(answer)
    if partial is None:
        return body.sound > 0 and len(answer) <= 2
    return int(partial[1]) < int(partial[2]) or any(reason in partial[3] for reason in IN_STORAGE)


def main() -> None:
    orders = json.loads(sys.stdin.readline())
    bodies, tally = Bodies(orders["seed"]), Tally(Path(orders["folder"]))
    ports = orders["ports"]
    connections = [
        Connection(orders["host"], ports[number % len(ports)], orders["key"])
        for number in range(orders["connections"])
    ]
    remaining, told_at = orders["bodies"], time.monotonic()
    while remaining > 0:
        begin, under_way = time.monotonic(), []
        for connection in connections[:remaining]:
            body = bodies.next()
            if sent(connection, body):
                under_way.append((connection, body))
            else:
                tally.add(body, 0, b"", 0)
        for connection, body in under_way:
            try:
                status, answer = connection.answer()
            except OSError as error:
                connection.close()
                status, answer = 0, type(error).__name__.encode()
            tally.add(body, status, answer, time.monotonic() - begin)
        remaining -= len(connections)
        if time.monotonic() - told_at > 0.5:
            say(tally, connections)
            told_at = time.monotonic()
    say(tally, connections)


def sent(connection: Connection, body: Body) -> bool:
    """Send a body. If the server has closed the keep-alive connection meanwhile, open it again once."""
    for _ in range(2):
        try:
            connection.send(body)
            return True
        except OSError:
            connection.close()
    return False


def say(tally: Tally, connections: list[Connection]) -> None:
    told = tally.as_json() | {"reconnects": sum(max(0, one.reconnects) for one in connections)}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
