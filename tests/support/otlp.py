"""OTLP requests for tests: a test writes only what it is about."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.test import Client
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from consent.decisions.recording import record_decision
from consent.keys import issue_key
from consent.models import Key, Method, State, SubjectKind
from consent.pseudonyms import pseudonym
from ingest.otlp.records import INTERNAL, Batch, Record, Resource

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEPT_FROM = datetime(2025, 11, 1, tzinfo=UTC)
SERVER = 2


class Whole(NamedTuple):
    """A batch that has been read completely."""

    records: list[Record]
    malformed: int


def whole(batch: Batch) -> Whole:
    return Whole(list(batch.records), batch.malformed.total())


def nanoseconds(at: datetime) -> int:
    return int((at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)) * 1000


def record(
    name: str = "",
    *,
    resource: Mapping[str, Any] | None = None,
    body: Any = None,
    kind: int | None = None,
    at: datetime = NOW,
    milliseconds: float = 0,
    trace_id: str = "0af7651916cd43dd8448eb211c80319c",
    span_id: str = "b7ad6b7169203331",
    attributes: Mapping[str, Any] | None = None,
    **more: Any,
) -> Record:
    """A decoded record: a span when `kind` is given, else a log. Keyword `a__b` is the attribute `a.b`."""
    given = {key.replace("__", "."): value for key, value in more.items()} | dict(attributes or {})
    time = nanoseconds(at)
    end = time + int(milliseconds * 1e6) if kind is not None else 0
    return Record(
        kind is not None,
        Resource(dict(resource or {})),
        "tests",
        name,
        given,
        body,
        kind or 0,
        time,
        end,
        0,
        trace_id,
        span_id,
        0,
    )


def internal(name: str = "work", **more: Any) -> Record:
    return record(name, kind=INTERNAL, **more)


def server(name: str = "request", **more: Any) -> Record:
    return record(name, kind=SERVER, **more)


# --- JSON ----------------------------------------------------------------------------------------
def value(of: Any) -> dict[str, Any]:
    """A Python value as an AnyValue; a dict is one already."""
    if isinstance(of, dict):
        return of
    if isinstance(of, bool):
        return {"boolValue": of}
    if isinstance(of, int):
        return {"intValue": str(of)}
    if isinstance(of, float):
        return {"doubleValue": of}
    if isinstance(of, list):
        return {"arrayValue": {"values": [value(one) for one in of]}}
    return {"stringValue": of}


def pairs(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(of)} for key, of in attributes.items()]


def span(number: int = 1, *, at: datetime | None = None, **fields: Any) -> dict[str, Any]:
    """A span as JSON. Its ids are made of `number`; `attributes` may be plain Python values."""
    start = nanoseconds(at or datetime.now(UTC).replace(microsecond=0))
    attributes = fields.pop("attributes", {})
    return {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": "work",
        "kind": 1,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + 5_000_000),
        "attributes": pairs(attributes),
    } | fields


def log(name: str = "", *, at: datetime | None = None, **fields: Any) -> dict[str, Any]:
    attributes = fields.pop("attributes", {})
    return {
        "timeUnixNano": str(nanoseconds(at or datetime.now(UTC).replace(microsecond=0))),
        "eventName": name,
        "attributes": pairs(attributes),
    } | fields


def traces(*spans: dict[str, Any], resource: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": pairs(resource or {"service.name": "shop"})},
                "scopeSpans": [{"scope": {"name": "tests"}, "spans": list(spans)}],
            }
        ]
    }


def logs(*records: dict[str, Any], resource: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "resourceLogs": [
            {
                "resource": {"attributes": pairs(resource or {"service.name": "shop"})},
                "scopeLogs": [{"scope": {"name": "tests"}, "logRecords": list(records)}],
            }
        ]
    }


# --- Protobuf ------------------------------------------------------------------------------------
def encoded(document: dict[str, Any]) -> bytes:
    """A JSON request as protobuf, in which ids are bytes."""
    message = ExportTraceServiceRequest() if "resourceSpans" in document else ExportLogsServiceRequest()
    return bytes(json_format.ParseDict(_with_ids_in_base64(document), message).SerializeToString())


def _with_ids_in_base64(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_ids_in_base64(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: base64.b64encode(bytes.fromhex(one)).decode()
        if name in ("traceId", "spanId", "parentSpanId")
        else _with_ids_in_base64(one)
        for name, one in value.items()
    }


# --- Keys, consent, sending ----------------------------------------------------------------------
def a_key(*, scopes: tuple[str, ...] = ("ingest",), organization: str = "") -> tuple[str, Key]:
    bound = pseudonym("organization", organization) if organization else ""
    return issue_key(name="test", scopes=scopes, organization_pseudonym=bound)


def grant(*, user: str = "", organization: str = "", since: datetime | None = None) -> None:
    """Record consent of the subjects with these raw ids, by default since a year ago."""
    since = since or datetime.now(UTC) - timedelta(days=365)
    for kind, raw in ((SubjectKind.USER, user), (SubjectKind.ORGANIZATION, organization)):
        if raw:
            record_decision(
                kind=kind,
                subject=pseudonym(kind, raw),
                state=State.GRANTED,
                actor="tests",
                method=Method.COMMAND,
                effective_at=since,
            )


def post(
    client: Client, path: str, body: Any, key: str, *, content_type: str = "application/json", **headers: str
) -> Any:
    """Send a body (bytes as they are, everything else as JSON)."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.generic(
        "POST",
        path,
        raw,
        content_type,
        headers={"Authorization": f"Bearer {key}", "Content-Type": content_type} | headers,
    )
