"""OTLP/JSON, rule by rule; protobuf must give the same records."""

import json
import time
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ingest.otlp import json as otlp_json
from ingest.otlp import metrics, protobuf
from ingest.otlp.records import DecodeError, Record, TooMany
from tests.support.otlp import Whole, encoded, log, logs, span, traces, whole


def decode(body: Any) -> Whole:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return whole(otlp_json.decode_traces(raw) if b"resourceSpans" in raw else otlp_json.decode_logs(raw))


def one(body: Any) -> Record:
    (record,) = decode(body).records
    return record


def attribute(of: dict[str, Any]) -> Any:
    return one(traces(span(attributes={"a": of}))).attributes["a"]


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"stringValue": "x"}, "x"),
        ({"stringValue": ""}, ""),
        ({"boolValue": False}, False),
        ({"intValue": "12"}, 12),
        ({"intValue": 12}, 12),
        ({"intValue": "-9223372036854775808"}, -(2**63)),
        ({"intValue": 1e21}, 1e21),  # what JavaScript makes of a large integer
        ({"intValue": 9223372036854775808}, float(2**63)),
        ({"intValue": "9223372036854775808"}, float(2**63)),
        ({"intValue": "-9223372036854775809"}, -float(2**63)),
        ({"intValue": "9" * 20}, None),
        ({"intValue": "twelve"}, None),
        ({"intValue": "1_000"}, None),
        ({"intValue": "١٢"}, None),
        ({"doubleValue": 1.5}, 1.5),
        ({"doubleValue": 1}, 1.0),
        ({"doubleValue": "1.5"}, 1.5),
        ({"doubleValue": "Infinity"}, float("inf")),
        ({"doubleValue": None}, None),  # what JavaScript makes of NaN
        ({"bytesValue": "aGk="}, b"hi"),
        ({"bytesValue": "aGk"}, b"hi"),
        ({"bytesValue": "_-8"}, b"\xff\xef"),
        ({"bytesValue": "!"}, None),
        ({"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "x"}, {}]}}, [1, "x", None]),
        ({"arrayValue": {}}, []),
        ({"kvlistValue": {"values": [{"key": "k", "value": {"intValue": 1}}]}}, {"k": 1}),
        ({"stringValueStrindex": 3}, None),
        ({}, None),
    ],
)
def test_each_kind_of_value(sent: dict[str, Any], read: Any) -> None:
    found = attribute(sent)
    assert found == read
    assert type(found) is type(read)


def test_not_a_number_is_read_from_its_name_and_from_the_bare_word() -> None:
    for sent in ('{"doubleValue":"NaN"}', '{"doubleValue":NaN}'):
        body = json.dumps(traces(span(attributes={"a": {"x": 1}}))).replace('{"x": 1}', sent)
        assert one(body.encode()).attributes["a"] != one(body.encode()).attributes["a"]


@pytest.mark.parametrize("kind", ["arrayValue", "kvlistValue"])
def test_values_are_read_to_sixteen_levels_in_both_encodings(kind: str) -> None:
    def nested(levels: int) -> dict[str, Any]:
        sent: dict[str, Any] = {"stringValue": "deep"}
        for _ in range(levels):
            sent = {kind: {"values": [sent if kind == "arrayValue" else {"key": "k", "value": sent}]}}
        return sent

    for levels, is_read in ((16, True), (17, False)):
        document = traces(span(attributes={"a": nested(levels)}))
        of_protobuf = whole(protobuf.decode_traces(encoded(document)))
        assert ("deep" in str(one(document).attributes["a"])) is is_read
        assert ("deep" in str(of_protobuf.records[0].attributes["a"])) is is_read
        odd = traces(span(attributes={"a": nested(levels)}), span(name=7))  # read by the careful reader
        assert ("deep" in str(one(odd).attributes["a"])) is is_read


@pytest.mark.parametrize(
    ("trace_id", "read"),
    [
        ("5B8EFFF798038103D269B633813FC60C", "5b8efff798038103d269b633813fc60c"),
        ("0" * 32, ""),
        ("", ""),
        (None, ""),
        ("5b8e", ""),
        ("5b8efff798038103d269b633813fc60c00", ""),
    ],
)
def test_ids_are_absent_when_they_are_zero_or_of_another_length(trace_id: str | None, read: str) -> None:
    assert one(traces(span(traceId=trace_id))).trace_id == read
    assert one(logs(log("x", traceId=trace_id))).trace_id == read


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("1544712660000000000", 1544712660000000000),
        (1544712660000000000, 1544712660000000000),
        ("18446744073709551615", 2**64 - 1),
        (1e18, 10**18),
        ("1e18", 10**18),
        ("0", 0),
        (None, 0),
    ],
)
def test_times_are_unsigned_64_bit_numbers_or_text(sent: Any, read: int) -> None:
    assert one(traces(span(startTimeUnixNano=sent))).time == read
    assert one(logs(log("x", timeUnixNano=sent))).time == read


