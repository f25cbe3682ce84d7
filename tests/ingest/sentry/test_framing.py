"""Envelopes taken apart: what the protocol allows, and bytes of any kind."""

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.mapping.sentry import READERS, decode_envelope, decode_store
from ingest.otlp.records import DecodeError, TooMany
from ingest.sentry import framing
from ingest.sentry.framing import Item, envelope
from tests.ingest.sentry.envelopes import EVENT_ID, a_maker, item
from tests.ingest.sentry.envelopes import envelope as written

KEPT = {"event", "session"}
HELLO = b"\xef\xbb\xbfHello\r\n"  # with a newline of its own


def attached(number: int, size: int = 10) -> bytes:
    return b'{"type":"attachment","length":%d}\n%b\n' % (size, HELLO[:number] + HELLO[number:])


@pytest.mark.parametrize(
    ("body", "payloads", "skipped"),
    [
        (b"{}", [], 0),
        (b"{}\n", [], 0),
        (b'{}\n{"type":"event"}\n{"a":1}', [b'{"a":1}'], 0),
        (b'{}\n{"type":"event"}\n{"a":1}\n', [b'{"a":1}'], 0),
        (b'{}\n{"type":"event","length":7}\n{"a":1}', [b'{"a":1}'], 0),
        (b"{}\n" + attached(0) + b'{"type":"event","length":2}\n{}\n', [b"{}"], 1),
        (b'{}\n{"type":"attachment","length":0}\n\n{"type":"event","length":0}\n', [b""], 1),
        (b'{}\n{"type":"session"}\n{}\n{"type":"session"}\n{}\n{"type":"new"}\n\x00\xff', [b"{}", b"{}"], 1),
        (b'{}\n\n\r\n{"type":"event","length":null}\n{}\n\n\n', [b"{}"], 0),
    ],
)
def test_items_are_found_with_and_without_a_length(body: bytes, payloads: list[bytes], skipped: int) -> None:
    read = envelope(body, KEPT)
    assert ([one.payload for one in read.items], read.skipped) == (payloads, skipped)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "the envelope's first line is not"),
        (b"nonsense", "the envelope's first line is not"),
        (b"[]", "the envelope's first line is not"),
        (b"[" * 60_000, "the envelope's first line is not"),
        (b"{" + b" " * 70_000, "longer than 65536"),
        (b"{}\n{}\n\n", "has no type"),
        (b'{}\n{"type":7}\n\n', "has no type"),
        (b'{}\n{"type":"event","length":-1}\n{}', "not a whole number"),
        (b'{}\n{"type":"event","length":true}\n{}', "not a whole number"),
        (b'{}\n{"type":"event","length":1e400}\n{}', "not a whole number"),
        (b'{}\n{"type":"event","length":3}\n{}', "ends before"),
        (b'{}\n{"type":"attachment","length":99999999999999999999}\n{}', "ends before"),
        (b'{}\n{"type":"event","length":1}\n{}\n', "longer than its length"),
        (b'{}\n{"type":"event"\n{}', "first line of an item"),
    ],
)
def test_a_broken_envelope_is_refused_as_a_whole(body: bytes, says: str) -> None:
    with pytest.raises(DecodeError, match=says):
        envelope(body, KEPT)


def test_an_envelope_is_bounded() -> None:
    many = b"{}\n" + b'{"type":"attachment","length":0}\n\n' * 10_000
    with pytest.raises(TooMany, match="more than 1000 items"):
        envelope(many, KEPT)
    assert envelope(b"{}\n" + b"\n" * 3_000_000, KEPT).items == []
    large = b" " * (framing.MAX_PAYLOAD + 1)
    assert envelope(written(item("attachment", large)), KEPT).skipped == 1
    with pytest.raises(TooMany, match="'event' is larger than 1048576"):
        envelope(written(item("event", large)), KEPT)
    with pytest.raises(TooMany, match="'event' is larger than 1048576"):
        decode_store(large)
    assert len(envelope(written(item("span", large)), {"span"}).items) == 1
    with pytest.raises(TooMany, match="'span' is larger than 8388608"):
        envelope(written(item("span", b" " * (framing.MAX_SPANS + 1))), {"span"})
    with pytest.raises(TooMany, match="more than 100000 JSON objects"):
        decode_envelope(written(item("span", b'{"items":[' + b"{}," * 100_000 + b"{}]}")))
    minutes = {"aggregates": [{"started": 1.8e9, "exited": 1}] * 10_001}
    with pytest.raises(TooMany, match="more than 10000 events"):
        list(decode_envelope(written(item("sessions", minutes))).records)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (EVENT_ID, EVENT_ID),
        ("9EC79C33-EC99-42AB-8353-589FCB2E04DC", EVENT_ID),
        *((wrong, "") for wrong in ("0" * 32, "9ec79c33", EVENT_ID + "0", "qzjanedoe@example.com", 7, None)),
    ],
)
def test_an_id_is_read_in_both_forms(sent: Any, read: str) -> None:
    assert envelope(json.dumps({"event_id": sent}).encode(), KEPT).event_id == read


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(["event", "attachment", "replay_recording"]), st.binary())))
def test_whatever_is_written_with_lengths_is_read_again(items: list[tuple[str, bytes]]) -> None:
    read = envelope(written(*(item(kind, payload) for kind, payload in items)), KEPT)
    assert read.items == [Item(kind, payload) for kind, payload in items if kind in KEPT]


HEADERS = st.sampled_from(
    [b"{}", b'{"type":"event"}', b'{"type":"span","length":4}', b'{"event_id":7}', b"[[", b""]
)
FIELDS = (
    "event_id",
    "timestamp",
    "message",
    "tags",
    "extra",
    "user",
    "contexts",
    "exception",
    "release",
    "type",
)
FIELDS += (
    "sid",
    "init",
    "started",
    "status",
    "aggregates",
    "attrs",
    "items",
    "start_timestamp",
    "transaction",
)
VALUES = st.recursive(
    st.sampled_from(
        ["event:x", "\ud800", "\0", "", "2026-11-30T12:00:00Z", "transaction", "exited", True, None]
    )
    | st.floats()
    | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from((*FIELDS, "values")), inner),
    max_leaves=12,
)
BODIES = st.builds(
    lambda kind, fields: written(item(kind, fields)),
    st.sampled_from(sorted(READERS)),
    st.dictionaries(st.sampled_from(FIELDS), VALUES),
)


@settings(max_examples=40)
@given(st.binary() | st.lists(HEADERS | st.binary(max_size=8)).map(b"\n".join) | BODIES)
def test_any_bytes_are_rows_or_a_fault_of_the_sender(body: bytes) -> None:
    for decode in (decode_envelope, decode_store):
        try:
            batch = decode(body)
        except DecodeError:
            continue
        with contextlib.suppress(TooMany):
            for row in a_maker().map(batch.records).rows:
                msgspec.json.encode((row.names, row.metadata))
