"""Metrics are not kept; their data points are counted, for the answer must say how many were refused."""

import json
from typing import Any

from google.protobuf.message import DecodeError as ProtobufDecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from ingest.otlp.records import DecodeError, bound_objects

KINDS = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")


def count_protobuf(body: bytes) -> int:
    """The number of data points in an ExportMetricsServiceRequest. Raises `DecodeError`."""
    try:
        request = ExportMetricsServiceRequest.FromString(body)
    except (ProtobufDecodeError, RecursionError):
        raise DecodeError("the body is not an ExportMetricsServiceRequest in protobuf") from None
    return sum(
        len(getattr(metric, kind).data_points)
        for group in request.resource_metrics
        for scope in group.scope_metrics
        for metric in scope.metrics
        if (kind := metric.WhichOneof("data"))
    )


def count_json(body: bytes) -> int:
    """The same of a request in JSON. Raises `DecodeError`."""
    bound_objects(body)
    try:
        root = json.loads(body.decode("utf-8-sig"), parse_int=float)
    except (ValueError, RecursionError):
        raise DecodeError("the body is not JSON, or is nested too deeply") from None
    if not isinstance(root, dict):
        raise DecodeError("the body is not a JSON object")
    return sum(
        len(_list(metric.get(kind), "dataPoints"))
        for group in _list(root, "resourceMetrics")
        for scope in _list(group, "scopeMetrics")
        for metric in _list(scope, "metrics")
        if isinstance(metric, dict)
        for kind in KINDS
    )


def _list(message: Any, field: str) -> list[Any]:
    value = message.get(field) if isinstance(message, dict) else None
    return value if isinstance(value, list) else []
