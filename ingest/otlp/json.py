"""OTLP/JSON into records: ProtoJSON with hex ids and numeric enums (OTLP 1.11, "JSON Protobuf Encoding").

There are two readers. msgspec's typed structs are fast, and read what SDKs send. A body that msgspec objects
to (a number where text belongs, a NaN literal, a lone surrogate) is read again by `lenient.py`, which refuses
single records rather than the whole request. What msgspec cannot check (ids, 64-bit times) is checked here,
for both.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from ingest.otlp import exceptions, lenient, more
from ingest.otlp.json_messages import (
    KeyValue,
    LogsRequest,
    ReadLogRecord,
    ReadResource,
    ReadSpan,
    ScopeMessage,
    SpanEvent,
    SpanFields,
    SpanLink,
    TracesRequest,
)
from ingest.otlp.json_values import attributes_from, enum, nanoseconds, value_from
from ingest.otlp.more import SentEvent, SentLink, SentScope, scope_of
from ingest.otlp.records import (
    FAILED,
    INTERNAL,
    NOTHING_MORE,
    PARENT_IS_REMOTE,
    Batch,
    DecodeError,
    Malformed,
    Record,
    Resource,
    SharedAttributes,
    bound_objects,
    bound_records,
    check_hex,
    valid_id,
)

Message = TypeVar("Message")
MakeRecords = Callable[["Groups", "ReadAttributes", Counter[str]], Iterator[Record]]
Groups = Sequence[tuple[Any, Sequence[tuple[Any, list[Any] | None]]]]  # (resource, (scope, records)…)…
ReadAttributes = Callable[[list[Any] | None], dict[str, Any]]


_TRACES = msgspec.json.Decoder(TracesRequest, strict=False)
_LOGS = msgspec.json.Decoder(LogsRequest)
_ATTRIBUTE = msgspec.json.Decoder(KeyValue)
_OBJECTIONS = (msgspec.MsgspecError, UnicodeDecodeError)  # of the fast reader
_SPANS = lenient.SignalFields("resourceSpans", "scopeSpans", "spans", ReadResource, ScopeMessage, ReadSpan)
_LOG_RECORDS = lenient.SignalFields(
    "resourceLogs", "scopeLogs", "logRecords", ReadResource, ScopeMessage, ReadLogRecord
)


def decode_traces(body: bytes) -> Batch:
    """The spans of an ExportTraceServiceRequest. Raises `DecodeError`."""
    return _decode(body, _trace_groups, _SPANS, _spans)


def decode_logs(body: bytes) -> Batch:
    """The log records of an ExportLogsServiceRequest. Raises `DecodeError`."""
    return _decode(body, _log_groups, _LOG_RECORDS, _log_records)


def _decode(
    body: bytes,
    parse: Callable[[bytes], Groups],
    fields: lenient.SignalFields,
    records: MakeRecords,
) -> Batch:
    bound_objects(body)
    try:
        groups = parse(body)
    except RecursionError:
        raise DecodeError("the body is nested too deeply") from None
    except _OBJECTIONS:
        reread, malformed = lenient.decode(body, fields)
        return Batch(records(reread, attributes_from, malformed), malformed)
    bound_records(len(items or ()) for _, scopes in groups for _, items in scopes)
    batch = Batch(iter(()))
    batch.records = _fast_records(batch, groups, body, fields, records)
    return batch


def _fast_records(
    batch: Batch,
    groups: Groups,
    body: bytes,
    fields: lenient.SignalFields,
    records: MakeRecords,
) -> Iterator[Record]:
    """The records. If the fast reader objects to an attribute, the careful one takes over at that record."""
    attribute = SharedAttributes(_attribute).__getitem__
    done = 0
    try:
        read = records(
            groups, lambda encoded: dict(map(attribute, map(bytes, encoded or ()))), batch.malformed
        )
        for record in read:
            yield record
            done += 1
    except RecursionError:
        raise DecodeError("the body is nested too deeply") from None
    except _OBJECTIONS:
        reread, batch.malformed = lenient.decode(body, fields)
        # Whatever the fast reader reads, the careful one reads alike: the records before are the same.
        yield from itertools.islice(records(reread, attributes_from, batch.malformed), done, None)


def _trace_groups(body: bytes) -> Groups:
    return [
        (group.resource, [(scope_spans.scope, scope_spans.spans) for scope_spans in group.scope_spans or ()])
        for group in _TRACES.decode(body).resource_spans or ()
    ]


def _log_groups(body: bytes) -> Groups:
    return [
        (
            group.resource,
            [(scope_logs.scope, scope_logs.log_records) for scope_logs in group.scope_logs or ()],
        )
        for group in _LOGS.decode(body).resource_logs or ()
    ]


def _spans(groups: Groups, attributes: ReadAttributes, malformed: Counter[str]) -> Iterator[Record]:
    """The fields of each `Record`, in its order, from a span. Counts the malformed ones."""
    sent_trace_id: str | None = None
    trace_id = ""
    for resource, scope, spans in _shared(groups, attributes, malformed):
        for span in _taken(spans):
            try:
                if span.trace_id != sent_trace_id:  # spans of one trace mostly follow one another
                    trace_id = valid_id(span.trace_id, 32, "traceId")
                    sent_trace_id = span.trace_id
                span_id = valid_id(span.span_id, 16, "spanId")
                if parent := span.parent_span_id:
                    check_hex(parent, "parentSpanId")
                if span.events or span.links:
                    _check_parts(span)
                kind = enum(span.kind, "kind")
                status = enum(span.status.code, "status.code") if span.status else 0
                sent = attributes(span.attributes)
                if status == FAILED and span.events and trace_id and span_id:
                    sent = _with_error_type(sent, span.events)
                record = Record(
                    True,
                    resource,
                    scope.name,
                    span.name or "",
                    sent,
                    None,
                    kind,
                    nanoseconds(span.start_time_unix_nano, "startTimeUnixNano"),
                    nanoseconds(span.end_time_unix_nano, "endTimeUnixNano"),
                    0,
                    trace_id,
                    span_id,
                    status,
                    NOTHING_MORE if trace_id and span_id else _more_of_span(span, scope),
                    kind == INTERNAL and _is_inner(span),
                )
            except Malformed as fault:
                malformed[fault.field] += 1
                continue
            yield record


def _with_error_type(attributes: dict[str, Any], events: list[SpanEvent]) -> dict[str, Any]:
    """A failed span's attributes, and the class of the exception in its events."""
    if exceptions.wants_type(attributes):
        for event in reversed(events[-exceptions.LOOKED_AT :]):
            for pair in (event.attributes or ()) if event.name == exceptions.EXCEPTION else ():
                if pair.key == exceptions.TYPE and pair.value and pair.value.string_value:
                    return {**attributes, exceptions.ERROR_TYPE: pair.value.string_value}
    return attributes


