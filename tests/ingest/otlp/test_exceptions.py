"""The class of the exception that ended a span, from the span's events; nothing else of them is read."""

import json
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from ingest.otlp import json as otlp_json
from ingest.otlp import protobuf as otlp_protobuf
from tests.support.otlp import encoded, pairs, span, traces, whole

FAILED = {"status": {"code": 2}}


def event(name: str = "exception", **attributes: Any) -> dict[str, Any]:
    return {"name": name, "attributes": pairs({key.replace("__", "."): of for key, of in attributes.items()})}


def attributes_of(*events: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A span's attributes, the same from JSON and from protobuf."""
    document = traces(span(1, events=list(events), **FAILED | fields))
    (of_json,) = whole(otlp_json.decode_traces(json.dumps(document).encode())).records
    (of_protobuf,) = whole(otlp_protobuf.decode_traces(encoded(document))).records
    assert of_json == of_protobuf
    return of_json.attributes


RAISED = event(exception__type="shop.OutOfStock", exception__message="of jane", exception__stacktrace="…")


@pytest.mark.parametrize("said", [{}, {"error.type": "500"}])
def test_a_failed_span_says_what_it_met_and_not_what_the_message_was(said: dict[str, Any]) -> None:
    assert attributes_of(event("log"), RAISED, attributes=said) == {"error.type": "shop.OutOfStock"}


def test_the_last_exception_counts() -> None:
    assert attributes_of(event(exception__type="KeyError"), RAISED)["error.type"] == "shop.OutOfStock"
    assert attributes_of(RAISED, *[event("log")] * 8) == {}


@pytest.mark.parametrize("name", ["error.type", "error_type", "exception.type"])
def test_what_a_span_says_itself_stays(name: str) -> None:
    assert attributes_of(RAISED, attributes={name: "Timeout"}) == {name: "Timeout"}


@pytest.mark.parametrize("status", [0, 1])
def test_an_exception_that_was_handled_is_no_failure(status: int) -> None:
    assert attributes_of(RAISED, status={"code": status}) == {}


def test_an_event_that_says_nothing_is_passed_over() -> None:
    assert attributes_of(event(), event(exception__type=""), event(exception__type=17), {}) == {}


def test_what_is_no_event_refuses_nothing() -> None:
    message = TracesData.FromString(encoded(traces(span(1, events=[RAISED], **FAILED))))
    raw = message.SerializeToString()
    broken = raw.replace(b"shop.OutOfStock", b"shop.OutOf\xff\xff\xff\xff\xff")
    assert broken != raw
    (record,) = whole(otlp_protobuf.decode_traces(broken)).records
    assert record.attributes == {}
