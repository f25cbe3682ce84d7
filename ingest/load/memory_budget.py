"""Bounds the bytes of bodies that one process holds at once, both as received and inflated.

A request that finds no room gets 503. While half of the memory is free, the declared length of a small body
is reserved at once; otherwise bytes count as they arrive. So senders who declare much and send nothing can
hold no more than half.
"""

import threading

from ingest.load.threads import Busy


class Budget:
    """The bytes that all requests of a process may hold together."""

    def __init__(self, most: int) -> None:
        self.most, self.held = most, 0
        self.lock = threading.Lock()

    def share(self) -> "Share":
        return Share(self)


class Share:
    """The bytes that one request holds."""

    def __init__(self, budget: Budget) -> None:
        self._budget, self._size, self._is_over = budget, 0, False

    def take(self, size: int) -> None:
        """Hold this many more bytes. Raises `Busy` if there is no room, or the request is over."""
        with self._budget.lock:
            if self._is_over or self._budget.held + size > self._budget.most:
                raise Busy
            self._budget.held += size
            self._size += size

    def take_of_plenty(self, size: int) -> bool:
        """Reserve bytes before they arrive, if half of all memory stays free. Returns whether it did."""
        with self._budget.lock:
            if self._is_over or self._budget.held + size > self._budget.most // 2:
                return False
            self._budget.held += size
            self._size += size
            return True

    def give_back(self) -> None:
        """Give everything back, when the request ends."""
        with self._budget.lock:
            self._budget.held -= self._size
            self._size, self._is_over = 0, True
