"""The items of envelopes that are read, and of each the few fields that are: all others are passed over.

Of an event that is an exception's types and its frames' functions; never a message, a local, a breadcrumb,
a request (but for its method), a header or an address. Fields of single values take anything: clients differ.
"""

from typing import Any

import msgspec

from ingest.otlp import lenient
from ingest.otlp.records import DecodeError, Malformed


class Frame(msgspec.Struct, gc=False):
    """One call of a stack."""

    function: Any = None
    module: Any = None
    in_app: Any = None


class Stack(msgspec.Struct):
    """The calls that led there; the innermost comes last."""

    frames: list[Frame | None] | None = None


class Thrown(msgspec.Struct):
    """An exception."""

    type: Any = None
    module: Any = None
    stacktrace: Stack | None = None


class ThrownValues(msgspec.Struct):
    """An exception and what caused it; the one that was caught comes last."""

    values: list[Thrown | None] | None = None


class SentUser(msgspec.Struct):
    """Who it was. The names are never stored: no other text may repeat them."""

    id: Any = None
    username: Any = None
    name: Any = None


class Named(msgspec.Struct):
    """A program and its version: the runtime, the operating system, the browser."""

    name: Any = None
    version: Any = None


class TraceData(msgspec.Struct):
    """What OpenTelemetry would call the attributes of a transaction's span."""

    method: Any = msgspec.field(default=None, name="http.request.method")
    old_method: Any = msgspec.field(default=None, name="http.method")
    route: Any = msgspec.field(default=None, name="http.route")
    status: Any = msgspec.field(default=None, name="http.response.status_code")
    old_status: Any = msgspec.field(default=None, name="http.status_code")


class TraceContext(msgspec.Struct):
    """What a transaction was: its kind (`op`), and how it ended."""

    op: Any = None
    status: Any = None
    data: TraceData | None = None


class Response(msgspec.Struct):
    """What a transaction answered."""

    status_code: Any = None


class Contexts(msgspec.Struct):
    """Where it ran, and what it was."""

    trace: TraceContext | None = None
    response: Response | None = None
    runtime: Named | None = None
    os: Named | None = None
    browser: Named | None = None


class TransactionInfo(msgspec.Struct):
    """Where a transaction's name is from: `route`, `url`, `view`, `task`, `component`, `custom`."""

    source: Any = None


class Request(msgspec.Struct):
    """Of a request, its method alone."""

    method: Any = None


class LogEntry(msgspec.Struct):
    """A message, if it came with parameters."""

    message: Any = None
    formatted: Any = None


class ClientEvent(msgspec.Struct):
    """A message, an exception or a transaction."""

    event_id: Any = None
    type: Any = None
    timestamp: Any = None
    start_timestamp: Any = None
    message: Any = None
    logentry: LogEntry | None = None
    exception: ThrownValues | list[Thrown | None] | None = None
    tags: Any = None
    extra: Any = None
    user: SentUser | None = None
    contexts: Contexts | None = None
    release: Any = None
    environment: Any = None
    transaction: Any = None
    transaction_info: TransactionInfo | None = None
    request: Request | None = None


class SessionOrigin(msgspec.Struct):
    """What sent a session; `attrs` of the protocol."""

    release: Any = None
    environment: Any = None


class SentSession(msgspec.Struct):
    """One session's beginning, change or end."""

    sid: Any = None
    did: Any = None
    init: Any = None
    started: Any = None
    timestamp: Any = None
    status: Any = None
    attrs: SessionOrigin | None = None


class SessionCount(msgspec.Struct):
    """How many sessions of a minute ended, and how."""

    started: Any = None
    did: Any = None
    exited: Any = None
    errored: Any = None
    abnormal: Any = None
    crashed: Any = None
    unhandled: Any = None


class SentSessions(msgspec.Struct):
    """Sessions, counted by the client."""

    aggregates: list[SessionCount | None] | None = None
    attrs: SessionOrigin | None = None


class SentSpan(msgspec.Struct):
    """A span by itself. Its attributes stay as they came, for most spans are part of another one."""

    trace_id: Any = None
    span_id: Any = None
    name: Any = None
    is_segment: Any = None
    start_timestamp: Any = None
    end_timestamp: Any = None
    attributes: msgspec.Raw = msgspec.Raw(b"null")


class SentSpans(msgspec.Struct):
    """Spans in a container, as newer clients send them in place of transactions."""

    items: list[SentSpan | None] | None = None


class SpanAttribute(msgspec.Struct):
    """An attribute of a span; its type shows in its value."""

    value: Any = None


DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    "event": msgspec.json.Decoder(ClientEvent),
    "transaction": msgspec.json.Decoder(ClientEvent),
    "session": msgspec.json.Decoder(SentSession),
    "sessions": msgspec.json.Decoder(SentSessions),
    "span": msgspec.json.Decoder(SentSpans),
}
_ATTRIBUTES = msgspec.json.Decoder(dict[str, SpanAttribute | None] | None)


def read(kind: str, payload: bytes) -> Any:
    """The message in an item of this type. Raises `Malformed`."""
    return _decoded(DECODERS[kind], payload, kind)


def read_attributes(span: SentSpan) -> dict[str, Any]:
    """The attributes of a span. Raises `Malformed`."""
    sent = _decoded(_ATTRIBUTES, bytes(span.attributes), "span.attributes")
    return {name: one.value for name, one in (sent or {}).items() if one is not None}


def _decoded(decoder: "msgspec.json.Decoder[Any]", payload: bytes, name: str) -> Any:
    try:
        return decoder.decode(payload)
    except RecursionError:
        raise Malformed(name) from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _carefully(decoder, payload, name)


def _carefully(decoder: "msgspec.json.Decoder[Any]", payload: bytes, name: str) -> Any:
    """The same for a payload that the fast decoder objects to: NaN, lone surrogates, [] for an empty {}."""
    try:
        root = {field: value for field, value in lenient.parse(payload).items() if value != []}
        return decoder.decode(msgspec.json.encode(lenient.mended(root)))
    except msgspec.ValidationError as error:
        raise Malformed(".".join(filter(None, (name, lenient.field_in(error))))) from None
    except (DecodeError, RecursionError, OverflowError, msgspec.MsgspecError, UnicodeError):
        raise Malformed(name) from None
