"""Row ids of events without ids of their own: a digest of all that was sent, the same in both encodings."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from analytics.models import FeatureUsage
from ingest.mapping.identity import Identities
from ingest.otlp import json as otlp_json
from ingest.otlp import protobuf
from ingest.otlp.records import Record
from ingest.otlp.status import PROTOBUF
from tests.support.otlp import KEPT_FROM, NOW, a_key, encoded, grant, log, logs, post, span, traces, whole

PARENT = "b7ad6b7169203331"
EVENT = {"timeUnixNano": "1764500000000000000", "name": "cache.miss"}
LINK = {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": PARENT}
WHO = {"user.id": "u1", "feature.name": "export"}
# What two spans without ids may differ in, beyond what rows are made of.
OF_SPANS: tuple[dict[str, Any], ...] = (
    {"parentSpanId": PARENT},
    {"traceState": "vendor=1"},
    {"flags": 257},
    {"droppedAttributesCount": 1},
    {"droppedEventsCount": 1},
    {"droppedLinksCount": 1},
    {"status": {"message": "no room"}},
    {"events": [EVENT]},
    {"events": [EVENT | {"timeUnixNano": "1764500000000000001"}]},
    {"events": [EVENT | {"name": "cache.hit"}]},
    {"events": [EVENT | {"attributes": [{"key": "a", "value": {"intValue": "1"}}]}]},
    {"events": [EVENT | {"droppedAttributesCount": 1}]},
    {"events": [EVENT, EVENT]},
    {"links": [LINK]},
    {"links": [LINK | {"spanId": "00f067aa0ba902b7"}]},
    {"links": [LINK | {"traceId": "5b8efff798038103d269b633813fc60c"}]},
    {"links": [LINK | {"traceState": "vendor=1"}]},
    {"links": [LINK | {"flags": 1}]},
    {"links": [LINK | {"droppedAttributesCount": 1}]},
    {"links": [LINK | {"attributes": [{"key": "a", "value": {"stringValue": "x"}}]}]},
)
OF_LOGS: tuple[dict[str, Any], ...] = (
    {"severityNumber": 9},
    {"severityNumber": 17},
    {"severityText": "Error"},
    {"flags": 1},
    {"droppedAttributesCount": 1},
    {"traceId": "0af7651916cd43dd8448eb211c80319c"},
    {"observedTimeUnixNano": "1764500000000000000"},
    {"attributes": {"a": {"stringValue": "AA=="}}},
    {"attributes": {"a": {"bytesValue": "AA=="}}},
    {"attributes": {"a": {"arrayValue": {"values": [{"bytesValue": "AA=="}]}}}},
    {"attributes": {"a": {"arrayValue": {"values": [{"stringValue": "AA=="}]}}}},
    {"attributes": {"a": {"doubleValue": "NaN"}}},
    {"attributes": {"a": {"doubleValue": "Infinity"}}},
    {"attributes": {"a": {"doubleValue": "-Infinity"}}},
    {"attributes": {"a": {}}},
    {"attributes": {"a": {"doubleValue": 1}}},
    {"attributes": {"a": {"intValue": "1"}}},
    {"attributes": {"a": {"boolValue": True}}},
    {"body": {"stringValue": "AA=="}},
    {"body": {"bytesValue": "AA=="}},
)
OF_SCOPES: tuple[dict[str, Any], ...] = (
    {"version": "2"},
    {"droppedAttributesCount": 1},
    {"attributes": [{"key": "a", "value": {"stringValue": "x"}}]},
)


def of_json(document: Mapping[str, Any]) -> list[Record]:
    decode = otlp_json.decode_traces if "resourceSpans" in document else otlp_json.decode_logs
    return whole(decode(json.dumps(document).encode())).records


def of_protobuf(document: Mapping[str, Any]) -> list[Record]:
    decode = protobuf.decode_traces if "resourceSpans" in document else protobuf.decode_logs
    return whole(decode(encoded(dict(document)))).records


def read_carefully(document: Mapping[str, Any]) -> list[Record]:
    """By the reader for bodies that the fast one objects to, and the large bodies' reader of protobuf."""
    odd = json.dumps(document).encode().replace(b'"resource": {', b'"resource": {"odd": NaN, ', 1)
    decode = otlp_json.decode_traces if b"resourceSpans" in odd else otlp_json.decode_logs
    return whole(decode(odd)).records