def _is_inner(span: Any) -> bool:
    is_remote = (span.flags or 0) & PARENT_IS_REMOTE
    return not is_remote and valid_id(span.parent_span_id, 16, "parentSpanId") != ""


def _log_records(groups: Groups, attributes: ReadAttributes, malformed: Counter[str]) -> Iterator[Record]:
    """The fields of each `Record`, in its order, from a log record. Counts the malformed ones."""
    for resource, scope, logs in _shared(groups, attributes, malformed):
        for log in _taken(logs):
            try:
                record = Record(
                    False,
                    resource,
                    scope.name,
                    log.event_name or "",
                    attributes(log.attributes),
                    value_from(log.body) if log.body else None,
                    0,
                    nanoseconds(log.time_unix_nano, "timeUnixNano"),
                    0,
                    nanoseconds(log.observed_time_unix_nano, "observedTimeUnixNano"),
                    valid_id(log.trace_id, 32, "traceId"),
                    valid_id(log.span_id, 16, "spanId"),
                    0,
                    more.of_log(
                        scope,
                        enum(log.severity_number, "severityNumber"),
                        log.severity_text,
                        log.flags or 0,
                        log.dropped_attributes_count or 0,
                    ),
                )
            except Malformed as fault:
                malformed[fault.field] += 1
                continue
            yield record


def _shared(
    groups: Groups, attributes: ReadAttributes, malformed: Counter[str]
) -> Iterator[tuple[Resource, SentScope, list[Any] | None]]:
    """Resource and scope, each with the messages that share them. Counts those whose own is malformed."""
    for resource_message, scopes in groups:
        try:
            resource = Resource(attributes(resource_message.attributes) if resource_message else {})
        except Malformed as fault:
            malformed[f"resource.{fault.field}"] += sum(len(items or ()) for _, items in scopes)
            continue
        for scope_message, items in scopes:
            try:
                scope = _scope(scope_message, resource_message)
            except Malformed as fault:
                malformed[f"scope.{fault.field}"] += len(items or ())
                continue
            yield resource, scope, items


def _check_parts(span: SpanFields) -> None:
    """Check what is read of spans without ids only. Raises `Malformed`."""
    for event in span.events or ():
        nanoseconds(event.time_unix_nano, "events.timeUnixNano")
    for link in span.links or ():
        valid_id(link.trace_id, 32, "links.traceId")
        valid_id(link.span_id, 16, "links.spanId")


def _scope(scope: ScopeMessage | None, resource: Any) -> SentScope:
    sent = scope or ScopeMessage()
    return scope_of(
        name=sent.name,
        version=sent.version,
        attributes=attributes_from(sent.attributes),
        dropped_attributes=sent.dropped_attributes_count or 0,
        dropped_of_resource=resource.dropped_attributes_count or 0 if resource else 0,
    )


def _more_of_span(span: SpanFields, scope: SentScope) -> dict[str, Any]:
    return more.of_span(
        scope,
        parent=valid_id(span.parent_span_id, 16, "parentSpanId"),
        trace_state=span.trace_state,
        flags=span.flags or 0,
        status_message=span.status.message if span.status else "",
        events=map(_event, span.events or ()),
        links=map(_link, span.links or ()),
        dropped=(
            span.dropped_attributes_count or 0,
            span.dropped_events_count or 0,
            span.dropped_links_count or 0,
        ),
    )


def _event(event: SpanEvent) -> SentEvent:
    return SentEvent(
        nanoseconds(event.time_unix_nano, "events.timeUnixNano"),
        event.name or "",
        attributes_from(event.attributes),
        event.dropped_attributes_count or 0,
    )


def _link(link: SpanLink) -> SentLink:
    return SentLink(
        valid_id(link.trace_id, 32, "links.traceId"),
        valid_id(link.span_id, 16, "links.spanId"),
        link.trace_state or "",
        attributes_from(link.attributes),
        link.dropped_attributes_count or 0,
        link.flags or 0,
    )


def _taken(messages: list[Message] | None) -> Iterator[Message]:
    """The messages, each released before the next: a large request is never in memory twice."""
    if messages:
        messages.reverse()
        while messages:
            yield messages.pop()


def _attribute(encoded: bytes) -> tuple[str, Any]:
    pair = _ATTRIBUTE.decode(encoded)
    return pair.key or "", value_from(pair.value) if pair.value else None
