"""What the clients of a fault run send, and what must be found in the database afterwards.

A record is identified by its time, in microseconds since 1970, which no other record of the run has.
Its table, its user and its whole content follow from that number, so that each row can be checked alone.
"""

import gzip
import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

ORGANIZATION = "faults-organization"
APP = "faults"
USERS = 40
TABLES = ("analytics_user_activity", "analytics_endpoint_usage", "analytics_feature_usage")
MIXED = -1  # a request with records of all three tables
JSON, PROTOBUF = "application/json", "application/x-protobuf"


class Piece(NamedTuple):
    """One request: `count` records at `first`, `first` + 1 … microseconds since 1970, UTC."""

    first: int
    count: int
    kind: int = MIXED  # else the number of the one table of TABLES

    def kind_of(self, time: int) -> int:
        return time % 3 if self.kind == MIXED else self.kind

    @property
    def are_logs(self) -> bool:
        return self.first // 1000 % 4 == 0

    @property
    def content_type(self) -> str:
        return PROTOBUF if self.first // 4000 % 2 else JSON

    @property
    def is_compressed(self) -> bool:
        return self.first // 8000 % 3 == 0


class Request(NamedTuple):
    """A request as it goes over the wire."""

    path: str
    headers: dict[str, str]
    body: bytes


def user(number: int) -> str:
    return f"faults-user-{number}"


def request(piece: Piece) -> Request:
    """The same bytes, except for gzip's own, whenever a piece is sent again."""
    headers = {"Content-Type": piece.content_type}
    body = protobuf(piece) if piece.content_type == PROTOBUF else _json(piece)
    if piece.is_compressed:
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, 1)
    return Request("/v1/logs" if piece.are_logs else "/v1/traces", headers, body)


def expected(piece: Piece, time: int) -> tuple[int, str, tuple[Any, ...]]:
    """Table, raw user id, and the columns that `verify.COLUMNS` reads, of one record."""
    kind, number = piece.kind_of(time), time % 1_000_000
    if kind == 0:
        own: tuple[Any, ...] = ("login",)
    elif kind == 1:
        own = ("/faults/{id}", "GET", 200 + number % 5, None if piece.are_logs else float(1 + number % 900))
    else:
        own = (_feature(number), "used")
    return kind, user(number % USERS), (*own, {"app": APP, "count": number})


def _feature(number: int) -> str:
    return ("timer", "export", "search", "board")[number % 4]


def _attributes(piece: Piece, time: int) -> dict[str, str | int]:
    kind, number = piece.kind_of(time), time % 1_000_000
    given: dict[str, str | int] = {"user.id": user(number % USERS), "count": number}
    if kind == 0:
        return given | {"event.type": "login"}
    if kind == 1:
        status = 200 + number % 5
        return given | {
            "http.request.method": "GET",
            "http.route": "/faults/{id}",
            "http.response.status_code": status,
        }
    return given | {"feature.name": _feature(number), "feature.action": "used"}


def _end(time: int) -> int:
    """Nanoseconds: a span lasts 1 to 900 ms."""
    return time * 1000 + (1 + time % 1_000_000 % 900) * 1_000_000


def _times(piece: Piece) -> range:
    return range(piece.first, piece.first + piece.count)


def _json(piece: Piece) -> bytes:
    items = []
    for time in _times(piece):
        item: dict[str, Any] = {"attributes": _pairs(_attributes(piece, time))}
        if piece.are_logs:
            item["timeUnixNano"] = str(time * 1000)
        else:
            item |= {"traceId": f"{time:032x}", "spanId": f"{time:016x}", "name": "work", "kind": 2}
            item |= {"startTimeUnixNano": str(time * 1000), "endTimeUnixNano": str(_end(time))}
        items.append(item)
    group = {
        "resource": {"attributes": _pairs(_RESOURCE)},
        "scopeLogs" if piece.are_logs else "scopeSpans": [
            {"logRecords" if piece.are_logs else "spans": items}
        ],
    }
    return json.dumps({"resourceLogs" if piece.are_logs else "resourceSpans": [group]}).encode()


_RESOURCE: dict[str, str | int] = {"service.name": APP, "organization.id": ORGANIZATION}


def _pairs(attributes: dict[str, str | int]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"stringValue": of} if isinstance(of, str) else {"intValue": str(of)}}
        for key, of in attributes.items()
    ]


def protobuf(piece: Piece) -> bytes:
    """An Export…ServiceRequest, as gRPC sends it too."""
    message: Any = ExportLogsServiceRequest() if piece.are_logs else ExportTraceServiceRequest()
    group = message.resource_logs.add() if piece.are_logs else message.resource_spans.add()
    _fill(group.resource.attributes, _RESOURCE)
    items = group.scope_logs.add().log_records if piece.are_logs else group.scope_spans.add().spans
    for time in _times(piece):
        if piece.are_logs:
            item = items.add(time_unix_nano=time * 1000)
        else:
            item = items.add(trace_id=time.to_bytes(16), span_id=time.to_bytes(8), name="work", kind=2)
            item.start_time_unix_nano, item.end_time_unix_nano = time * 1000, _end(time)
        _fill(item.attributes, _attributes(piece, time))
    return bytes(message.SerializeToString())


def _fill(target: Any, attributes: dict[str, str | int]) -> None:
    for key, of in attributes.items():
        pair = target.add(key=key)
        if isinstance(of, str):
            pair.value.string_value = of
        else:
            pair.value.int_value = of


def microseconds(at: datetime) -> int:
    since = at.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
