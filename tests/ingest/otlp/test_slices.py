"""Large protobuf bodies: the same records as if parsed whole, but in bounded memory."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ingest.otlp import protobuf, slices
from ingest.otlp.records import DecodeError, TooMany
from tests.support.examples import examples
from tests.support.otlp import Whole, whole

MIB = 1024 * 1024
words = st.text(max_size=4)


@st.composite
def requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    message = ExportTraceServiceRequest()
    for _ in range(draw(st.integers(0, 3))):
        group = message.resource_spans.add()
        if draw(st.booleans()):
            group.resource.attributes.add(key=draw(words)).value.string_value = draw(words)
        for _ in range(draw(st.integers(0, 3))):
            scope = group.scope_spans.add()
            scope.scope.name = draw(words)
            for _ in range(draw(st.integers(0, 3))):
                span = scope.spans.add(name=draw(words), trace_id=draw(st.binary(max_size=16)), kind=2)
                span.start_time_unix_nano = draw(st.integers(0, 2**64 - 1))
                span.attributes.add(key=draw(words)).value.int_value = draw(st.integers(-5, 5))
                span.events.add(name="left out")
    return message


def both_ways(body: bytes, monkeypatch: pytest.MonkeyPatch) -> tuple[object, object]:
    """What a body gives when parsed whole, and when parsed record by record."""

    def read() -> Whole | str:
        try:
            return whole(protobuf.decode_traces(body))
        except DecodeError:
            return "refused"

    with monkeypatch.context() as patch:
        patch.setattr(protobuf, "MAX_WHOLE", 0)
        piecewise = read()
    return read(), piecewise


@settings(max_examples=examples(200), deadline=None)
@given(requests())
def test_the_same_records_come_of_both(message: ExportTraceServiceRequest) -> None:
    with pytest.MonkeyPatch.context() as patch:
        at_once, piecewise = both_ways(message.SerializeToString(), patch)
    assert at_once == piecewise


@settings(max_examples=examples(300), deadline=None)
@given(requests(), st.data())
def test_what_is_cut_short_or_altered_never_raises_anything_else(
    message: ExportTraceServiceRequest, data: st.DataObject
) -> None:
    body = bytearray(message.SerializeToString())
    if body:
        place = data.draw(st.integers(0, len(body) - 1))
        body[place] = data.draw(st.integers(0, 255))
        del body[data.draw(st.integers(0, len(body))) :]
    with pytest.MonkeyPatch.context() as patch:
        both_ways(bytes(body), patch)


def test_a_resource_that_comes_last_or_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = ExportTraceServiceRequest(), ExportTraceServiceRequest()
    first.resource_spans.add().resource.attributes.add(key="a").value.string_value = "x"
    group = second.resource_spans.add()
    group.resource.attributes.add(key="b").value.string_value = "y"
    group.scope_spans.add().spans.add(name="one")
    parts = [message.resource_spans[0].SerializeToString() for message in (second, first)]
    content = b"".join(parts)
    at_once, piecewise = both_ways(b"\x0a" + bytes([len(content)]) + content, monkeypatch)
    assert at_once == piecewise
    assert isinstance(piecewise, Whole)
    assert piecewise.records[0].resource.attributes == {"a": "x", "b": "y"}


def within(field: int, content: bytes) -> bytes:
    """A length-delimited field."""
    size, length = len(content), b""
    while True:
        length += bytes([size & 0x7F | (0x80 if size > 0x7F else 0)])
        size >>= 7
        if not size:
            return bytes([field << 3 | 2]) + length + content


BOMBS = {
    "empty records": within(1, within(2, b"\x12\x00" * (2 * MIB))),
    "records of an unknown field": within(1, within(2, b"\x12\x02\x78\x00" * (2 * MIB))),
    "empty resources": b"\x0a\x00" * (2 * MIB),
    "empty scopes": within(1, b"\x12\x00" * (2 * MIB)),
    "one record of empty attributes": within(1, within(2, within(2, b"\x4a\x00" * (2 * MIB)))),
    "a resource of empty attributes": within(1, within(1, b"\x0a\x00" * (2 * MIB))),
}
READ = """
import resource, sys
from ingest.otlp import metrics, protobuf
from ingest.otlp.records import TooMany
body = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for read in (protobuf.decode_traces, protobuf.decode_logs):
    try:
        list(read(body).records)
    except TooMany as error:
        print(error, end=" / ")
try:
    metrics.count_protobuf(body)
except TooMany as error:
    print(error, end=" / ")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("name", BOMBS)
def test_mebibytes_of_nothing_are_refused_before_they_fill_the_memory(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", READ], input=BOMBS[name], capture_output=True, check=True)
    *said, mebibytes = done.stdout.decode().split(" / ")
    assert len(said) == 3
    assert all("send it in parts" in one or "has more than" in one for one in said)
    assert int(mebibytes) < 250  # parsed whole it was a gigabyte


def test_log_records_too(monkeypatch: pytest.MonkeyPatch) -> None:
    message = ExportLogsServiceRequest()
    log = message.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=5, event_name="a.b")
    log.body.string_value = "text"
    body = message.SerializeToString()
    at_once = whole(protobuf.decode_logs(body))
    monkeypatch.setattr(protobuf, "MAX_WHOLE", 0)
    assert whole(protobuf.decode_logs(body)) == at_once
    assert at_once.records[0].body == "text"


def test_a_record_may_be_long_but_not_of_many_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protobuf, "MAX_WHOLE", 0)
    message = ExportTraceServiceRequest()
    span = message.resource_spans.add().scope_spans.add().spans.add(name="x" * 3 * MIB)
    assert len(whole(protobuf.decode_traces(message.SerializeToString())).records[0].name) == 3 * MIB
    for number in range(slices.MAX_FIELDS + 1):
        span.attributes.add(key=str(number))
    with pytest.raises(TooMany, match=f"has more than {slices.MAX_FIELDS} fields"):
        whole(protobuf.decode_traces(message.SerializeToString()))
