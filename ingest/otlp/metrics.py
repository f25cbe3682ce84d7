"""Counts the data points of metrics. None is kept, but the answer must say how many were refused, and why."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from google.protobuf.message import DecodeError as ProtobufDecodeError
from opentelemetry.proto.metrics.v1 import metrics_pb2

from ingest.otlp import lenient, slices
from ingest.otlp.json_values import UINT64_MAX, enum
from ingest.otlp.metric_messages import POINTS, LooseMetric, Metric, MetricsRequest, Points
from ingest.otlp.records import DecodeError, Malformed, bound_objects, valid_id

KINDS = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")
_REQUEST = msgspec.json.Decoder(MetricsRequest)
_METRIC = msgspec.json.Decoder(Metric, strict=False)
_OBJECTIONS = (msgspec.MsgspecError, UnicodeDecodeError)
_ID_DIGITS = {"traceId": 32, "spanId": 16}
_UNCHECKED = ("attributes", "filteredAttributes", "metadata")  # any number may be in their values


class PointCount(NamedTuple):
    """How many data points are sound, and how many malformed, by the field at fault."""

    sound: int
    malformed: Counter[str]


def count_protobuf(body: bytes) -> PointCount:
    """The data points in an ExportMetricsServiceRequest. Raises `DecodeError`."""
    try:
        number = sum(
            len(getattr(metric, kind).data_points)
            for metric in _metrics(body)
            if (kind := metric.WhichOneof("data"))
        )
    except (ProtobufDecodeError, RecursionError):
        raise DecodeError("the body is not an ExportMetricsServiceRequest in protobuf") from None
    return PointCount(number, Counter())


def _metrics(body: bytes) -> Iterator[metrics_pb2.Metric]:
    """The metrics, one at a time: parsed whole, a body of empty ones would fill memory (`slices.py`)."""
    for _, scopes in slices.groups(body):
        for _, metrics in scopes:
            yield from map(metrics_pb2.Metric.FromString, metrics)


def count_json(body: bytes) -> PointCount:
    """The data points in a metrics request in JSON. Raises `DecodeError`."""
    bound_objects(body)
    malformed: Counter[str] = Counter()
    try:
        return PointCount(sum(_sound_points(raw, malformed) for raw in _raw_metrics(body)), malformed)
    except RecursionError:
        raise DecodeError("the body is nested too deeply") from None
    except _OBJECTIONS:
        malformed.clear()
    sent = (
        metric
        for group in lenient.items_of(lenient.parse(body), "resourceMetrics")
        for scope in lenient.items_of(group, "scopeMetrics")
        for metric in lenient.items_of(scope, "metrics")
    )
    return PointCount(sum(_carefully(metric, malformed) for metric in sent), malformed)


def _raw_metrics(body: bytes) -> Iterator[bytes]:
    for group in _REQUEST.decode(body).resource_metrics or ():
        for scope in group.scope_metrics or ():
            yield from map(bytes, scope.metrics or ())


def _sound_points(encoded: bytes, malformed: Counter[str]) -> int:
    """How many points of a metric are sound; counts the others. Raises what msgspec raises."""
    try:
        metric = _METRIC.decode(encoded)
    except msgspec.ValidationError:
        return _carefully(msgspec.json.decode(encoded), malformed)
    return _add_up(metric, malformed, lambda point, kind: _check(point))


def _carefully(sent: Any, malformed: Counter[str]) -> int:
    """The same, point by point. A metric that is malformed itself takes all of its points."""
    try:
        metric = lenient.convert(sent, LooseMetric, "metrics")
    except Malformed as fault:
        field = fault.field if fault.field == "metrics" else f"metrics.{fault.field}"
        malformed[field] += sum(_length(sent, kind) for kind in KINDS)
        return 0
    return _add_up(metric, malformed, lambda point, kind: _check(lenient.convert(point, POINTS[kind], "")))


def _add_up(metric: Any, malformed: Counter[str], check: Any) -> int:
    sound = 0
    for kind in POINTS:
        points: Points[Any] | None = getattr(metric, kind)
        if points is None:
            continue
        try:
            enum(points.aggregation_temporality, f"metrics.{kind}.aggregationTemporality")
        except Malformed as fault:
            malformed[fault.field] += len(points.data_points or ())
            continue
        for point in points.data_points or ():
            try:
                check(point, kind)
                sound += 1
            except Malformed as fault:
                malformed[".".join(filter(None, ("dataPoints", fault.field)))] += 1
    return sound


def _check(message: msgspec.Struct, path: str = "") -> None:
    """What msgspec cannot check: 64 bits without a sign, and ids. Raises `Malformed`."""
    names = zip(message.__struct_fields__, message.__struct_encode_fields__, strict=True)
    for name, sent_name in names:
        if sent_name in _UNCHECKED:
            continue
        value, field = getattr(message, name), f"{path}{sent_name}"
        if sent_name in _ID_DIGITS:
            valid_id(value, _ID_DIGITS[sent_name], field)
        for one in value if isinstance(value, list) else (value,):
            if isinstance(one, msgspec.Struct):
                _check(one, f"{field}.")
            elif isinstance(one, int) and one > UINT64_MAX:
                raise Malformed(field)


def _length(metric: Any, kind: str) -> int:
    points = metric.get(kind) if isinstance(metric, dict) else None
    sent = points.get("dataPoints") if isinstance(points, dict) else None
    return len(sent) if isinstance(sent, list) else 0
