"""Whatever is sent, decoders raise only what they declare, and no row holds what must not be stored."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from analytics.storage.rows import BaseEvent, Row
from consent.registry.registry import OURS, load
from ingest.mapping.aliases import PAGE_PATH, PAGE_ROUTE, ROUTING
from ingest.mapping.name_limits import RouteBook
from ingest.mapping.rows import RowMaker
from ingest.otlp import json as otlp_json
from ingest.otlp import metrics, protobuf
from ingest.otlp.records import CLIENT, INTERNAL, SERVER, DecodeError, Record, Resource
from postgres.instants import instant
from tests.support.examples import examples
from tests.support.otlp import KEPT_FROM, NOW, nanoseconds, whole

REGISTRY = load([OURS])
DECODERS = [otlp_json.decode_traces, otlp_json.decode_logs, metrics.count_json]
DECODERS += [protobuf.decode_traces, protobuf.decode_logs, metrics.count_protobuf]

PLANTED = (
    "bob.jones@example.com",
    "203.0.113.77",
    "sk_live_Ab3dEf6hIj9k",
    "4111111111111111",
    "raw-id-of-jane",
)
text = (
    st.text(max_size=40)
    | st.sampled_from(PLANTED)
    | st.sampled_from(
        ["export", "/a/b", "login", "GET", "1.2.3", "feature:x:", "/users/", "https://h.example/"]
    )
)
planted_text = st.builds(
    lambda before, planted, after: before + planted + after, text, st.sampled_from(PLANTED), text
)
words = text | planted_text
values = st.recursive(
    words | st.integers() | st.floats() | st.booleans() | st.none() | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(
    sorted(
        {*ROUTING, *PAGE_PATH, *PAGE_ROUTE, *REGISTRY.names, *(f"metadata.{name}" for name in REGISTRY.names)}
        | {
            "user.id",
            "organization.id",
            "session.id",
            "install_id",
            "log.record.uid",
            "internal",
            "user.email",
        }
        | {"telemetry.do_not_track", "deployment.type"}
    )
) | st.text(max_size=10)
attributes = st.dictionaries(names, values, max_size=8) | st.dictionaries(names, words, max_size=8)
event_names = words | st.sampled_from(
    [
        "timer.started",
        "login",
        "$pageview",
        "page_view",
        "base_telemetry.heartbeat",
        "error",
        "click",
        "event:x",
    ]
)
times = st.integers(0, 2**64 - 1) | st.just(nanoseconds(NOW))
records = st.builds(
    Record,
    st.booleans(),
    attributes.map(Resource),
    words,
    event_names,
    attributes,
    values,
    st.sampled_from([0, INTERNAL, SERVER, CLIENT, 7]),
    times,
    times,
    times,
    st.sampled_from(["", "0af7651916cd43dd8448eb211c80319c"]),
    st.sampled_from(["", "b7ad6b7169203331"]),
    st.integers(0, 5),
)


def mapped(given_records: list[Record]) -> tuple[list[Row], list[BaseEvent], int]:
    maker = RowMaker(
        organization="",
        do_not_track=False,
        now=NOW,
        kept_from=KEPT_FROM,
        registry=REGISTRY,
        routes=RouteBook(REGISTRY.endpoints),
    )
    result = maker.map(given_records)
    return result.rows, result.base_events, result.refused.total()


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(records, max_size=5))
def test_every_record_becomes_a_clean_row_or_a_counted_refusal(given_records: list[Record]) -> None:
    rows, base_events, refused = mapped(given_records)
    assert len(rows) + len(base_events) + refused == len(given_records)
    for row in rows:
        assert set(row.metadata) <= set(REGISTRY.attributes)
        assert NOW - timedelta(days=400) < instant(row.timestamp) < NOW + timedelta(days=2)
        assert len(row.user_id) == 32
        assert row.deployment_type in ("cloud", "self-hosted", "unknown")
        assert UUID(bytes=row.id).version == 8
        widths = {"activity": (50, 255), "endpoint": (255, 10), "feature": (100, 100)}[row.table]
        assert all(0 <= len(name) <= width for name, width in zip(row.names, widths, strict=False))
    stored = msgspec.json.encode([(row.metadata, row.names) for row in rows]).decode()
    stored += msgspec.json.encode([event.facts for event in base_events]).decode()
    assert "\\u0000" not in stored
    for planted in PLANTED[:-1]:
        assert planted not in stored


@settings(max_examples=examples(60), deadline=None)
@given(records, st.sampled_from(["user.id", "organization.id", "session.id", "install_id"]))
def test_a_raw_id_is_found_nowhere_in_its_own_row(record: Record, kind: str) -> None:
    record = replace(record, attributes=record.attributes | {kind: PLANTED[-1]}, time=nanoseconds(NOW))
    for row in mapped([record])[0]:
        assert PLANTED[-1] not in msgspec.json.encode((row.metadata, row.names[:2], row.user_id)).decode()


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(records, max_size=4))
def test_the_same_records_in_any_order_have_the_same_ids(given_records: list[Record]) -> None:
    ids = [row.id for row in mapped(given_records)[0]]
    assert sorted(ids) == sorted(row.id for row in mapped(given_records[::-1])[0])


@settings(max_examples=examples(60), deadline=None)
@given(st.binary(max_size=200))
def test_bytes_are_decoded_or_refused(body: bytes) -> None:
    for decode in DECODERS:
        try:
            decoded = decode(body)
            if not isinstance(decoded, metrics.PointCount):
                whole(decoded)
        except DecodeError:
            continue


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["key", "value", "stringValue", "intValue", "arrayValue", "values", "traceId", "name", "kind"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=examples(60), deadline=None)
@given(anything, anything, anything)
def test_json_of_any_shape_is_decoded_or_refused(resource: Any, scope: Any, item: Any) -> None:
    for groups, scopes, items in (
        ("resourceSpans", "scopeSpans", "spans"),
        ("resourceLogs", "scopeLogs", "logRecords"),
    ):
        body = {
            groups: [{"resource": resource, scopes: [{"scope": scope, items: [item, {"attributes": item}]}]}]
        }
        raw = json.dumps(body).encode()
        for decode in DECODERS[:3]:
            try:
                batch = decode(raw)
            except DecodeError:
                continue
            if not isinstance(batch, metrics.PointCount):
                mapped(whole(batch).records)


def test_the_clock_of_these_tests_is_utc() -> None:
    assert NOW.tzinfo is UTC
    assert isinstance(NOW, datetime)
