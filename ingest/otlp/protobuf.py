"""OTLP/protobuf into records, the same ones as `json.py` makes. protobuf's C library upb parses."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from google.protobuf.message import DecodeError as ProtobufDecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanParts

from ingest.otlp import exceptions, more, slices
from ingest.otlp.more import SentEvent, SentLink, SentScope, scope_of
from ingest.otlp.records import (
    FAILED,
    INTERNAL,
    MAX_DEPTH,
    NOTHING_MORE,
    PARENT_IS_REMOTE,
    Batch,
    DecodeError,
    Record,
    Resource,
    SharedAttributes,
    bound_records,
)
from ingest.otlp.undecoded import LogRecord, LogsData, Span, TracesData
from ingest.otlp.undecoded import Resource as ResourceMessage
from ingest.otlp.undecoded import Scope as ScopeMessage

MAX_WHOLE = 256 * 1024  # bytes; a larger body is parsed record by record


def decode_traces(body: bytes) -> Batch:
    """The spans of an ExportTraceServiceRequest. Raises `DecodeError`."""
    if len(body) > MAX_WHOLE:
        return Batch(_one_by_one(body, Span.FromString, _span))
    try:
        request = TracesData.FromString(body)
    except (ProtobufDecodeError, RecursionError):
        raise DecodeError("the body is not an ExportTraceServiceRequest in protobuf") from None
    bound_records(len(scope.spans) for group in request.resource_spans for scope in group.scope_spans)
    return Batch(_spans(request))


def decode_logs(body: bytes) -> Batch:
    """The log records of an ExportLogsServiceRequest. Raises `DecodeError`."""
    if len(body) > MAX_WHOLE:
        return Batch(_one_by_one(body, LogRecord.FromString, _log_record))
    try:
        request = LogsData.FromString(body)
    except (ProtobufDecodeError, RecursionError):
        raise DecodeError("the body is not an ExportLogsServiceRequest in protobuf") from None
    bound_records(len(scope.log_records) for group in request.resource_logs for scope in group.scope_logs)
    return Batch(_log_records(request))


def _spans(request: Any) -> Iterator[Record]:
    attribute = SharedAttributes(_attribute).__getitem__
    for group in request.resource_spans:
        resource = Resource(attributes_from(group.resource.attributes))
        for scope_spans in group.scope_spans:
            scope = _scope(scope_spans.scope, group.resource)
            for span in scope_spans.spans:
                yield _span(span, resource, scope, attribute)


def _log_records(request: Any) -> Iterator[Record]:
    attribute = SharedAttributes(_attribute).__getitem__
    for group in request.resource_logs:
        resource = Resource(attributes_from(group.resource.attributes))
        for scope_logs in group.scope_logs:
            scope = _scope(scope_logs.scope, group.resource)
            for log in scope_logs.log_records:
                yield _log_record(log, resource, scope, attribute)


def _one_by_one(
    body: bytes, parse: Callable[[bytes], Any], convert: Callable[..., Record]
) -> Iterator[Record]:
    """The records of a large body, one in memory at a time."""
    attribute = SharedAttributes(_attribute).__getitem__
    try:
        for sent_resource, scopes in slices.groups(body):
            message = ResourceMessage.FromString(sent_resource)
            resource = Resource(attributes_from(message.attributes))
            for sent_scope, records in scopes:
                scope = _scope(ScopeMessage.FromString(sent_scope), message)
                for record in records:
                    yield convert(parse(record), resource, scope, attribute)
    except (ProtobufDecodeError, RecursionError):
        raise DecodeError("the body is not an export request in protobuf") from None


def _scope(scope: Any, resource: Any) -> SentScope:
    return scope_of(
        name=scope.name,
        version=scope.version,
        attributes=attributes_from(scope.attributes),
        dropped_attributes=scope.dropped_attributes_count,
        dropped_of_resource=resource.dropped_attributes_count,
    )


def _span(
    span: Any, resource: Resource, scope: SentScope, attribute: Callable[[bytes], tuple[str, Any]]
) -> Record:
    trace_id, span_id = hex_id(span.trace_id, 16), hex_id(span.span_id, 8)
    attributes, status = dict(map(attribute, span.attributes[:])), span.status.code
    if status == FAILED and span.events and trace_id and span_id:
        _add_error_type(attributes, span.events)
    return Record(
        True,
        resource,
        scope.name,
        span.name,
        attributes,
        None,
        span.kind,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        0,
        trace_id,
        span_id,
        status,
        NOTHING_MORE if trace_id and span_id else _more_of_span(span, scope),
        span.kind == INTERNAL and _is_inner(span),
    )


def _add_error_type(attributes: dict[str, Any], events: Sequence[bytes]) -> None:
    """Add the class of the exception in a failed span's events. What is no event is passed over."""
    if not exceptions.wants_type(attributes):
        return
    for encoded in reversed(events[-exceptions.LOOKED_AT :]):
        with suppress(ProtobufDecodeError):
            event = SpanParts.Event.FromString(encoded)
            for pair in event.attributes if event.name == exceptions.EXCEPTION else ():
                if pair.key == exceptions.TYPE and pair.value.string_value:
                    attributes[exceptions.ERROR_TYPE] = pair.value.string_value
                    return


