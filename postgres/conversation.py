"""Sending to PostgreSQL and receiving from it with a deadline: a hanging server keeps nobody waiting."""

import select
import time
from typing import Any

import psycopg
from psycopg.pq import ConnStatus
from psycopg.pq.abc import PGconn, PGresult

MIB = 1 << 20  # libpq is handed at most this much at once


class Silent(psycopg.OperationalError):
    """The server has not answered in time. The connection is closed; statements may still be carried out."""


class Conversation:
    """One exchange on a connection. libpq never blocks here: it is called only when the socket is ready."""

    def __init__(self, connection: psycopg.Connection[Any], patience: float) -> None:
        self._connection = connection
        self._pgconn: PGconn = connection.pgconn
        self._patience = patience
        self._poll = select.poll()

    def flush(self) -> None:
        pgconn = self._pgconn
        while pgconn.flush():
            if self._wait(select.POLLIN | select.POLLOUT) & select.POLLIN:
                pgconn.consume_input()  # or else each side may wait for the other to read

    def result(self, *, may_end: bool = True) -> PGresult | None:
        """The next result; None after the last of a statement. Raises when the connection is lost."""
        pgconn = self._pgconn
        while pgconn.is_busy():
            self._wait(select.POLLIN)
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None and not may_end and pgconn.status != ConnStatus.OK:
            raise psycopg.OperationalError("the connection was lost")
        return result

    def send_copy(self, content: bytes) -> None:
        view = memoryview(content)
        for at in range(0, len(view), MIB):
            self._pgconn.put_copy_data(view[at : at + MIB])
            self.flush()
        self._pgconn.put_copy_end()
        self.flush()

    def _wait(self, events: int) -> int:
        self._poll.register(self._pgconn.socket, events)
        until = time.monotonic() + self._patience
        ready = self._poll.poll(self._patience * 1000)
        while not ready and time.monotonic() < until:
            ready = self._poll.poll((until - time.monotonic()) * 1000)
        if not ready:
            self._connection.close()
            raise Silent(f"the database has not answered for {self._patience:g} seconds")
        return ready[0][1]
