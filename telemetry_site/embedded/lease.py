"""Knows whether anybody still uses the servers of a data dir, by locks that end with their process.

Holders share `lease.lock`. A process that starts or stops servers, or takes or gives up a lease, holds
`starting.lock` exclusively meanwhile: no new holder can appear, so "nobody else holds the lease" stays
true long enough to act on it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from telemetry_site.embedded.errors import Patience


class Lease:
    """One process's share of the servers below `home`."""

    def __init__(self, home: Path) -> None:
        # Python opens files close-on-exec: the servers do not inherit the locks.
        self._starting = os.open(home / "starting.lock", os.O_RDWR | os.O_CREAT, 0o600)
        self._lease = os.open(home / "lease.lock", os.O_RDWR | os.O_CREAT, 0o600)
        self.is_held = False

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Wait until no other process starts or stops these servers, and let none do so meanwhile."""
        patience = Patience("waiting for another command that is starting or stopping the servers")
        while not _lock(self._starting, fcntl.LOCK_EX):
            patience.pause()
        try:
            yield
        finally:
            fcntl.flock(self._starting, fcntl.LOCK_UN)

    def hold(self) -> None:
        fcntl.flock(self._lease, fcntl.LOCK_SH)
        self.is_held = True

    def is_last_holder(self) -> bool:
        return _lock(self._lease, fcntl.LOCK_EX)

    def let_go(self) -> None:
        fcntl.flock(self._lease, fcntl.LOCK_UN)
        self.is_held = False


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
