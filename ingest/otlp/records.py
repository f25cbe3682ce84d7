"""What a decoder makes of a request: flat records, the same whether they came as JSON or protobuf.

A record is one span or one log record. Ids are lower-case hex, '' when absent or invalid (OTLP:
all zeros or a wrong length). Times are nanoseconds since 1970, 0 when absent. Values are Python's.
"""

from typing import Any, NamedTuple

MAX_DEPTH = 16  # levels of lists and maps in a value; what lies deeper is dropped
INT64 = range(-(2**63), 2**63)

SERVER, CLIENT, PRODUCER = 2, 3, 4  # Span.SpanKind
UNSPECIFIED, INTERNAL = 0, 1


class DecodeError(Exception):
    """The body is not a request of its kind; the message says where, without quoting it."""


class Resource(NamedTuple):
    """What sent the records. One object per group of the request, shared by its records."""

    attributes: dict[str, Any]


class Record(NamedTuple):
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


class Batch(NamedTuple):
    """A decoded request: its records, and how many could not be read."""

    records: list[Record]
    malformed: int


def valid_id(text: str, digits: int) -> str:
    """`text` as a lower-case id of so many hex digits, or '' when it is none."""
    if len(text) != digits:
        return ""
    text = text.lower()
    return text if text.strip("0123456789abcdef") == "" and text.strip("0") else ""