def _is_inner(span: Any) -> bool:
    return not span.flags & PARENT_IS_REMOTE and hex_id(span.parent_span_id, 8) != ""


def _more_of_span(span: Any, scope: SentScope) -> dict[str, Any]:
    return more.of_span(
        scope,
        parent=hex_id(span.parent_span_id, 8),
        trace_state=span.trace_state,
        flags=span.flags,
        status_message=span.status.message,
        events=map(_event, span.events),
        links=map(_link, span.links),
        dropped=(span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count),
    )


def _event(encoded: bytes) -> SentEvent:
    event = _part(SpanParts.Event, encoded)
    return SentEvent(
        event.time_unix_nano, event.name, attributes_from(event.attributes), event.dropped_attributes_count
    )


def _link(encoded: bytes) -> SentLink:
    link = _part(SpanParts.Link, encoded)
    return SentLink(
        hex_id(link.trace_id, 16),
        hex_id(link.span_id, 8),
        link.trace_state,
        attributes_from(link.attributes),
        link.dropped_attributes_count,
        link.flags,
    )


def _part(kind: Any, encoded: bytes) -> Any:
    try:
        return kind.FromString(encoded)
    except ProtobufDecodeError:
        raise DecodeError("an event or link of a span is not one in protobuf") from None


def _log_record(
    log: Any, resource: Resource, scope: SentScope, attribute: Callable[[bytes], tuple[str, Any]]
) -> Record:
    return Record(
        False,
        resource,
        scope.name,
        log.event_name,
        dict(map(attribute, log.attributes[:])),
        value_from(log.body) if log.HasField("body") else None,
        0,
        log.time_unix_nano,
        0,
        log.observed_time_unix_nano,
        hex_id(log.trace_id, 16),
        hex_id(log.span_id, 8),
        0,
        more.of_log(scope, log.severity_number, log.severity_text, log.flags, log.dropped_attributes_count),
    )


def _attribute(encoded: bytes) -> tuple[str, Any]:
    try:
        return attribute_from(KeyValue.FromString(encoded))
    except ProtobufDecodeError:
        raise DecodeError("an attribute is not a KeyValue in protobuf") from None


def attributes_from(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes as a dict; of equal keys the last one counts."""
    return dict(map(attribute_from, pairs))


def attribute_from(pair: KeyValue) -> tuple[str, Any]:
    value = pair.value
    # Text is by far the most frequent kind, and reading it is cheaper than asking for the kind.
    return pair.key, value.string_value or value_from(value)


def value_from(value: AnyValue, depth: int = 0) -> Any:
    """An AnyValue as a Python value. Empty, nested too deeply or of an unknown kind: None."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [value_from(one, depth + 1) for one in value.array_value.values] if depth < MAX_DEPTH else None
    if kind == "kvlist_value":
        if depth >= MAX_DEPTH:
            return None
        return {pair.key: value_from(pair.value, depth + 1) for pair in value.kvlist_value.values}
    if kind not in ("string_value", "int_value", "double_value", "bool_value", "bytes_value"):
        return None  # stringValueStrindex belongs to profiles only
    return getattr(value, kind)


def hex_id(raw: bytes, size: int) -> str:
    """An id as hex, or '' when it is absent, of a wrong length or all zeros."""
    return raw.hex() if len(raw) == size and raw.strip(b"\0") else ""
