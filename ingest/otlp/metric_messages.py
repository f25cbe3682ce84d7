"""The messages of metrics in OTLP/JSON, as msgspec reads and checks them. Nothing of them is kept.

Of a `Metric` all points are read at once; a `LooseMetric` holds them as they were sent, for the careful
reader.
"""

from typing import Annotated, Any, Generic, TypeVar

import msgspec

from ingest.otlp.json_messages import Enum, Int32, KeyValue, Uint32

Uint64 = Annotated[int, msgspec.Meta(ge=0)]  # msgspec knows no larger bound: see `metrics.py`
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Message(msgspec.Struct, rename="camel", gc=False):
    """Names in camel case."""


class Exemplar(Message, gc=False):
    filtered_attributes: list[KeyValue] | None = None
    time_unix_nano: Uint64 | None = None
    as_double: float | None = None
    as_int: Int64 | None = None
    span_id: str | None = None
    trace_id: str | None = None


class Point(Message, gc=False):
    """What data points of every kind have."""

    attributes: list[KeyValue] | None = None
    start_time_unix_nano: Uint64 | None = None
    time_unix_nano: Uint64 | None = None
    flags: Uint32 | None = None


class NumberPoint(Point, gc=False):
    as_double: float | None = None
    as_int: Int64 | None = None
    exemplars: list[Exemplar] | None = None


class SummedPoint(Point, gc=False):
    count: Uint64 | None = None
    sum: float | None = None


class HistogramPoint(SummedPoint, gc=False):
    bucket_counts: list[Uint64] | None = None
    explicit_bounds: list[float] | None = None
    exemplars: list[Exemplar] | None = None
    min: float | None = None
    max: float | None = None


class Buckets(Message, gc=False):
    offset: Int32 | None = None
    bucket_counts: list[Uint64] | None = None


class ExponentialHistogramPoint(SummedPoint, gc=False):
    scale: Int32 | None = None
    zero_count: Uint64 | None = None
    positive: Buckets | None = None
    negative: Buckets | None = None
    exemplars: list[Exemplar] | None = None
    min: float | None = None
    max: float | None = None
    zero_threshold: float | None = None


class Quantile(Message, gc=False):
    quantile: float | None = None
    value: float | None = None


class SummaryPoint(SummedPoint, gc=False):
    quantile_values: list[Quantile] | None = None


P = TypeVar("P")


class Points(Message, Generic[P]):
    """What a metric holds: its points, and how they add up."""

    data_points: list[P] | None = None
    aggregation_temporality: Enum = None
    is_monotonic: bool | None = None


class MetricFields(Message):
    name: str | None = None
    description: str | None = None
    unit: str | None = None
    metadata: list[KeyValue] | None = None


class Metric(MetricFields):
    gauge: Points[NumberPoint] | None = None
    sum: Points[NumberPoint] | None = None
    histogram: Points[HistogramPoint] | None = None
    exponential_histogram: Points[ExponentialHistogramPoint] | None = None
    summary: Points[SummaryPoint] | None = None


class LooseMetric(MetricFields):
    gauge: Points[Any] | None = None
    sum: Points[Any] | None = None
    histogram: Points[Any] | None = None
    exponential_histogram: Points[Any] | None = None
    summary: Points[Any] | None = None


POINTS: dict[str, type[Point]] = {
    "gauge": NumberPoint,
    "sum": NumberPoint,
    "histogram": HistogramPoint,
    "exponential_histogram": ExponentialHistogramPoint,
    "summary": SummaryPoint,
}


class ScopeMetrics(Message):
    metrics: list[msgspec.Raw] | None = None


class ResourceMetrics(Message):
    scope_metrics: list[ScopeMetrics] | None = None


class MetricsRequest(Message):
    resource_metrics: list[ResourceMetrics] | None = None
