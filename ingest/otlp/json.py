"""OTLP/JSON into records: ProtoJSON with hex ids and numeric enums (OTLP 1.11, "JSON Protobuf Encoding").

Two readers. msgspec's typed structs read what SDKs send, fast. Whatever they object to (a number
where text belongs, a NaN literal, a lone surrogate) is read again by `lenient.py`, which refuses
single records rather than the request.
"""

import base64
import binascii
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from ingest.otlp import lenient
from ingest.otlp.records import (
    INT64,
    MAX_DEPTH,
    Batch,
    DecodeError,
    Record,
    Resource,
    SharedAttributes,
    bound_objects,
    bound_records,
    valid_id,
)

Message = TypeVar("Message")
Number = int | float | str | None  # 64-bit integers and doubles come as numbers or as text
Groups = Sequence[tuple[Any, Sequence[tuple[Any, list[Any] | None]]]]  # (resource, (scope, records)…)…
ReadAttributes = Callable[[list[Any] | None], dict[str, Any]]


class AnyValue(msgspec.Struct, rename="camel", gc=False):
    string_value: str | None = None
    int_value: Number = None
    double_value: Number = None
    bool_value: bool | None = None
    array_value: "ArrayValue | None" = None
    kvlist_value: "KeyValueList | None" = None
    bytes_value: str | None = None


class ArrayValue(msgspec.Struct, gc=False):
    values: list[AnyValue | None] | None = None


class KeyValue(msgspec.Struct, gc=False):
    key: str | None = None
    value: AnyValue | None = None


class KeyValueList(msgspec.Struct, gc=False):
    values: list[KeyValue] | None = None


class ResourceMessage(msgspec.Struct):
    attributes: list[msgspec.Raw] | None = None  # read by `SharedAttributes`: most come often


class ReadResource(msgspec.Struct):
    attributes: list[KeyValue] | None = None


class Scope(msgspec.Struct):
    name: str | None = None


class Status(msgspec.Struct, gc=False):
    code: int | str | None = None


class SpanFields(msgspec.Struct, rename="camel", gc=False):
    trace_id: str | None = None
    span_id: str | None = None
    name: str | None = None
    kind: int | str | None = None
    start_time_unix_nano: Number = None
    end_time_unix_nano: Number = None
    status: Status | None = None


class Span(SpanFields, gc=False):
    start_time_unix_nano: int | float | None = None  # text of digits is read as a number, by the decoder
    end_time_unix_nano: int | float | None = None
    attributes: list[msgspec.Raw] | None = None


class ReadSpan(SpanFields, gc=False):
    attributes: list[KeyValue] | None = None


class LogFields(msgspec.Struct, rename="camel", gc=False):
    time_unix_nano: Number = None
    observed_time_unix_nano: Number = None
    body: AnyValue | None = None
    trace_id: str | None = None
    span_id: str | None = None
    event_name: str | None = None


class LogRecord(LogFields, gc=False):
    attributes: list[msgspec.Raw] | None = None


class ReadLogRecord(LogFields, gc=False):
    attributes: list[KeyValue] | None = None


class ScopeSpans(msgspec.Struct):
    scope: Scope | None = None
    spans: list[Span] | None = None


class ScopeLogs(msgspec.Struct, rename="camel"):
    scope: Scope | None = None
    log_records: list[LogRecord] | None = None


class ResourceSpans(msgspec.Struct, rename="camel"):
    resource: ResourceMessage | None = None
    scope_spans: list[ScopeSpans] | None = None


class ResourceLogs(msgspec.Struct, rename="camel"):
    resource: ResourceMessage | None = None
    scope_logs: list[ScopeLogs] | None = None


class TracesRequest(msgspec.Struct, rename="camel"):
    resource_spans: list[ResourceSpans] | None = None


class LogsRequest(msgspec.Struct, rename="camel"):
    resource_logs: list[ResourceLogs] | None = None