def test_unknown_fields_are_ignored_at_every_level() -> None:
    unknown = {"new": {"deep": [1, {"er": None}]}, "trace_id": "x"}
    request = traces(span(7) | unknown) | unknown
    request["resourceSpans"][0] |= unknown
    request["resourceSpans"][0]["scopeSpans"][0] |= unknown
    assert decode(request) == decode(traces(span(7)))


def test_null_is_unset_everywhere() -> None:
    empty = dict.fromkeys(span(), None) | {"status": None}
    record = one(traces(empty))
    assert (record.name, record.attributes, record.kind, record.time) == ("", {}, 0, 0)
    assert one(logs(dict.fromkeys(log(), None) | {"body": None})).name == ""
    assert decode({"resourceSpans": None}).records == []
    assert decode({"resourceSpans": [{"scopeSpans": None, "resource": None}]}).records == []
    assert one({"resourceLogs": [{"scopeLogs": [{"scope": None, "logRecords": [{}]}]}]}).scope == ""


def test_kinds_are_numbers_and_their_names_are_understood() -> None:
    assert [one(traces(span(kind=kind))).kind for kind in (2, "2", "SPAN_KIND_SERVER")] == [2, 2, 2]


@pytest.mark.parametrize(
    "body", [b"{}", b'{"resourceLogs":[]}', b'{"resourceLogs":[{"scopeLogs":[]}]}', b"\xef\xbb\xbf{}"]
)
def test_an_empty_request_is_one(body: bytes) -> None:
    assert whole(otlp_json.decode_logs(body)) == Whole([], 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"1",
        b'"x"',
        b"\xff\xfe",
        b'{"resourceSpans":"x"}',
        b'{"resourceSpans":["x"]}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":5}]}]}',
        b'{"resourceSpans":' + b"[" * 100_000,
        b'{"unknown":' + b"[" * 100_000,
        b'{"resourceSpans":' + b'[{"a":' * 50_000,
    ],
)
def test_what_is_no_request_is_refused_whole(body: bytes) -> None:
    for read in (otlp_json.decode_traces, metrics.count_json):
        if read is metrics.count_json and body.startswith(b'{"resourceSpans":') and body[-1:] == b"}":
            continue
        with pytest.raises(DecodeError):
            read(body)


@pytest.mark.parametrize(
    "wrong",
    [
        {"attributes": {"a": 1}},
        {"attributes": ["x"]},
        {"attributes": [{"key": "a", "value": "x"}]},
        {"kind": 1.5},
        {"kind": True},
        {"status": 2},
        {"name": ["x"]},
    ],
)
def test_one_record_of_wrong_types_is_refused_by_itself(wrong: dict[str, Any]) -> None:
    batch = decode(traces(span(1), span(2) | wrong, span(3)))
    assert ([int(record.span_id, 16) for record in batch.records], batch.malformed) == ([1, 3], 1)


def test_an_odd_attribute_among_many_records_takes_its_own_only() -> None:
    """The careful reader continues where the fast one stopped: nothing is lost, nothing is repeated."""
    body = traces(span(1, attributes={"a": "x"}), span(2, attributes={"a": "x"}), resource={"n": 1})
    odd = {"key": "a", "value": {"stringValue": ["x"]}}
    more = traces(
        span(3, attributes={"a": "y"}), span(4) | {"attributes": [odd]}, span(5, attributes={"a": "5"})
    )
    body["resourceSpans"] += more["resourceSpans"] + traces(span(6, attributes={"a": "z"}))["resourceSpans"]
    batch = decode(body)
    found = [(int(record.span_id, 16), record.attributes.get("a")) for record in batch.records]
    assert (found, batch.malformed) == ([(1, "x"), (2, "x"), (3, "y"), (5, "5"), (6, "z")], 1)


@pytest.mark.parametrize(
    "attribute",
    [b'{"key":"\xff"}', b'{"key":"a" "value":{}}', b'{"key":01}', b'{"key":"a","value":' + b"[" * 50_000],
)
def test_what_is_no_json_in_a_late_attribute_refuses_the_whole(attribute: bytes) -> None:
    body = json.dumps(traces(span(1), span(2) | {"attributes": [4711]})).encode().replace(b"4711", attribute)
    with pytest.raises(DecodeError):
        decode(body)


def test_text_that_nothing_can_encode_is_mended() -> None:
    raw = json.dumps(traces(span(name="a\ud800b", attributes={"\udc00": "x\ud800\x00"}))).encode()
    record = one(raw)
    assert record.name == "a\N{REPLACEMENT CHARACTER}b"
    assert "\x00".join(record.attributes).encode() + str(record.attributes.values()).encode()


