"""How many bytes of bodies one process holds at once, as they came and inflated. What is beyond is sent back.

Counted as they arrive once half of it is held: who promises much and sends nothing takes no more than that.
"""

import threading

from ingest.load.threads import Busy


class Budget:
    """A number of bytes, shared by all requests of a process."""

    def __init__(self, most: int) -> None:
        self.most, self.held = most, 0
        self.lock = threading.Lock()

    def share(self) -> "Share":
        return Share(self)


class Share:
    """What one request holds."""

    def __init__(self, budget: Budget) -> None:
        self._budget, self._size, self._is_over = budget, 0, False

    def take(self, size: int) -> None:
        """Hold so many bytes more. Raises `Busy` when there is no room, or the request is over."""
        with self._budget.lock:
            if self._is_over or self._budget.held + size > self._budget.most:
                raise Busy
            self._budget.held += size
            self._size += size

    def take_of_plenty(self, size: int) -> bool:
        """Hold so many bytes before they have come, if half of all stays free: promises must not fill it."""
        with self._budget.lock:
            if self._is_over or self._budget.held + size > self._budget.most // 2:
                return False
            self._budget.held += size
            self._size += size
            return True

    def give_back(self) -> None:
        """All of it, at the request's end."""
        with self._budget.lock:
            self._budget.held -= self._size
            self._size, self._is_over = 0, True