UINT64_MAX = 2**64 - 1
INFINITY = float("inf")
_TRACES = msgspec.json.Decoder(TracesRequest, strict=False)
_LOGS = msgspec.json.Decoder(LogsRequest)
_ATTRIBUTE = msgspec.json.Decoder(KeyValue)
_OBJECTIONS = (msgspec.MsgspecError, UnicodeDecodeError)  # of the fast reader
_SPANS = lenient.Shape("resourceSpans", "scopeSpans", "spans", ReadResource, Scope, ReadSpan)
_LOG_RECORDS = lenient.Shape("resourceLogs", "scopeLogs", "logRecords", ReadResource, Scope, ReadLogRecord)
_KIND_NAMES = {
    f"SPAN_KIND_{name}": number
    for number, name in enumerate(("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"))
}


def decode_traces(body: bytes) -> Batch:
    """The spans of an ExportTraceServiceRequest. Raises `DecodeError`."""
    return _decode(body, _trace_groups, _SPANS, _spans)


def decode_logs(body: bytes) -> Batch:
    """The log records of an ExportLogsServiceRequest. Raises `DecodeError`."""
    return _decode(body, _log_groups, _LOG_RECORDS, _log_records)


def _decode(
    body: bytes,
    parse: Callable[[bytes], Groups],
    shape: lenient.Shape,
    records: Callable[[Groups, ReadAttributes], Iterator[Record]],
) -> Batch:
    bound_objects(body)
    try:
        groups = parse(body)
    except RecursionError:
        raise DecodeError("the body is nested too deeply") from None
    except _OBJECTIONS:
        carefully, malformed = lenient.decode(body, shape)
        return Batch(records(carefully, attributes_from), malformed)
    bound_records(len(items or ()) for _, scopes in groups for _, items in scopes)
    batch = Batch(iter(()))
    batch.records = _fast_records(batch, groups, body, shape, records)
    return batch


def _fast_records(
    batch: Batch,
    groups: Groups,
    body: bytes,
    shape: lenient.Shape,
    records: Callable[[Groups, ReadAttributes], Iterator[Record]],
) -> Iterator[Record]:
    """The records. Where an attribute is objected to, the careful reader takes over from its record on."""
    attribute = SharedAttributes(_attribute).__getitem__
    made = 0
    try:
        for record in records(groups, lambda encoded: dict(map(attribute, map(bytes, encoded or ())))):
            yield record
            made += 1
    except RecursionError:
        raise DecodeError("the body is nested too deeply") from None
    except _OBJECTIONS:
        carefully, batch.malformed = lenient.decode(body, shape)
        # What the fast reader takes the careful one takes: those before are the same.
        yield from itertools.islice(records(carefully, attributes_from), made, None)


def _trace_groups(body: bytes) -> Groups:
    return [
        (group.resource, [(some.scope, some.spans) for some in group.scope_spans or ()])
        for group in _TRACES.decode(body).resource_spans or ()
    ]


def _log_groups(body: bytes) -> Groups:
    return [
        (group.resource, [(some.scope, some.log_records) for some in group.scope_logs or ()])
        for group in _LOGS.decode(body).resource_logs or ()
    ]


def _spans(groups: Groups, attributes: ReadAttributes) -> Iterator[Record]:
    """Field for field: `Span`."""
    sent_trace_id: str | None = None
    trace_id = ""
    for resource_message, scopes in groups:
        resource = Resource(attributes(resource_message.attributes) if resource_message else {})
        for scope_message, spans in scopes:
            scope = (scope_message.name or "") if scope_message else ""
            for span in _taken(spans):
                if span.trace_id != sent_trace_id:  # those of a trace come one after another
                    sent_trace_id, trace_id = span.trace_id, valid_id(span.trace_id or "", 32)
                yield Record(
                    True,
                    resource,
                    scope,
                    span.name or "",
                    attributes(span.attributes),
                    None,
                    _enum(span.kind),
                    _nanoseconds(span.start_time_unix_nano),
                    _nanoseconds(span.end_time_unix_nano),
                    0,
                    trace_id,
                    valid_id(span.span_id or "", 16),
                    _enum(span.status.code) if span.status else 0,
                )


