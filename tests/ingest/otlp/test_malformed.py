"""What no protobuf message can hold is refused in JSON too: record by record, and the field is named."""

import json
from collections import Counter
from typing import Any

import pytest
from django.test import Client
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from analytics.models import FeatureUsage
from ingest.otlp import json as otlp_json
from ingest.otlp import metrics, protobuf
from ingest.traffic import counting
from tests.support.otlp import a_key, encoded, grant, log, logs, post, span, traces, whole

TRACE, SPAN = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"
LINK = {"traceId": TRACE, "spanId": SPAN}
NOT_HEX = (
    "W47/95gDgQPSabYzgT/GDA==",
    "zz8efff798038103d269b633813fc60c",
    "5b8",
    "abc def0 1234567",
    17,
    True,
)
NOT_TEXT = (5, 1.5, True, ["x"], {})
NOT_A_TIME = ("-1", -1, "18446744073709551616", 2**64, 1.5, "1.5", "soon", "", True, [1], 1e20, "1e20", "1_0")
NOT_32_BITS = (-1, 2**32, "4294967296", "-1", 1.5, "1.5", "", "x", True, [1])
NOT_AN_ENUM = (2**31, -(2**31) - 1, "2147483648", 1.5, "", "high", True, [1])

OF_A_SPAN: dict[str, list[dict[str, Any]]] = {
    **{name: [{name: sent} for sent in NOT_HEX] for name in ("traceId", "spanId", "parentSpanId")},
    "links.traceId": [{"links": [LINK, LINK | {"traceId": sent}]} for sent in NOT_HEX],
    "links.spanId": [{"links": [LINK | {"spanId": sent}]} for sent in NOT_HEX],
    "kind": [{"kind": sent} for sent in NOT_AN_ENUM],
    "status.code": [{"status": {"code": sent}} for sent in NOT_AN_ENUM],
    "flags": [{"flags": sent} for sent in NOT_32_BITS],
    "links.flags": [{"links": [LINK | {"flags": sent}]} for sent in NOT_32_BITS],
    **{
        f"dropped{what}Count": [{f"dropped{what}Count": sent} for sent in NOT_32_BITS]
        for what in ("Attributes", "Events", "Links")
    },
    "events.droppedAttributesCount": [{"events": [{"droppedAttributesCount": sent}]} for sent in NOT_32_BITS],
    **{name: [{name: sent} for sent in NOT_A_TIME] for name in ("startTimeUnixNano", "endTimeUnixNano")},
    "events.timeUnixNano": [{"events": [{}, {"timeUnixNano": sent}]} for sent in NOT_A_TIME],
    **{name: [{name: sent} for sent in NOT_TEXT] for name in ("name", "traceState")},
    "status.message": [{"status": {"message": sent}} for sent in NOT_TEXT],
    "events.name": [{"events": [{"name": sent}]} for sent in NOT_TEXT],
    "links.traceState": [{"links": [{"traceState": sent}]} for sent in NOT_TEXT],
    "attributes.key": [{"attributes": [{"key": sent}]} for sent in NOT_TEXT],
    "attributes.value.stringValue": [{"attributes": [{"value": {"stringValue": sent}}]} for sent in NOT_TEXT],
    "boolValue": [{"attributes": [{"value": {"boolValue": "true"}}]}],
    "events": [{"events": [5]}],
    "links": [{"links": {}}],
}
OF_A_LOG: dict[str, list[dict[str, Any]]] = {
    **{name: [{name: sent} for sent in NOT_HEX] for name in ("traceId", "spanId")},
    "severityNumber": [{"severityNumber": sent} for sent in NOT_AN_ENUM],
    **{name: [{name: sent} for sent in NOT_32_BITS] for name in ("flags", "droppedAttributesCount")},
    **{name: [{name: sent} for sent in NOT_A_TIME] for name in ("timeUnixNano", "observedTimeUnixNano")},
    **{name: [{name: sent} for sent in NOT_TEXT] for name in ("severityText", "eventName")},
    "body.stringValue": [{"body": {"stringValue": 5}}],
    "body": [{"body": "text"}],
}


