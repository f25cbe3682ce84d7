"""The messages of OTLP/JSON as msgspec reads them: only the fields that are used.

Attributes that are `Raw` are decoded later, each distinct one once (`records.SharedAttributes`): most occur
in many records. The `Read…` messages, for the careful reader, decode them at once.
"""

from typing import Annotated

import msgspec

Number = int | float | str | None  # 64-bit integers and doubles come as numbers or as text
Uint32 = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
Enum = Int32 | str | None  # by their numbers; some senders write names


class AnyValue(msgspec.Struct, rename="camel", gc=False):
    string_value: str | None = None
    int_value: Number = None
    double_value: Number = None
    bool_value: bool | str | None = None  # text is refused by itself: see `value_from`
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


class ResourceFields(msgspec.Struct, rename="camel"):
    dropped_attributes_count: Uint32 | None = None


class ResourceMessage(ResourceFields):
    attributes: list[msgspec.Raw] | None = None


class ReadResource(ResourceFields):
    attributes: list[KeyValue] | None = None


class ScopeMessage(msgspec.Struct, rename="camel"):
    name: str | None = None
    version: str | None = None
    attributes: list[KeyValue] | None = None
    dropped_attributes_count: Uint32 | None = None


class SpanStatus(msgspec.Struct, gc=False):
    code: Enum = None
    message: str | None = None


class SpanEvent(msgspec.Struct, rename="camel", gc=False):
    time_unix_nano: Number = None
    name: str | None = None
    attributes: list[KeyValue] | None = None
    dropped_attributes_count: Uint32 | None = None


class SpanLink(msgspec.Struct, rename="camel", gc=False):
    trace_id: str | None = None
    span_id: str | None = None
    trace_state: str | None = None
    attributes: list[KeyValue] | None = None
    dropped_attributes_count: Uint32 | None = None
    flags: Uint32 | None = None


class SpanFields(msgspec.Struct, rename="camel", gc=False):
    trace_id: str | None = None
    span_id: str | None = None
    name: str | None = None
    kind: Enum = None
    start_time_unix_nano: Number = None
    end_time_unix_nano: Number = None
    status: SpanStatus | None = None
    parent_span_id: str | None = None
    trace_state: str | None = None
    flags: Uint32 | None = None
    events: list[SpanEvent] | None = None
    links: list[SpanLink] | None = None
    dropped_attributes_count: Uint32 | None = None
    dropped_events_count: Uint32 | None = None
    dropped_links_count: Uint32 | None = None


class SpanMessage(SpanFields, gc=False):
    start_time_unix_nano: int | float | None = None  # the decoder reads text of digits as a number
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
    severity_number: Enum = None
    severity_text: str | None = None
    flags: Uint32 | None = None
    dropped_attributes_count: Uint32 | None = None


class LogRecord(LogFields, gc=False):
    attributes: list[msgspec.Raw] | None = None


class ReadLogRecord(LogFields, gc=False):
    attributes: list[KeyValue] | None = None


class ScopeSpans(msgspec.Struct):
    scope: ScopeMessage | None = None
    spans: list[SpanMessage] | None = None


class ScopeLogs(msgspec.Struct, rename="camel"):
    scope: ScopeMessage | None = None
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
