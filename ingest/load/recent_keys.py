"""Keys that were admitted a moment ago: their requests are received before the key is looked up again.

It admits nobody. Before anything is stored a key is looked up, so that a revoked one stores nothing.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping

from consent.models import Key

KNOWN_FOR = 60.0  # seconds since a key was admitted
MOST_KNOWN = 1000  # keys


class KnownKeys:
    """Found by a digest of the headers that show them, so that no key is kept. For one thread."""

    def __init__(self) -> None:
        self._keys: OrderedDict[bytes, tuple[Key, float]] = OrderedDict()

    def get(self, shown: Mapping[str, str]) -> Key | None:
        """The key that these headers showed a moment ago."""
        key, until = self._keys.get(_digest(shown), (None, 0.0))
        return key if until > time.monotonic() else None

    def add(self, shown: Mapping[str, str], key: Key) -> None:
        digest = _digest(shown)
        self._keys[digest] = key, time.monotonic() + KNOWN_FOR
        self._keys.move_to_end(digest)
        if len(self._keys) > MOST_KNOWN:
            self._keys.popitem(last=False)


def _digest(shown: Mapping[str, str]) -> bytes:
    text = "\0".join(f"{name}:{value}" for name, value in shown.items())
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
