"""Bounds the bytes of bodies that one process holds at once, both as received and inflated.

A request that finds no room gets 503. While half of the memory is free, the declared length of a small body
is reserved at once; otherwise bytes count as they arrive. So senders who declare much and send nothing can
hold no more than half. One key holds three quarters at most, so that there is always room for others.
"""

import threading
from collections import Counter
from collections.abc import Hashable

from ingest.load.threads import Busy


class Budget:
    """The bytes that all requests of a process may hold together."""

    def __init__(self, most: int) -> None:
        self.most, self.held = most, 0
        self.by_owner: Counter[Hashable] = Counter()
        self.most_of_one = most - most // 4
        self.lock = threading.Lock()

    def share(self) -> "Share":
        return Share(self)


class Share:
    """The bytes that one request holds."""

    def __init__(self, budget: Budget) -> None:
        self._budget, self._size, self._is_over = budget, 0, False
        self._owner: Hashable = None

    def belongs_to(self, owner: Hashable) -> None:
        """Count it with what this owner's other requests hold. Call it before anything is taken."""
        self._owner = owner

    def take(self, size: int) -> None:
        """Hold this many more bytes. Raises `Busy` if there is no room, or the request is over."""
        with self._budget.lock:
            if self._is_over or self._budget.held + size > self._budget.most or self._exceeds_its_part(size):
                raise Busy
            self._add(size)

    def take_of_plenty(self, size: int) -> bool:
        """Reserve bytes before they arrive, if half of all memory stays free. Returns whether it did."""
        with self._budget.lock:
            if self._is_over or self._budget.held + size > self._budget.most // 2:
                return False
            self._add(size)
            return True

    def give_back(self) -> None:
        """Give everything back, when the request ends."""
        with self._budget.lock:
            self._add(-self._size)
            self._is_over = True
            if not self._budget.by_owner[self._owner]:
                del self._budget.by_owner[self._owner]

    def _exceeds_its_part(self, size: int) -> bool:
        held = self._budget.by_owner[self._owner]
        return self._owner is not None and held + size > self._budget.most_of_one

    def _add(self, size: int) -> None:
        self._budget.held += size
        self._budget.by_owner[self._owner] += size
        self._size += size
