"""The signal: what a request's headers say against being tracked, whoever else has agreed."""

from collections.abc import Mapping

SIGNALS = ("dnt", "sec-gpc")  # Do Not Track, Global Privacy Control


def asks_not_to_be_tracked(headers: Mapping[str, str]) -> bool:
    """Whether one of them is 1. `headers` must know the names in lower case."""
    return any(headers.get(name, "").strip() == "1" for name in SIGNALS)
