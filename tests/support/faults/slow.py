"""Clients that stall: a request's headers, or its body, arrive a byte at a time."""

import contextlib
import socket
import threading
from collections.abc import Iterator

EVERY = 1.0  # seconds between two bytes


@contextlib.contextmanager
def stalled(host: str, ports: list[int], key: str, *, headers: int, bodies: int) -> Iterator[None]:
    """Hold this many stalled connections open inside the block, spread over all ports."""
    start = f"POST /v1/traces HTTP/1.1\r\nHost: {host}\r\n".encode()
    complete = (
        start
        + (
            f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
        ).encode()
    )
    stopping = threading.Event()
    open_ones = [_opened(host, ports[number % len(ports)], start) for number in range(headers)]
    open_ones += [_opened(host, ports[number % len(ports)], complete) for number in range(bodies)]
    dribble = threading.Thread(target=_dribble, args=(open_ones, headers, stopping), daemon=True)
    dribble.start()
    try:
        yield
    finally:
        stopping.set()
        dribble.join()
        for connection in open_ones:
            connection.close()


def _opened(host: str, port: int, first: bytes) -> socket.socket:
    connection = socket.socket()
    connection.settimeout(2)
    with contextlib.suppress(OSError):
        connection.connect((host, port))
        connection.sendall(first)
    connection.setblocking(False)
    return connection


def _dribble(connections: list[socket.socket], headers: int, stopping: threading.Event) -> None:
    while not stopping.wait(EVERY):
        for number, connection in enumerate(connections):
            with contextlib.suppress(OSError):
                connection.send(b"X" if number < headers else b" ")
