"""What a decoder makes of a request: flat records, the same from JSON and from protobuf.

A record is one span or one log record. Ids are lower-case hex, '' when absent or invalid (OTLP:
all zeros or a wrong length). Times are nanoseconds since 1970, 0 when absent. Values are Python's.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

MAX_DEPTH = 16  # levels of lists and maps in a value; what lies deeper is dropped
INT64 = range(-(2**63), 2**63)
# A body of empty records takes several hundred times its own size in memory. Real records have at least 100
# bytes, and at least 14 for each JSON object: 64 MiB of them stay below both bounds.
MAX_RECORDS = 1_000_000
MAX_JSON_OBJECTS = 5_000_000
MAX_SHARED = 256  # bytes; longer attributes are not remembered
MAX_KNOWN = 100_000  # attributes remembered of a request

PARENT_IS_REMOTE = 0x200  # of a span's flags

NOTHING_MORE: dict[str, Any] = {}

SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5  # Span.SpanKind
UNSPECIFIED, INTERNAL = 0, 1
FAILED = 2  # Span.Status


class DecodeError(Exception):
    """The body is not the request that it should be; the message says what is wrong, without quoting it."""


class Malformed(Exception):
    """A record has a field that no protobuf message could hold. `field` is its name in OTLP/JSON."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class TooMany(DecodeError):
    """The body holds more records, groups, fields or objects than one request may."""


class Resource(NamedTuple):
    """What sent the records. The records of one group of the request share the object."""

    attributes: dict[str, Any]


class Record(msgspec.Struct, frozen=True, gc=False):  # a named tuple takes four times as long to create
    """One span (`is_span`) or log record."""

    is_span: bool
    resource: Resource
    scope: str
    name: str  # the span's name, the log record's eventName
    attributes: dict[str, Any]
    body: Any  # of a log record
    kind: int  # of a span
    time: int  # a span's start, a log record's timeUnixNano
    end: int  # a span's end
    observed: int  # a log record's observedTimeUnixNano
    trace_id: str
    span_id: str
    status: int  # of a span: 0 unset, 1 ok, 2 error
    more: dict[str, Any] = NOTHING_MORE  # what else was sent, for row ids: see `more.py`
    is_inner: bool = False  # of an internal span: it is part of another span of its process


class Batch:
    """A decoded request: its records, and those that could not be read, known once all are consumed.

    `malformed` counts these by the field at fault. `event_id` is what a Sentry-shaped client calls the whole;
    it may be known only once all are consumed, too. Records are made one by one as they are consumed, so that
    a large request is never in memory as records. Consuming them may raise `DecodeError`.
    """

    __slots__ = ("event_id", "malformed", "records")

    def __init__(
        self, records: Iterator[Record], malformed: Counter[str] | None = None, *, event_id: str = ""
    ) -> None:
        self.records = records
        self.malformed: Counter[str] = Counter() if malformed is None else malformed
        self.event_id = event_id


class SharedAttributes(dict[bytes, tuple[str, Any]]):
    """The attributes of a request, as (key, value) by their encoded form: most occur in many records."""

    def __init__(self, read: Callable[[bytes], tuple[str, Any]]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, encoded: bytes) -> tuple[str, Any]:
        attribute = self._read(encoded)
        if len(encoded) <= MAX_SHARED and len(self) < MAX_KNOWN:
            self[encoded] = attribute
        return attribute


def valid_id(text: str | None, digits: int, field: str) -> str:
    """`text` as a lower-case id of this many hex digits; '' if it is absent, zero or of another length.

    Raises `Malformed` if it is not hex.
    """
    if not text:
        return ""
    check_hex(text, field)
    return text.lower() if len(text) == digits and text.strip("0") else ""


def check_hex(text: str, field: str) -> None:
    """Raises `Malformed` if this is not the hex of some bytes."""
    try:
        size = len(bytes.fromhex(text))  # it reads over blanks
    except ValueError:
        raise Malformed(field) from None
    if 2 * size != len(text):
        raise Malformed(field)


def bound_records(numbers: Iterable[int]) -> None:
    """Raises `TooMany` when a request holds more records than it may."""
    if sum(numbers) > MAX_RECORDS:
        raise TooMany(f"the body holds more than {MAX_RECORDS} records; send it in parts")


def bound_objects(body: bytes) -> None:
    """Raises `TooMany` if JSON is all structure and no content; called before it is parsed."""
    if len(body) > MAX_JSON_OBJECTS and body.count(b"{") > MAX_JSON_OBJECTS:
        raise TooMany(f"the body holds more than {MAX_JSON_OBJECTS} JSON objects; send it in parts")