def _log_records(groups: Groups, attributes: ReadAttributes) -> Iterator[Record]:
    """Field for field: `LogRecord`."""
    for resource_message, scopes in groups:
        resource = Resource(attributes(resource_message.attributes) if resource_message else {})
        for scope_message, logs in scopes:
            scope = (scope_message.name or "") if scope_message else ""
            for log in _taken(logs):
                yield Record(
                    False,
                    resource,
                    scope,
                    log.event_name or "",
                    attributes(log.attributes),
                    value_from(log.body) if log.body else None,
                    0,
                    _nanoseconds(log.time_unix_nano),
                    0,
                    _nanoseconds(log.observed_time_unix_nano),
                    valid_id(log.trace_id or "", 32),
                    valid_id(log.span_id or "", 16),
                    0,
                )


def _taken(messages: list[Message] | None) -> Iterator[Message]:
    """The messages, each let go before the next: a large request is never there twice."""
    if messages:
        messages.reverse()
        while messages:
            yield messages.pop()


def attributes_from(pairs: list[KeyValue] | None) -> dict[str, Any]:
    """Attributes as a dict; of equal keys the last one counts."""
    if not pairs:
        return {}
    return {
        pair.key or "": None
        if (value := pair.value) is None
        else value_from(value)
        if (text := value.string_value) is None
        else text
        for pair in pairs
    }


def _attribute(encoded: bytes) -> tuple[str, Any]:
    pair = _ATTRIBUTE.decode(encoded)
    return pair.key or "", value_from(pair.value) if pair.value else None


def value_from(value: AnyValue, depth: int = 0) -> Any:
    """An AnyValue as a Python value. Empty, nested too deeply or of an unknown kind: None."""
    if value.string_value is not None:
        return value.string_value
    if value.int_value is not None:
        return _integer(value.int_value)
    if value.bool_value is not None:
        return value.bool_value
    if value.double_value is not None:
        return _double(value.double_value)
    if depth >= MAX_DEPTH:
        return None
    if value.array_value is not None:
        return [value_from(one, depth + 1) if one else None for one in value.array_value.values or ()]
    if value.kvlist_value is not None:
        pairs = value.kvlist_value.values or ()
        return {pair.key or "": value_from(pair.value, depth + 1) if pair.value else None for pair in pairs}
    return _bytes(value.bytes_value) if value.bytes_value is not None else None


def _integer(value: int | float | str) -> int | float | None:
    """int64, as a number or decimal text. JavaScript sends a large one as 1e+21: kept as a double."""
    if isinstance(value, str):
        digits = value[1:] if value[:1] == "-" else value
        if not (digits.isascii() and digits.isdecimal()) or len(digits) > 19:
            return None
        value = int(value)
    elif isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        value = int(value)
    return value if isinstance(value, float) or value in INT64 else _double(value)


def _double(value: int | float | str) -> float | None:
    """A double, as a number, as text, or as one of the three words of ProtoJSON."""
    try:
        return float(value) if not isinstance(value, str) or (value.isascii() and len(value) < 400) else None
    except (ValueError, OverflowError):
        return None


def _nanoseconds(value: Number) -> int:
    """fixed64. What is no number, or negative, is a time of 0: absent. What is too large stays too large."""
    if type(value) is int and 0 < value <= UINT64_MAX:
        return value
    if isinstance(value, str):
        if not (value.isascii() and value.isdecimal()) or len(value) > 40:
            return 0
        number = int(value)
    elif value and 0 < value < INFINITY:
        number = int(value)
    else:
        return 0
    return number if number <= UINT64_MAX else UINT64_MAX


def _enum(value: int | str | None) -> int:
    """An enum's number. Senders must not write its name; some do, and its meaning is plain."""
    if type(value) is int:
        return value
    if isinstance(value, str):
        digits = value.isascii() and value.isdecimal() and len(value) <= 10
        value = int(value) if digits else _KIND_NAMES.get(value)
    return value or 0


def _bytes(text: str) -> bytes | None:
    """Base64, standard or URL-safe, padded or not."""
    try:
        return base64.b64decode(
            text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True
        )
    except (binascii.Error, ValueError):
        return None
