"""Parts of hostile requests, made once and combined again and again, which keeps a million bodies cheap.

`{time}` and `{id}` in a JSON record, and known bytes in a protobuf one, are written over for each body.
"""

import json
import random
from typing import Any, NamedTuple

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.fuzz import values

TIME, NUMBER = 0x1122334455667788, 0x0123456789ABCDEF  # in protobuf: where a time, where an id belongs
TIME_BYTES, NUMBER_BYTES = TIME.to_bytes(8, "little"), NUMBER.to_bytes(8)
FRAGMENTS = 4000  # of each kind


class Fragments(NamedTuple):
    """Records and resources of one signal, as the bytes of either encoding."""

    json_sound: list[bytes]  # sound enough to become a row
    json_odd: list[bytes]
    json_resources: list[bytes]
    protobuf_sound: list[bytes]
    protobuf_odd: list[bytes]
    protobuf_resources: list[bytes]


def make(signal: str, seed: int) -> Fragments:
    choose = random.Random(f"{signal} {seed}")
    json_record = json_span if signal == "traces" else json_log
    protobuf_record = protobuf_span if signal == "traces" else protobuf_log
    return Fragments(
        [dumped(json_record(choose, is_sound=True)) for _ in range(FRAGMENTS)],
        [dumped(json_record(choose, is_sound=False)) for _ in range(FRAGMENTS)],
        [dumped(json_resource(choose)) for _ in range(FRAGMENTS // 4)],
        [protobuf_record(choose, is_sound=True) for _ in range(FRAGMENTS)],
        [protobuf_record(choose, is_sound=False) for _ in range(FRAGMENTS)],
        [protobuf_resource(choose) for _ in range(FRAGMENTS // 4)],
    )


# --- JSON ----------------------------------------------------------------------------------------
def dumped(document: Any) -> bytes:
    return json.dumps(document).replace('"TIME"', "{time}").replace("NUMBER", "{id}").encode()


def json_span(choose: random.Random, *, is_sound: bool) -> dict[str, Any]:
    span: dict[str, Any] = {
        "traceId": "NUMBERNUMBER",
        "spanId": "NUMBER",
        "name": values.text(choose) if choose.random() < 0.3 else "work",
        "kind": choose.choice([0, 1, 2, 2, 2]),
        "startTimeUnixNano": "TIME",
        "endTimeUnixNano": "TIME",
        "attributes": sound_attributes(choose),
    }
    if choose.random() < 0.2:
        span |= {choose.choice(SPAN_EXTRAS): json_anything(choose)}
    return span if is_sound else spoiled(choose, span)


SPAN_EXTRAS = (
    "unknown",
    "flags",
    "traceState",
    "parentSpanId",
    "droppedAttributesCount",
    "start_time_unix_nano",
)
LOG_EXTRAS = ("unknown", "flags", "severityText", "traceId", "spanId", "droppedAttributesCount", "event_name")


def json_log(choose: random.Random, *, is_sound: bool) -> dict[str, Any]:
    log: dict[str, Any] = {"timeUnixNano": "TIME", "attributes": sound_attributes(choose, uid="NUMBER")}
    if choose.random() < 0.5:
        log["eventName"] = values.text(choose)
    if choose.random() < 0.5:
        log["body"] = json_value(choose)
    if choose.random() < 0.2:
        log |= {choose.choice(LOG_EXTRAS): json_anything(choose)}
    return log if is_sound else spoiled(choose, log)


def json_resource(choose: random.Random) -> dict[str, Any]:
    return {"attributes": [json_attribute(choose) for _ in range(choose.randrange(4))]}


def sound_attributes(choose: random.Random, uid: str = "") -> list[dict[str, Any]]:
    """Attributes of a user who has consented, of an event that can be routed, plus anything else."""
    given = values.who(choose) | ({"log.record.uid": uid} if uid else {})
    about = choose.random()
    if about < 0.3:
        given |= {"event.type": values.text(choose) or "login"}
    elif about < 0.6:
        given |= {
            "http.request.method": values.text(choose) or "GET",
            "http.route": values.text(choose) or "/",
        }
    else:
        given |= {"feature.name": values.text(choose) or "x", "feature.action": values.text(choose)}
    plain = [{"key": key, "value": {"stringValue": of}} for key, of in given.items()]
    odd = [json_attribute(choose) for _ in range(choose.randrange(4))]
    return [pair for pair in odd if pair["key"] not in IDENTIFYING] + plain


# fmt: off
IDENTIFYING = frozenset((
    "user.id", "user_id", "enduser.id", "identity", "organization.id", "organization_id", "session.id",
    "session_id", "app.installation.id", "install_id", "log.record.uid", "telemetry.do_not_track", "internal",
    "event.category", "event.name", "event_name",
))
# fmt: on


def json_attribute(choose: random.Random) -> dict[str, Any]:
    return {"key": choose.choice(values.KEYS), "value": json_value(choose)}


def json_value(choose: random.Random, depth: int = 0) -> Any:
    """An AnyValue, mostly a valid one."""
    kind = choose.randrange(12 if depth < 4 else 8)
    if kind < 3:
        return {"stringValue": values.text(choose)}
    if kind == 3:
        integer = choose.choice(values.ODD_INTEGERS)
        return {"intValue": choose.choice([integer, str(integer)])}
    if kind == 4:
        number = choose.choice(values.ODD_NUMBERS)
        return {
            "doubleValue": choose.choice([number, str(number), None, "Infinity", "-Infinity", "NaN", "1e400"])
        }
    if kind == 5:
        return {"boolValue": choose.choice([True, False, "true", 1, None])}
    if kind == 6:
        return {"bytesValue": choose.choice(["", "AAAA", "_-8", "W47/95g=", "%%%", "A", 5])}
    if kind == 7:
        return choose.choice(
            [{}, None, {"stringValue": "a", "intValue": "1"}, {"unknown": 1}, "text", 5, [], True]
        )
    if kind < 10:
        return {"arrayValue": {"values": [json_value(choose, depth + 1) for _ in range(choose.randrange(4))]}}
    pairs = [
        {"key": values.text(choose), "value": json_value(choose, depth + 1)}
        for _ in range(choose.randrange(4))
    ]
    return {"kvlistValue": {"values": pairs}}


def json_anything(choose: random.Random, depth: int = 0) -> Any:
    kind = choose.randrange(9 if depth < 5 else 7)
    if kind == 7:
        return [json_anything(choose, depth + 1) for _ in range(choose.randrange(4))]
    if kind == 8:
        return {values.text(choose): json_anything(choose, depth + 1) for _ in range(choose.randrange(4))}
    simple = (None, True, False, "", {}, [])
    picks = (
        *(values.text(choose), choose.choice(values.ODD_INTEGERS), choose.choice(values.ODD_NUMBERS)),
        *(choose.choice(simple), nested(choose.choice([5, 20, 150, 2000])), json_value(choose), "TIME"),
    )
    return picks[kind]


def nested(depth: int) -> Any:
    """A deeply nested value, built from the inside out, as deep as json can write it."""
    value: Any = 1
    for _ in range(min(depth, 400)):
        value = [value]
    return value


def spoiled(choose: random.Random, record: dict[str, Any]) -> dict[str, Any]:
    """The object with something else in one or two of its fields."""
    for field in choose.choices(list(record), k=choose.randrange(1, 3)):
        record[field] = json_anything(choose)
    return record


# --- Protobuf ------------------------------------------------------------------------------------
def protobuf_span(choose: random.Random, *, is_sound: bool) -> bytes:
    span = Span(
        trace_id=NUMBER_BYTES * 2,
        span_id=NUMBER_BYTES,
        name=values.plain_text(choose) if choose.random() < 0.3 else "work",
        kind=choose.choice([0, 1, 2, 2, 2]),
        start_time_unix_nano=TIME,
        end_time_unix_nano=TIME,
        attributes=protobuf_attributes(sound_attributes(choose), choose),
    )
    if not is_sound:
        span.kind = choose.choice([7, -1, 2**31 - 1, 3])
        span.trace_id = choose.randbytes(choose.choice([0, 1, 15, 16, 17, 300]))
        span.start_time_unix_nano = choose.choice([0, 1, 2**63, 2**64 - 1, TIME])
        span.end_time_unix_nano = choose.choice([0, 1, 2**64 - 1])
        span.parent_span_id = choose.randbytes(choose.randrange(10))
        span.attributes.extend(protobuf_attribute(choose) for _ in range(choose.randrange(5)))
    return bytes(span.SerializeToString())


def protobuf_log(choose: random.Random, *, is_sound: bool) -> bytes:
    log = LogRecord(
        time_unix_nano=TIME,
        event_name=values.plain_text(choose),
        attributes=protobuf_attributes(sound_attributes(choose), choose),
    )
    log.attributes.add(key="log.record.uid").value.bytes_value = NUMBER_BYTES
    if choose.random() < 0.5:
        log.body.CopyFrom(protobuf_value(choose))
    if not is_sound:
        log.time_unix_nano = choose.choice([0, 1, 2**63, 2**64 - 1, TIME])
        log.observed_time_unix_nano = choose.choice([0, 1, 2**64 - 1, TIME])
        log.severity_number = choose.choice([-1, 99, 2**31 - 1])
        log.trace_id = choose.randbytes(choose.choice([0, 1, 16, 300]))
        log.attributes.extend(protobuf_attribute(choose) for _ in range(choose.randrange(5)))
    return bytes(log.SerializeToString())


def protobuf_resource(choose: random.Random) -> bytes:
    resource = Resource(attributes=[protobuf_attribute(choose) for _ in range(choose.randrange(4))])
    return bytes(resource.SerializeToString())


def protobuf_attributes(pairs: list[dict[str, Any]], choose: random.Random) -> list[KeyValue]:
    """Attributes of JSON in protobuf: texts stay as they are, anything else becomes a value of any kind."""
    made = []
    for pair in pairs:
        key, value = pair["key"].encode("utf-8", "replace").decode(), pair["value"]
        of = value.get("stringValue") if isinstance(value, dict) else None
        if isinstance(of, str):
            string = AnyValue(string_value=of.encode("utf-8", "replace").decode())
            made.append(KeyValue(key=key, value=string))
        else:
            made.append(KeyValue(key=key, value=protobuf_value(choose)))
    return made


def protobuf_attribute(choose: random.Random) -> KeyValue:
    return KeyValue(key=choose.choice(values.KEYS), value=protobuf_value(choose))


def protobuf_value(choose: random.Random, depth: int = 0) -> AnyValue:
    value = AnyValue()
    kind = choose.randrange(9 if depth < 4 else 6)
    if kind < 2:
        value.string_value = values.plain_text(choose)
    elif kind == 2:
        value.int_value = max(-(2**63), min(2**63 - 1, choose.choice(values.ODD_INTEGERS)))
    elif kind == 3:
        value.double_value = choose.choice(values.ODD_NUMBERS)
    elif kind == 4:
        value.bool_value = choose.random() < 0.5
    elif kind == 5:
        value.bytes_value = choose.randbytes(choose.randrange(9))
    elif kind == 6:
        value.array_value.values.extend(protobuf_value(choose, depth + 1) for _ in range(choose.randrange(4)))
    elif kind == 7:
        for _ in range(choose.randrange(4)):
            value.kvlist_value.values.add(
                key=values.plain_text(choose), value=protobuf_value(choose, depth + 1)
            )
    else:
        inner = value
        for _ in range(choose.choice([5, 17, 40])):
            inner = inner.array_value.values.add()
        inner.int_value = 1
    return value
