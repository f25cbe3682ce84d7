"""Do Not Track and Global Privacy Control: request headers that refuse tracking, whatever was agreed."""

from typing import Protocol

SIGNALS = ("dnt", "sec-gpc")  # Do Not Track, Global Privacy Control


class Headers(Protocol):
    """A request's headers, looked up regardless of case."""

    def get(self, key: str, default: str, /) -> str: ...


def asks_not_to_be_tracked(headers: Headers) -> bool:
    """Whether one of these headers is 1."""
    return any(headers.get(name, "").strip() == "1" for name in SIGNALS)
