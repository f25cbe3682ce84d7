"""Counts the data points of metrics. None is kept, but the answer must say how many were refused."""

import json
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import DecodeError as ProtobufDecodeError
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from ingest.otlp import slices
from ingest.otlp.records import DecodeError, bound_objects

KINDS = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")


def count_protobuf(body: bytes) -> int:
    """The number of data points in an ExportMetricsServiceRequest. Raises `DecodeError`."""
    try:
        return sum(
            len(getattr(metric, kind).data_points)
            for metric in _metrics(body)
            if (kind := metric.WhichOneof("data"))
        )
    except (ProtobufDecodeError, RecursionError):
        raise DecodeError("the body is not an ExportMetricsServiceRequest in protobuf") from None


def _metrics(body: bytes) -> Iterator[Metric]:
    """The metrics, one at a time: parsed whole, a body of empty ones would fill memory (`slices.py`)."""
    for _, scopes in slices.groups(body):
        for _, metrics in scopes:
            yield from map(Metric.FromString, metrics)


def count_json(body: bytes) -> int:
    """The number of data points in a metrics request in JSON. Raises `DecodeError`."""
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
