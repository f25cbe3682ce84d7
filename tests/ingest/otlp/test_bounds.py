"""The bounds of one request, tested exactly at each; and answers, byte by byte."""

import json
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ingest.otlp import json as otlp_json
from ingest.otlp import lenient, metrics, more, protobuf, records, slices, status
from ingest.otlp.records import DecodeError, SharedAttributes, TooMany
from tests.support.otlp import encoded, log, logs, span, traces, whole


def test_as_many_records_as_may_are_taken_in_each_way_of_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_RECORDS", 3)
    monkeypatch.setattr(slices, "MAX_RECORDS", 3)
    for whole_up_to in (10**6, 0):
        monkeypatch.setattr(protobuf, "MAX_WHOLE", whole_up_to)
        for decode, make in ((protobuf.decode_traces, traces), (protobuf.decode_logs, logs)):
            one = span() if make is traces else log("a.b")
            assert len(whole(decode(encoded(make(one, one, one)))).records) == 3
            with pytest.raises(TooMany):
                whole(decode(encoded(make(one, one, one, one))))
    two_groups = {"resourceSpans": [*traces(span(1), span(2))["resourceSpans"] * 2]}
    with pytest.raises(TooMany):
        whole(otlp_json.decode_traces(json.dumps(two_groups).encode()))


def test_as_many_resources_and_scopes_as_may_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "MAX_GROUPS", 4)
    message = ExportTraceServiceRequest()
    for _ in range(2):
        message.resource_spans.add().scope_spans.add()
    assert len(list(slices.groups(message.SerializeToString()))) == 2
    message.resource_spans[0].scope_spans.add()
    with pytest.raises(TooMany):
        list(slices.groups(message.SerializeToString()))


def test_as_many_fields_as_may_are_in_a_long_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "MAX_FIELDS", 3)
    monkeypatch.setattr(slices, "FEW_FIELDS", 10)
    monkeypatch.setattr(protobuf, "MAX_WHOLE", 0)
    for number, is_taken in ((3, True), (4, False)):
        message = ExportTraceServiceRequest()
        sent = message.resource_spans.add().scope_spans.add().spans.add()
        for _ in range(number):
            sent.attributes.add(key="k" * 10)
        batch = protobuf.decode_traces(message.SerializeToString())
        if is_taken:
            assert len(whole(batch).records) == 1
        else:
            with pytest.raises(TooMany):
                whole(batch)


@pytest.mark.parametrize("name", ["events", "links"])
def test_as_many_events_and_links_as_may_are_in_a_span_without_ids(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(more, "MAX_PARTS", 3)
    for decode, write in (
        (otlp_json.decode_traces, lambda sent: json.dumps(sent).encode()),
        (protobuf.decode_traces, encoded),
    ):
        assert whole(decode(write(traces(span(spanId="", **{name: [{}] * 3}))))).records
        assert whole(decode(write(traces(span(1, **{name: [{}] * 4}))))).records
        with pytest.raises(TooMany, match=f"more than 3 {name}"):
            whole(decode(write(traces(span(spanId="", **{name: [{}] * 4})))))


def test_json_is_counted_only_where_it_could_hold_too_many_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_JSON_OBJECTS", 5)
    records.bound_objects(b"{{{{{ and more")
    with pytest.raises(TooMany):
        records.bound_objects(b"{{{{{{ and more")


def test_only_short_and_so_many_attributes_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    monkeypatch.setattr(records, "MAX_KNOWN", 2)
    shared = SharedAttributes(lambda encoded: (str(read.append(encoded)), encoded))
    for encoded_attribute in (b"a", b"a", b"x" * 256, b"x" * 256, b"y" * 257, b"y" * 257, b"b", b"b"):
        assert shared[encoded_attribute][1] == encoded_attribute
    assert [one[:1] for one in read] == [b"a", b"x", b"y", b"y", b"b", b"b"]


@pytest.mark.parametrize(
    "broken",
    [
        b"\x0a\x80",  # a length that does not end
        b"\x0a" + b"\xff" * 9 + b"\x01",  # longer than everything
        b"\x0a\x02\x0a\x05",  # longer than its message
        b"\x09\0\0\0",  # a fixed64 of three bytes
        b"\x0b",  # a group, which nobody sends
        b"\x80" * 11,
    ],
)
def test_what_is_no_protobuf_is_refused_by_hand_too(broken: bytes) -> None:
    with pytest.raises(DecodeError):
        list(slices.groups(broken))


def test_fields_of_other_kinds_are_stepped_over() -> None:
    others = b"\x08\x96\x01" + b"\x11" + bytes(8) + b"\x1d" + bytes(4) + b"\x22\x01x"
    body = encoded(traces(span(1)))
    assert len(list(slices.groups(others + body + others))) == 1


@pytest.mark.parametrize("number", [0, 127, 128, 300, 2**21])
def test_a_refusal_is_the_status_that_google_rpc_has(number: int) -> None:
    from google.rpc.status_pb2 import Status

    message = "ü" * number if number < 1000 else "x"
    read = Status.FromString(status.failure(status.PROTOBUF, number, message))
    assert (read.code, read.message) == (number, message)


@pytest.mark.parametrize(("rejected", "message"), [(0, ""), (3, "why"), (0, "a warning"), (2, "")])
def test_a_partial_success_is_set_if_there_is_something_to_say(rejected: int, message: str) -> None:
    of_protobuf = status.response("logs", status.PROTOBUF, rejected, message)
    answer = ExportLogsServiceResponse.FromString(of_protobuf)
    partial = answer.partial_success
    assert answer.HasField("partial_success") is bool(rejected or message)
    assert (partial.rejected_log_records, partial.error_message) == (rejected, message)
    of_json = json.loads(status.response("logs", status.JSON, rejected, message))
    told = {"partialSuccess": {"rejectedLogRecords": str(rejected), "errorMessage": message}}
    assert of_json == (told if rejected or message else {})


@pytest.mark.parametrize(("levels", "is_read"), [(190, True), (210, False)])
def test_the_careful_reader_goes_down_two_hundred_levels(levels: int, is_read: bool) -> None:
    value: Any = {"stringValue": "\ud800"}
    for _ in range(levels // 3):
        value = {"arrayValue": {"values": [value]}}
    body = json.dumps(traces({"attributes": [{"key": "a", "value": value}]})).encode()
    _, malformed = lenient.decode(body, otlp_json._SPANS)
    assert malformed.total() == (0 if is_read else 1)


def test_points_of_every_kind_of_metric_are_counted_in_both_encodings() -> None:
    from google.protobuf import json_format
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    kinds = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")
    sent = [{"name": kind, kind: {"dataPoints": [{}, {}]}} for kind in kinds]
    document = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [*sent, {"name": "none"}]}]}]}
    message = json_format.ParseDict(document, ExportMetricsServiceRequest())
    assert metrics.count_json(json.dumps(document).encode()).sound == 10
    assert metrics.count_protobuf(message.SerializeToString()).sound == 10