@pytest.mark.parametrize("field", OF_A_SPAN)
def test_a_span_that_cannot_be_is_refused_alone_and_its_field_is_named(field: str) -> None:
    for wrong in OF_A_SPAN[field]:
        for bad in (span(2), span(2, traceId="", spanId="")):
            batch = otlp_json.decode_traces(json.dumps(traces(span(1), bad | wrong, span(3))).encode())
            assert [int(record.span_id, 16) for record in batch.records] == [1, 3], wrong
            assert batch.malformed == Counter({field: 1}), wrong


@pytest.mark.parametrize("field", OF_A_LOG)
def test_a_log_record_that_cannot_be_is_refused_alone_and_its_field_is_named(field: str) -> None:
    for wrong in OF_A_LOG[field]:
        body = logs(log("a.b"), log("c.d") | wrong, log("e.f"))
        batch = otlp_json.decode_logs(json.dumps(body).encode())
        assert [record.name for record in batch.records] == ["a.b", "e.f"], wrong
        assert batch.malformed == Counter({field: 1}), wrong


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"resource": {"droppedAttributesCount": -1}}, "resource.droppedAttributesCount"),
        ({"resource": {"attributes": [{"key": 5}]}}, "resource.attributes.key"),
        ({"scopeSpans": [{"scope": {"name": 5}, "spans": [span(1), span(2)]}]}, "scope.name"),
    ],
)
def test_what_records_share_refuses_them_and_nobody_else(part: dict[str, Any], field: str) -> None:
    body = traces(span(1), span(2))
    body["resourceSpans"] = [body["resourceSpans"][0] | part, *traces(span(3))["resourceSpans"]]
    batch = otlp_json.decode_traces(json.dumps(body).encode())
    assert [int(record.span_id, 16) for record in batch.records] == [3]
    assert batch.malformed == Counter({field: 2})


def test_what_is_no_object_is_named_by_its_list() -> None:
    batch = otlp_json.decode_traces(json.dumps(traces(span(1), "x", None)).encode())  # type: ignore[arg-type]
    assert (len(list(batch.records)), batch.malformed) == (1, Counter({"spans": 2}))


@pytest.mark.parametrize("odd", [{}, {"name": 5}], ids=["fast reader", "careful reader"])
@pytest.mark.parametrize(
    "sound",
    [
        {"kind": "2", "flags": "4294967295", "droppedLinksCount": 2**32 - 1, "droppedEventsCount": "1"},
        {"kind": 2**31 - 1, "status": {"code": -(2**31)}},
        {"startTimeUnixNano": "18446744073709551615", "endTimeUnixNano": 2**64 - 1},
        {"startTimeUnixNano": 1e18, "endTimeUnixNano": "0"},
        {"flags": None, "links": None, "events": None, "parentSpanId": None},
        {"traceId": TRACE.upper(), "parentSpanId": SPAN.upper()},
        {"traceId": "", "spanId": "", "links": [LINK | {"flags": 2**32 - 1, "traceState": "a=b"}]},
        {"traceId": "", "events": [{"name": "x", "timeUnixNano": "1", "droppedAttributesCount": 3}]},
        {"traceId": "", "traceState": "a=b", "parentSpanId": SPAN, "droppedAttributesCount": 1.0},
    ],
)
def test_the_last_values_that_can_be_mean_the_same_in_both_encodings(
    sound: dict[str, Any], odd: dict[str, Any]
) -> None:
    document = traces(span(1) | {name: value for name, value in sound.items() if value is not None})
    of_protobuf = whole(protobuf.decode_traces(encoded(document)))
    others = [span(2) | odd] if odd else []
    of_json = otlp_json.decode_traces(json.dumps(traces(span(1) | sound, *others)).encode())
    assert list(of_json.records) == of_protobuf.records
    assert of_json.malformed.total() == len(others)


