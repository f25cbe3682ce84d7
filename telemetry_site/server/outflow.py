"""How fast a long answer is read: granian queues whatever it is given, so that must follow the reader.

Linux tells how many bytes of a connection its peer has acknowledged (`TCP_INFO`), and gives up on a peer that
takes nothing for a while (`TCP_USER_TIMEOUT`). Elsewhere answers are queued as fast as they are made.
"""

import os
import socket
import stat
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

from consent.api.proxies import address_of

AHEAD = 2 * 1024 * 1024  # bytes of an answer that may be on their way to its reader
PATIENCE = 10.0  # seconds in which a reader must take LEAST bytes
LEAST = 64 * 1024  # bytes
NOTHING_WITHIN = 30_000  # ms, for every connection, whatever is sent on it
LOOK_EVERY = 0.02  # seconds
ACKNOWLEDGED = 120  # where tcpi_bytes_acked, 64 bits, stands in Linux's struct tcp_info
CLOSED = 7  # tcpi_state: the peer has reset the connection
OPEN_FILES = "/proc/self/fd"


class Stalled(Exception):
    """The reader has gone, or takes next to nothing. Its connection has been ended."""


class Outflow:
    """One long answer, and the connection on which it leaves."""

    def __init__(self, client: str) -> None:
        """`client` is the peer's address and port, as granian writes them."""
        self._connection = _connection_to(client)
        self._sent, self._before = 0, self._acknowledged()

    def sent(self, size: int) -> None:
        """So many more bytes are queued. Waits until few enough are unread. Raises `Stalled`."""
        self._sent += size
        self._wait(AHEAD)

    def finish(self) -> None:
        """Wait until the answer has been read. Raises `Stalled`."""
        self._wait(0)

    def close(self) -> None:
        if self._connection:
            self._connection.close()

    def _wait(self, most: int) -> None:
        since, mark = time.monotonic(), self._acknowledged()
        while self._connection and self._sent - (acknowledged := self._acknowledged()) + self._before > most:
            now = time.monotonic()
            if acknowledged - mark >= LEAST:
                since, mark = now, acknowledged
            if now - since > PATIENCE or self._is_closed():
                with suppress(OSError):
                    self._connection.shutdown(socket.SHUT_RDWR)
                raise Stalled
            time.sleep(LOOK_EVERY)

    def _acknowledged(self) -> int:
        """Bytes that the peer has acknowledged since the connection began."""
        if not self._connection:
            return 0
        (number,) = struct.unpack_from("Q", self._info(), ACKNOWLEDGED)
        return int(number)

    def _is_closed(self) -> bool:
        return self._info()[0] == CLOSED

    def _info(self) -> bytes:
        assert self._connection
        return self._connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, ACKNOWLEDGED + 8)


def end_stalled_writes() -> None:
    """Let the kernel end connections whose peers take nothing: all those of this process's ports."""
    for port in _sockets():
        with port, suppress(OSError):
            if port.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):  # inherited by what it accepts
                port.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, NOTHING_WITHIN)


def _connection_to(client: str) -> socket.socket | None:
    """A duplicate of our end of the connection to this peer."""
    host, _, port = client.rpartition(":")
    wanted = address_of(host.strip("[]")), port
    for one in _sockets():
        with suppress(OSError):
            address, number = one.getpeername()[:2]
            if (address_of(address), str(number)) == wanted:
                return one
        one.close()
    return None


def _sockets() -> Iterator[socket.socket]:
    """A duplicate of each TCP socket of this process, to be closed."""
    if sys.platform != "linux":
        return
    for name in os.listdir(OPEN_FILES):
        try:
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            one = socket.socket(fileno=os.dup(int(name)))
        except OSError:  # closed meanwhile
            continue
        if one.family in (socket.AF_INET, socket.AF_INET6) and one.type == socket.SOCK_STREAM:
            yield one
        else:
            one.close()
