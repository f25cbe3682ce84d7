"""A relay in front of a database, which a test can close: then connections end, and no new one begins.

A test can also freeze it: connections stay open, but nothing gets through.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit


class Relay:
    """Listens on a port of its own and passes everything on to a database's address."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._connections: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._flows = threading.Event()
        self.port = 0
        self.open()
        self.url = f"postgres://{self._target.username}@127.0.0.1:{self.port}{self._target.path}"
        if self._target.password:
            self.url = self.url.replace("@", f":{self._target.password}@")

    def open(self) -> None:
        """Accept connections."""
        self._flows.set()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def freeze(self) -> None:
        """Pass nothing on, like a network that drops packets."""
        self._flows.clear()

    def thaw(self) -> None:
        self._flows.set()

    def close(self) -> None:
        """End every connection, and refuse new ones."""
        if self._listener:
            self._listener.shutdown(socket.SHUT_RDWR)  # close alone would not wake who waits in accept
            self._listener.close()
            self._listener = None
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = self._connect()
                for source, sink in ((client, server), (server, client)):
                    self._connections.add(source)
                    threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _connect(self) -> socket.socket:
        host = self._target.hostname or parse_qs(self._target.query)["host"][0]
        if not host.startswith("/"):
            return socket.create_connection((host, self._target.port or 5432))
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(f"{host}/.s.PGSQL.{self._target.port or 5432}")
        return connection

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                self._flows.wait()
                sink.sendall(piece)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
        self._connections.discard(source)


@contextmanager
def relay(url: str) -> Iterator[Relay]:
    """An open relay, closed at the end."""
    door = Relay(url)
    try:
        yield door
    finally:
        door.thaw()
        door.close()