def test_names_of_enums_are_understood_in_both_readers() -> None:
    named = {"kind": "SPAN_KIND_SERVER", "status": {"code": "STATUS_CODE_ERROR"}}
    for others in ([], [span(2, name=5)]):
        batch = otlp_json.decode_traces(json.dumps(traces(span(1) | named, *others)).encode())
        assert [(record.kind, record.status) for record in batch.records] == [(2, 2)]
        sent = [log("a.b", severityNumber="SEVERITY_NUMBER_WARN2"), *([log(5)] if others else [])]  # type: ignore[arg-type]
        (record,) = otlp_json.decode_logs(json.dumps(logs(*sent)).encode()).records
        assert record.more["severity"] == 14


# --- Metrics -----------------------------------------------------------------------------------------
NOT_64_BITS = (-1, "-1", 2**64, "18446744073709551616", 1.5, "", "x", True, {})
NOT_SIGNED_32 = (2**31, "2147483648", -(2**31) - 1, 1.5, "", "x", True)
NOT_SIGNED_64 = (2**63, "9223372036854775808", -(2**63) - 1, 1.5, "", "x", True)
NOT_A_DOUBLE = ("x", "", True, [1], "0x10")
EVERY, COUNTED, EXPONENTIAL = metrics.KINDS, metrics.KINDS[2:], ("exponentialHistogram",)
OF_A_POINT: dict[str, tuple[tuple[str, ...], list[dict[str, Any]]]] = {
    "timeUnixNano": (EVERY, [{"timeUnixNano": sent} for sent in NOT_64_BITS]),
    "startTimeUnixNano": (EVERY, [{"startTimeUnixNano": sent} for sent in NOT_64_BITS]),
    "flags": (EVERY, [{"flags": sent} for sent in NOT_32_BITS]),
    "attributes.key": (EVERY, [{"attributes": [{"key": 5}]}]),
    "asInt": (("gauge", "sum"), [{"asInt": sent} for sent in NOT_SIGNED_64]),
    "asDouble": (("gauge", "sum"), [{"asDouble": sent} for sent in NOT_A_DOUBLE]),
    "exemplars.spanId": (("sum", "histogram"), [{"exemplars": [{"spanId": sent}]} for sent in NOT_HEX]),
    "exemplars.traceId": (EXPONENTIAL, [{"exemplars": [{"traceId": sent}]} for sent in NOT_HEX]),
    "count": (COUNTED, [{"count": sent} for sent in NOT_64_BITS]),
    "sum": (COUNTED, [{"sum": sent} for sent in NOT_A_DOUBLE]),
    "bucketCounts": (("histogram",), [{"bucketCounts": [1, sent]} for sent in NOT_64_BITS]),
    "explicitBounds": (("histogram",), [{"explicitBounds": [sent]} for sent in NOT_A_DOUBLE]),
    "scale": (EXPONENTIAL, [{"scale": sent} for sent in NOT_SIGNED_32]),
    "zeroCount": (EXPONENTIAL, [{"zeroCount": sent} for sent in NOT_64_BITS]),
    "positive.offset": (EXPONENTIAL, [{"positive": {"offset": sent}} for sent in NOT_SIGNED_32]),
    "negative.bucketCounts": (EXPONENTIAL, [{"negative": {"bucketCounts": [sent]}} for sent in NOT_64_BITS]),
    "quantileValues.quantile": (
        ("summary",),
        [{"quantileValues": [{"quantile": sent}]} for sent in NOT_A_DOUBLE],
    ),
}


def a_metric(kind: str, *points: Any, **more: Any) -> dict[str, Any]:
    return {"name": "m", kind: {"dataPoints": list(points)}} | more


def of_metrics(*sent: Any) -> dict[str, Any]:
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": list(sent)}]}]}


