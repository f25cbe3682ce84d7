"""OTLP/protobuf into records, with upb underneath. Field for field as in `json.py`."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.message import DecodeError as ProtobufDecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from ingest.otlp.records import MAX_DEPTH, Batch, DecodeError, Record, Resource, bound_records


def decode_traces(body: bytes) -> Batch:
    """The spans of an ExportTraceServiceRequest. Raises `DecodeError`."""
    request = ExportTraceServiceRequest()
    _parse(request, body)
    bound_records(len(some.spans) for group in request.resource_spans for some in group.scope_spans)
    records: list[Record] = []
    add = records.append
    for group in request.resource_spans:
        resource = Resource(attributes_from(group.resource.attributes))
        for scope_spans in group.scope_spans:
            scope = scope_spans.scope.name
            for span in scope_spans.spans:
                add(
                    Record(
                        True,
                        resource,
                        scope,
                        span.name,
                        attributes_from(span.attributes),
                        None,
                        span.kind,
                        span.start_time_unix_nano,
                        span.end_time_unix_nano,
                        0,
                        hex_id(span.trace_id, 16),
                        hex_id(span.span_id, 8),
                        span.status.code,
                    )
                )
    return Batch(records, 0)


def decode_logs(body: bytes) -> Batch:
    """The log records of an ExportLogsServiceRequest. Raises `DecodeError`."""
    request = ExportLogsServiceRequest()
    _parse(request, body)
    bound_records(len(some.log_records) for group in request.resource_logs for some in group.scope_logs)
    records: list[Record] = []
    add = records.append
    for group in request.resource_logs:
        resource = Resource(attributes_from(group.resource.attributes))
        for scope_logs in group.scope_logs:
            scope = scope_logs.scope.name
            for log in scope_logs.log_records:
                add(
                    Record(
                        False,
                        resource,
                        scope,
                        log.event_name,
                        attributes_from(log.attributes),
                        value_from(log.body) if log.HasField("body") else None,
                        0,
                        log.time_unix_nano,
                        0,
                        log.observed_time_unix_nano,
                        hex_id(log.trace_id, 16),
                        hex_id(log.span_id, 8),
                        0,
                    )
                )
    return Batch(records, 0)


def _parse(request: ExportTraceServiceRequest | ExportLogsServiceRequest, body: bytes) -> None:
    try:
        request.ParseFromString(body)
    except (ProtobufDecodeError, RecursionError):
        raise DecodeError(f"the body is not a {request.DESCRIPTOR.name} in protobuf") from None


def attributes_from(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes as a dict; of equal keys the last one counts."""
    found: dict[str, Any] = {}
    for pair in pairs:
        value = pair.value
        # Text is by far the most frequent kind, and reading it is cheaper than asking which kind it is.
        found[pair.key] = value.string_value or value_from(value)
    return found


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
    return raw.hex() if len(raw) == size and any(raw) else ""
