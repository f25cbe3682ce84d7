"""Bounds on what one gRPC process works on at a time. Excess calls are refused at once, to be sent again.

Calls are counted from their headers on, an arriving message takes one of a limited number of places, and
whole messages share a number of bytes. The message of a call without a place is not read, and HTTP/2 stops
its sender after some 64 KiB.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from ingest.errors import Failure

CALLS = 512  # at any stage
ARRIVALS = 128  # messages that are being received
ARRIVAL_LIMIT = 10.0  # seconds a message may take to arrive
PATIENCE = 1.0  # seconds after which a slow message loses its place if all are taken
RETRY_AFTER = "1"  # seconds


class Admission:
    """The bounds of one server. Not thread-safe: used on the event loop only."""

    def __init__(self, *, max_message: int) -> None:
        """`max_message` is in bytes; two messages of that size fit at once, or many small ones."""
        self.calls = 0
        self.bytes = 0
        self._max_bytes = 2 * max_message
        self._arriving: dict[asyncio.Timeout, float] = {}  # when each began (loop time), oldest first
        self._of_key: Counter[int] = Counter()  # bytes

    @contextmanager
    def call(self) -> Iterator[None]:
        """Count a call. Raises `Failure` (503) beyond CALLS."""
        if self.calls >= CALLS:
            raise _busy()
        self.calls += 1
        try:
            yield
        finally:
            self.calls -= 1

    @asynccontextmanager
    async def arrival(self) -> AsyncIterator[None]:
        """A place to receive a message. Raises `Failure`: 408 if it is too slow, 503 if no place is free."""
        now = asyncio.get_running_loop().time()
        if len(self._arriving) >= ARRIVALS:
            oldest, since = next(iter(self._arriving.items()))
            if now - since < PATIENCE:
                raise _busy()
            del self._arriving[oldest]
            oldest.reschedule(now)
        timeout = asyncio.timeout_at(now + ARRIVAL_LIMIT)
        try:
            async with timeout:
                self._arriving[timeout] = now
                yield
        except TimeoutError:
            if timeout in self._arriving:
                raise Failure(408, f"the message did not arrive within {ARRIVAL_LIMIT:g} seconds") from None
            raise _busy() from None
        finally:
            self._arriving.pop(timeout, None)

    @contextmanager
    def memory(self, size: int, key_id: int) -> Iterator[None]:
        """Room for a message of this many bytes. Raises `Failure` (503) if there is none.

        One key holds three quarters at most, so that there is always room for others.
        """
        part = self._max_bytes - self._max_bytes // 4
        if self.bytes + size > self._max_bytes or self._of_key[key_id] + size > part:
            raise _busy()
        self.bytes += size
        self._of_key[key_id] += size
        try:
            yield
        finally:
            self.bytes -= size
            self._of_key[key_id] -= size
            if not self._of_key[key_id]:
                del self._of_key[key_id]


def _busy() -> Failure:
    return Failure(
        503, "too much is arriving at once; send the same again", {"Retry-After": RETRY_AFTER}, reason="busy"
    )