@pytest.mark.parametrize("field", OF_A_POINT)
def test_a_data_point_that_cannot_be_is_counted_as_malformed(field: str) -> None:
    kinds, wrongs = OF_A_POINT[field]
    for kind in kinds:
        for wrong in wrongs:
            body = of_metrics(a_metric(kind, {}, wrong, {}), a_metric("gauge", {}))
            points = metrics.count_json(json.dumps(body).encode())
            assert points == (3, Counter({f"dataPoints.{field}": 1})), (kind, wrong)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": 5}, "metrics.name"),
        ({"unit": 5}, "metrics.unit"),
        (
            {"sum": {"aggregationTemporality": 2**31, "dataPoints": [{}, {}]}},
            "metrics.sum.aggregationTemporality",
        ),
        ({"sum": {"isMonotonic": "yes", "dataPoints": [{}, {}]}}, "metrics.sum.isMonotonic"),
    ],
)
def test_a_metric_that_cannot_be_takes_its_points_only(wrong: dict[str, Any], field: str) -> None:
    body = of_metrics(a_metric("sum", {}, {}) | wrong, a_metric("gauge", {}))
    assert metrics.count_json(json.dumps(body).encode()) == (1, Counter({field: 2}))


@pytest.mark.parametrize(
    ("kind", "sound"),
    [
        ("gauge", {"asInt": "-9223372036854775808", "flags": 2**32 - 1, "timeUnixNano": 2**64 - 1}),
        ("sum", {"asDouble": "NaN", "exemplars": [{"asDouble": "-Infinity", "timeUnixNano": "5"}]}),
        ("histogram", {"count": "18446744073709551615", "bucketCounts": ["0", 7], "explicitBounds": ["1.5"]}),
        ("exponentialHistogram", {"scale": -(2**31), "zeroCount": 3, "positive": {"offset": "-5"}}),
        ("summary", {"quantileValues": [{"quantile": 0.5, "value": "1e3"}], "sum": 1, "count": 2}),
    ],
)
def test_points_that_protobuf_can_hold_are_sound_in_both_encodings(kind: str, sound: dict[str, Any]) -> None:
    body = of_metrics(a_metric(kind, sound))
    message = json_format.ParseDict(body, ExportMetricsServiceRequest())
    assert metrics.count_protobuf(message.SerializeToString()) == (1, Counter())
    assert metrics.count_json(json.dumps(body).encode()) == (1, Counter())
    odd = of_metrics(a_metric(kind, sound, {"flags": -1}))  # read by the careful reader
    assert metrics.count_json(json.dumps(odd).encode()) == (1, Counter({"dataPoints.flags": 1}))


# --- Through the door --------------------------------------------------------------------------------
@pytest.mark.django_db
@pytest.mark.usefixtures("rolled_back")
def test_the_rest_of_a_request_is_stored_and_the_answer_names_the_fields(client: Client) -> None:
    grant(user="u1")
    text, _ = a_key()
    wrongs = (
        {"spanId": "zz"},
        {"flags": -1},
        {"name": 5},
        {"links": [{"traceId": "x"}]},
        {"kind": 2**40},
        {},
    )
    sent = [span(n, attributes={"user.id": "u1", "feature.name": "x"}) | one for n, one in enumerate(wrongs)]
    told = post(client, "/v1/traces", traces(*sent, sent[0]), text).json()["partialSuccess"]
    assert told["rejectedSpans"] == "6"
    assert "6 of 7 refused: 6 malformed" in told["errorMessage"]
    *_, named = told["errorMessage"].rstrip(")").split(": ")
    assert sorted(named.split(", ")) == ["flags", "kind", "links.traceId", "name", "spanId"]
    assert FeatureUsage.objects.count() == 1
    counting.flush()

    points = of_metrics(a_metric("gauge", {}, {"asInt": "x"}))
    told = post(client, "/v1/metrics", points, text).json()["partialSuccess"]
    assert told["rejectedDataPoints"] == "2"
    assert "1 malformed (a field has a wrong type or value: dataPoints.asInt)" in told["errorMessage"]


@pytest.mark.django_db
def test_a_dry_run_names_the_fields(client: Client) -> None:
    text, _ = a_key()
    body = logs(log("a.b"), log("c.d", traceId="x"), log("c.d", traceId="x"), log("c.d", severityText=5))
    answer = post(client, "/v1/logs", body, text, **{"X-Telemetry-Dry-Run": "1"}).json()
    assert answer["summary"]["refused"]["malformed"] == 3
    assert answer["summary"]["malformedFields"] == {"traceId": 2, "severityText": 1}