def documents() -> Iterator[dict[str, Any]]:
    """Requests of one event each, which all say something else."""
    without_ids = {"traceId": "", "spanId": ""}
    for fields in ({}, *OF_SPANS):
        yield traces(span(at=NOW, attributes=WHO, **without_ids) | fields)
    for fields in ({}, *OF_LOGS):
        own = dict(fields)
        yield logs(log(at=NOW, attributes=WHO | own.pop("attributes", {})) | own)
    for fields in OF_SCOPES:
        document = logs(log(at=NOW, attributes=WHO))
        document["resourceLogs"][0]["scopeLogs"][0]["scope"] |= fields
        yield document
    document = logs(log(at=NOW, attributes=WHO))
    document["resourceLogs"][0]["resource"]["droppedAttributesCount"] = 1
    yield document


def row_id(records: list[Record]) -> bytes:
    (one,) = records
    return Identities(NOW, KEPT_FROM).row_id(one, one.time)


def test_whatever_makes_two_events_different_gives_them_different_ids() -> None:
    seen: dict[bytes, dict[str, Any]] = {}
    for document in documents():
        told_apart_from = seen.setdefault(row_id(of_json(document)), document)
        assert told_apart_from is document


@pytest.mark.parametrize("read", [of_protobuf, read_carefully])
def test_an_event_has_the_same_id_however_it_was_read(read: Any) -> None:
    for document in documents():
        assert row_id(read(document)) == row_id(of_json(document)), document


def test_what_is_empty_is_as_good_as_left_out() -> None:
    nothing = {"traceState": "", "parentSpanId": "", "flags": 0, "events": [], "links": [], "status": {}}
    nothing |= {"droppedAttributesCount": 0, "droppedEventsCount": 0, "droppedLinksCount": 0}
    bare = span(at=NOW, traceId="", spanId="")
    assert row_id(of_json(traces(bare | nothing))) == row_id(of_json(traces(bare)))
    nothing = {"severityNumber": 0, "severityText": "", "flags": 0, "droppedAttributesCount": 0}
    assert row_id(of_json(logs(log(at=NOW) | nothing))) == row_id(of_json(logs(log(at=NOW))))


def test_a_span_with_ids_of_its_own_is_one_whatever_else_it_says() -> None:
    ids = {row_id(of_json(traces(span(7, at=NOW, **fields)))) for fields in OF_SPANS}
    ids |= {row_id(of_protobuf(traces(span(7, at=NOW, **fields)))) for fields in OF_SPANS}
    assert len(ids) == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("rolled_back")
def test_two_errors_of_one_moment_that_differ_in_severity_are_two_and_each_is_stored_once(
    client: Client,
) -> None:
    grant(user="u1")
    text, _ = a_key()
    sent = [logs(log("export.failed", attributes={"user.id": "u1"}, severityNumber=n)) for n in (13, 17)]
    for body in (*sent, *sent):
        assert post(client, "/v1/logs", body, text).content == b"{}"
    for body in sent:
        assert post(client, "/v1/logs", encoded(body), text, content_type=PROTOBUF).content == b""
    assert FeatureUsage.objects.count() == 2


# Ids that version 0.1.0 gave before it looked at more.
EARLIER = [
    "01a1f8d3ea0081409ad7a7f8aaedba0b",
    "01a1f8d3ea0087b597331219674d6b3f",
    "01a1f8d3ea008544b45ff984cccce825",
]


def test_ids_of_events_that_say_no_more_than_before_are_those_of_before(settings: Settings) -> None:
    settings.ID_HASH_KEY = "k" * 40
    what = {"deep": {"arrayValue": {"values": [{"intValue": "1"}, {"doubleValue": 2.5}]}}, "said": "é"}
    sent = (
        logs(log("a.b", at=NOW, attributes=WHO | what, body={"stringValue": "x"}, traceId="a" * 32)),
        logs(log(at=NOW, observedTimeUnixNano="17"), resource={"service.name": "other"}),
        traces(span(at=NOW, spanId="", kind=2, attributes=WHO, status={"code": 2})),
    )
    assert [row_id(of_json(document)).hex() for document in sent] == EARLIER
