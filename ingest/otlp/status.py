"""The answers of OTLP: an Export…ServiceResponse or a google.rpc.Status, in the request's encoding.

The content type has no parameters: the Go SDK and the Collector compare it literally.
"""

from typing import Any

import msgspec
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

JSON = "application/json"
PROTOBUF = "application/x-protobuf"

# google.rpc.Code
INVALID_ARGUMENT, DEADLINE_EXCEEDED, PERMISSION_DENIED, RESOURCE_EXHAUSTED = 3, 4, 7, 8
UNIMPLEMENTED, INTERNAL, UNAVAILABLE, UNAUTHENTICATED = 12, 13, 14, 16

RETRY_INFO = b"type.googleapis.com/google.rpc.RetryInfo"

_RESPONSES: dict[str, tuple[type[Any], str, str]] = {
    "traces": (ExportTraceServiceResponse, "rejected_spans", "rejectedSpans"),
    "logs": (ExportLogsServiceResponse, "rejected_log_records", "rejectedLogRecords"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points", "rejectedDataPoints"),
}


def response(signal: str, encoding: str, rejected: int, message: str) -> bytes:
    """The body of a 200. If nothing was refused, partial_success stays unset (OTLP 1.11, "Full Success")."""
    message_type, field, json_field = _RESPONSES[signal]
    if encoding == JSON:
        if not rejected and not message:
            return b"{}"
        return msgspec.json.encode({"partialSuccess": {json_field: str(rejected), "errorMessage": message}})
    answer = message_type()
    if rejected or message:
        setattr(answer.partial_success, field, rejected)
        answer.partial_success.error_message = message
    return bytes(answer.SerializeToString())


def failure(encoding: str, code: int, message: str) -> bytes:
    """The body of a 4xx or 5xx: google.rpc.Status {code, message}."""
    if encoding == JSON:
        return msgspec.json.encode({"code": code, "message": message})
    text = message.encode()
    return b"\x08" + _varint(code) + b"\x12" + _varint(len(text)) + text


def retry_info(seconds: int) -> bytes:
    """A google.rpc.RetryInfo: how long to wait before sending the request again."""
    delay = b"\x08" + _varint(seconds)
    return b"\x0a" + _varint(len(delay)) + delay


def failure_to_retry(code: int, message: str, retry: bytes) -> bytes:
    """A google.rpc.Status whose details hold this RetryInfo: the trailer `grpc-status-details-bin`."""
    any_message = b"\x0a" + _varint(len(RETRY_INFO)) + RETRY_INFO + b"\x12" + _varint(len(retry)) + retry
    return failure(PROTOBUF, code, message) + b"\x1a" + _varint(len(any_message)) + any_message


def _varint(number: int) -> bytes:
    """A protobuf varint. Written by hand: the class of google.rpc.Status would need one more package."""
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)
