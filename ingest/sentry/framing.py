"""Takes envelopes apart: a line of headers, then items, each of them a line of headers and its payload.

`{"event_id": …}⏎{"type": "event", "length": 41}⏎…⏎`. Without a length, a payload ends with its line. Payloads
of types that are not kept are passed over: nothing reads them. The form is that of
https://develop.sentry.dev/sdk/data-model/envelopes/.
"""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from ingest.otlp.lenient import parse
from ingest.otlp.records import DecodeError, TooMany

MAX_ITEMS = 1000  # of an envelope; clients send at most 100 sessions, or one event with its attachments
MAX_HEADERS = 64 * 1024  # bytes of one line
MAX_PAYLOAD = 1024 * 1024  # bytes of an item that is read
MAX_SPANS = 8 * 1024 * 1024  # bytes of an item of many spans; clients stop at some 5 MB
# Of one item. An empty object takes three bytes, and many times that when it is read; clients send at most
# 1,000 spans, each with some forty attributes.
MAX_OBJECTS = 100_000

_BLANK = re.compile(rb"[\r\n]*")
_ID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True)
class Item:
    """One part of an envelope, not decoded."""

    type: str
    payload: bytes

    @cached_property
    def digest(self) -> str:
        """Of all that was sent. Made once: an item may hold thousands of events."""
        return hashlib.blake2b(self.payload, digest_size=16).hexdigest()


class Envelope(NamedTuple):
    """What is kept of an envelope. `skipped` counts the items of other types."""

    event_id: str  # 32 hex digits, or ''
    items: list[Item]
    skipped: int


def envelope(body: bytes, kept: Collection[str]) -> Envelope:
    """The items of these types. Raises `DecodeError`; nothing of an envelope counts then."""
    headers, at = _headers(body, 0, "the envelope's first line")
    items: list[Item] = []
    total = 0
    while (at := _end_of_blank(body, at)) < len(body):
        total += 1
        if total > MAX_ITEMS:
            raise TooMany(f"the envelope holds more than {MAX_ITEMS} items; send it in parts")
        sent, at = _headers(body, at, "the first line of an item")
        begin, end, at = _payload(body, at, sent)
        kind = sent.get("type")
        if not isinstance(kind, str) or not kind:
            raise DecodeError("an item has no type")
        if kind in kept:
            bound(kind, body, begin, end)
            items.append(Item(kind, body[begin:end]))
    return Envelope(event_id(headers.get("event_id")), items, total - len(items))


def bound(kind: str, body: bytes, begin: int, end: int) -> None:
    """Raises `TooMany` if an item of this type is too large, or all structure and no content."""
    limit = MAX_SPANS if kind == "span" else MAX_PAYLOAD
    if end - begin > limit:
        raise TooMany(f"an item '{kind}' is larger than {limit} bytes")
    if body.count(b"{", begin, end) > MAX_OBJECTS:
        raise TooMany(f"an item '{kind}' holds more than {MAX_OBJECTS} JSON objects")


def event_id(value: Any) -> str:
    """An event's id as 32 hex digits in lower case, '' if it is none, or zero."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        return ""
    digits = value.replace("-", "").lower()
    return digits if digits.strip("0") else ""


def _headers(body: bytes, at: int, what: str) -> tuple[dict[str, Any], int]:
    """A line of headers, and where the next one begins."""
    end = body.find(b"\n", at, at + MAX_HEADERS + 1)
    if end < 0:
        end = len(body)
        if end - at > MAX_HEADERS:
            raise DecodeError(f"{what} is longer than {MAX_HEADERS} bytes")
    try:
        return parse(body[at:end]), min(end + 1, len(body))
    except DecodeError:
        raise DecodeError(f"{what} is not a JSON object") from None


def _payload(body: bytes, at: int, headers: dict[str, Any]) -> tuple[int, int, int]:
    """Where an item's payload begins and ends, and where what follows it begins."""
    length = headers.get("length")
    if length is None:
        end = body.find(b"\n", at)
        end = len(body) if end < 0 else end
        return at, end, end + 1
    if type(length) is not int or length < 0:
        raise DecodeError("the length of an item is not a whole number")
    end = at + length
    if end > len(body):
        raise DecodeError("the envelope ends before an item is as long as its length says")
    if end < len(body) and body[end] != ord("\n"):
        raise DecodeError("an item is longer than its length says")
    return at, end, end + 1


def _end_of_blank(body: bytes, at: int) -> int:
    match = _BLANK.match(body, at)
    return match.end() if match else at
