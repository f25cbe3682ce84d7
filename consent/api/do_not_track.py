"""The signal: what a request's headers say against being tracked, whoever else has agreed."""

from typing import Protocol

SIGNALS = ("dnt", "sec-gpc")  # Do Not Track, Global Privacy Control


class Headers(Protocol):
    """A request's headers, whatever the case of their names."""

    def get(self, key: str, default: str, /) -> str: ...


def asks_not_to_be_tracked(headers: Headers) -> bool:
    """Whether one of them is 1."""
    return any(headers.get(name, "").strip() == "1" for name in SIGNALS)
