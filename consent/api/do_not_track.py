"""Do Not Track and Global Privacy Control: request headers that refuse tracking, whatever was agreed."""

import re
from collections.abc import Iterable
from typing import Protocol

SIGNALS = ("dnt", "sec-gpc")  # Do Not Track, Global Privacy Control
_SEPARATORS = re.compile(r"[,;\s]+")


class Headers(Protocol):
    """A request's headers, looked up regardless of case."""

    def get(self, key: str, default: str, /) -> str: ...


def asks_not_to_be_tracked(headers: Headers) -> bool:
    """Whether one of these headers is 1: any of its values, if it is repeated or holds a list.

    A proxy that adds its own value cannot take away what the sender has asked for.
    """
    return any(_says_one(value) for name in SIGNALS for value in _values(headers, name))


def _values(headers: Headers, name: str) -> Iterable[str]:
    """All values of a header. Django joins those of a repeated one by commas; others list them."""
    get_all = getattr(headers, "get_all", None)
    return (headers.get(name, ""),) if get_all is None else get_all(name)


def _says_one(value: str) -> bool:
    return "1" in [part.strip("\"'") for part in _SEPARATORS.split(value)]
