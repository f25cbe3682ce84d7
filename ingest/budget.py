"""How many bytes of bodies one process holds at once, as they came and inflated. What is beyond is sent back.

Counted as they arrive, not as declared: a sender who promises much and sends nothing takes no room.
"""

import threading

from ingest.pool import Busy


class Budget:
    """A number of bytes, shared by all requests of a process."""

    def __init__(self, most: int) -> None:
        self._most, self.held = most, 0
        self._lock = threading.Lock()

    def share(self) -> "Share":
        return Share(self)

    def take(self, size: int) -> None:
        """Raises `Busy` when there is no room."""
        with self._lock:
            if self.held + size > self._most:
                raise Busy
            self.held += size

    def give_back(self, size: int) -> None:
        with self._lock:
            self.held -= size


class Share:
    """What one request holds."""

    def __init__(self, budget: Budget) -> None:
        self._budget, self._size = budget, 0

    def take(self, size: int) -> None:
        """Hold so many bytes more. Raises `Busy`."""
        self._budget.take(size)
        self._size += size

    def give_back(self) -> None:
        """All of it, at the request's end."""
        self._budget.give_back(self._size)
        self._size = 0