def test_a_number_of_five_thousand_digits_is_no_trouble() -> None:
    digits = "9" * 5000
    body = json.dumps(traces(span(1), span(2, attributes={"a": {"intValue": "X"}}))).replace('"X"', digits)
    assert len(decode(body.encode()).records) == 2


def test_records_read_carefully_share_their_resource() -> None:
    batch = decode(traces(span(1), span(2, name=5), span(3)))
    assert len({id(record.resource) for record in batch.records}) == 1


def test_both_encodings_give_the_same_records() -> None:
    attributes = {
        "text": "x",
        "empty": {"stringValue": ""},
        "int": -5,
        "zero": 0,
        "double": 1.25,
        "no": False,
        "list": [1, "x", [True]],
        "map": {"kvlistValue": {"values": [{"key": "k", "value": {"stringValue": "v"}}]}},
        "bytes": {"bytesValue": "aGk="},
        "nothing": {},
    }
    spans = traces(span(1, attributes=attributes), span(2, traceId="", status={"code": 2}, kind=2))
    records = logs(
        log("a", attributes=attributes, body={"stringValue": "b"}), log("", observedTimeUnixNano="5")
    )
    for request, read_json, read_protobuf in (
        (spans, otlp_json.decode_traces, protobuf.decode_traces),
        (records, otlp_json.decode_logs, protobuf.decode_logs),
    ):
        of_json = whole(read_json(json.dumps(request).encode()))
        assert whole(read_protobuf(encoded(request))) == of_json
        assert len(of_json.records) == 2


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        (bytes(16), ""),
        (bytes(8), ""),
        (b"", ""),
        (bytes(15) + b"\1", "0" * 31 + "1"),
        (b"\1" * 15, ""),
        (b"\1" * 17, ""),
    ],
)
def test_ids_in_protobuf_are_absent_when_they_are_zero_or_of_a_wrong_length(raw: bytes, read: str) -> None:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(trace_id=raw, span_id=raw[8:])
    (record,) = whole(protobuf.decode_traces(request.SerializeToString())).records
    assert (record.trace_id, record.span_id) == (read, read[16:])


@pytest.mark.parametrize("body", [b"x", b"\x0a\xff", b"\x0a\x02\x0a\x05", b"{}"])
def test_broken_protobuf_is_refused_whole(body: bytes) -> None:
    for read in (protobuf.decode_traces, protobuf.decode_logs, metrics.count_protobuf):
        with pytest.raises(DecodeError):
            read(body)


def test_zero_bytes_of_protobuf_are_an_empty_request() -> None:
    for read in (protobuf.decode_traces, protobuf.decode_logs):
        assert whole(read(b"")) == Whole([], 0)
    assert metrics.count_protobuf(b"").sound == 0


def test_data_points_are_counted_not_metrics() -> None:
    points = {"dataPoints": [{"asInt": "1"}, {"asDouble": 2}]}
    scope = {"metrics": [{"name": "a", "gauge": points}, {"name": "b", "sum": points}]}
    assert (
        metrics.count_json(json.dumps({"resourceMetrics": [{"scopeMetrics": [scope]}]}).encode()).sound == 4
    )


def test_a_large_resource_is_read_once_however_many_records_it_has() -> None:
    """A body of 100 kB with one odd record once took 17 s: its resource was read again for each record."""
    resource = {f"key {number}": "x" for number in range(2000)}
    body = logs({"body": 5}, *({} for _ in range(2000)), resource=resource)
    began = time.process_time()
    batch = decode(body)
    assert (len(batch.records), batch.malformed) == (2000, 1)
    assert batch.records[0].resource is batch.records[-1].resource
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "wrong", [{"resource": {"attributes": 1}}, {"scopeSpans": [{"scope": 1, "spans": [{}] * 2}]}]
)
def test_a_resource_or_scope_of_wrong_types_takes_its_own_records_only(wrong: dict[str, Any]) -> None:
    body = traces(span(1), span(2))
    body["resourceSpans"] = [body["resourceSpans"][0] | wrong, *traces(span(3))["resourceSpans"]]
    batch = decode(body)
    assert ([int(record.span_id, 16) for record in batch.records], batch.malformed) == ([3], 2)


def test_a_body_of_empty_records_is_refused_before_it_fills_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ingest.otlp.records.MAX_RECORDS", 10)
    monkeypatch.setattr("ingest.otlp.records.MAX_JSON_OBJECTS", 100)
    assert len(decode(traces(*({} for _ in range(10)))).records) == 10
    for body in (traces(*({} for _ in range(11))), traces({"attributes": [{} for _ in range(200)]})):
        with pytest.raises(TooMany, match="send it in parts"):
            decode(body)
    message = ExportTraceServiceRequest()
    spans = message.resource_spans.add().scope_spans.add().spans
    for _ in range(11):
        spans.add()
    with pytest.raises(TooMany):
        protobuf.decode_traces(message.SerializeToString())
