"""OTLP trace bodies for the benchmarks: realistic spans, each request's made unique by patching bytes.

A body is encoded once; for each request only its trace ids and times are overwritten, so that the load
generator costs little compared with the server that is measured.
"""

import json
import os
import random
import struct

import numpy
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

USERS = 200
ORGANIZATION = "bench-organization"
SECOND = 1_000_000_000  # nanoseconds
TRACE = "ab" * 16
LASTS = 5 * SECOND  # how long SDKs collect spans before they send them
# A time that occurs in no body by chance; it has 19 digits, like today's times in nanoseconds.
BASE = 1_111_111_111 * SECOND


def user(number):
    return f"bench-user-{number}"


def attributes(pairs):
    kinds = {str: "stringValue", int: "intValue", float: "doubleValue", bool: "boolValue"}
    return [
        {"key": key, "value": {kinds[type(value)]: str(value) if type(value) is int else value}}
        for key, value in pairs.items()
    ]


def span(number, spans, choose):
    """A span of one of three kinds: of ten, six are HTTP requests, three feature uses, one a sign-in."""
    who = {"user.id": user(choose.randrange(USERS)), "session.id": f"session-{choose.randrange(USERS)}"}
    kind = choose.random()
    if kind < 0.6:
        name, more = (
            "GET /api/items/{id}",
            {
                "http.request.method": choose.choice(["GET", "POST", "PUT"]),
                "http.route": f"/api/{choose.choice(['items', 'reports', 'teams', 'runs'])}/{{id}}",
                "http.response.status_code": choose.choice([200] * 20 + [404, 500]),
                "url.path": "/api/items/4711",
                "server.address": "app.example",
            },
        )
    elif kind < 0.9:
        name, more = (
            "feature",
            {
                "feature.name": choose.choice(["timer", "export", "search", "board", "report"]),
                "feature.action": choose.choice(["started", "stopped", "opened"]),
                "app.version": "3.1.4",
            },
        )
    else:
        name, more = "login", {"event.type": "login", "app.version": "3.1.4"}
    at = BASE + number * LASTS // spans
    return {
        "traceId": TRACE,
        "spanId": f"{number + 1:016x}",
        "name": name,
        "kind": 2,
        "startTimeUnixNano": str(at),
        "endTimeUnixNano": str(at + choose.randrange(1, 900) * 1_000_000),
        "attributes": attributes(who | more),
        "status": {},
    }


def document(spans):
    choose = random.Random(7)
    resource = {
        "service.name": "bench",
        "organization.id": ORGANIZATION,
        "deployment.type": "cloud",
        "telemetry.sdk.language": "python",
    }
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": attributes(resource)},
                "scopeSpans": [
                    {
                        "scope": {"name": "bench"},
                        "spans": [span(number, spans, choose) for number in range(spans)],
                    }
                ],
            }
        ]
    }


class Bodies:
    """Bodies of a fixed number of spans; each body has trace ids and times of its own."""

    content_type: str

    def __init__(self, template, spans, times, traces, encode_times):
        """`times`: values, their offsets in the template, and width; `traces`: offsets and width."""
        self.spans = spans
        self._bytes = numpy.frombuffer(template, dtype=numpy.uint8).copy()
        values, offsets, width = times
        self._shifts = numpy.array(values, dtype=numpy.uint64) - numpy.uint64(BASE)
        self._times_at = numpy.array(offsets)[:, None] + numpy.arange(width)
        offsets, width = traces
        self._traces_at = numpy.array(offsets)[:, None] + numpy.arange(width)
        self._encode_times = encode_times

    def next(self, now):
        """A body with events of the last seconds before `now` (nanoseconds since 1970)."""
        body = self._bytes.copy()
        body[self._times_at] = self._encode_times(self._shifts + numpy.uint64(now - LASTS))
        body[self._traces_at] = numpy.frombuffer(self._trace(), dtype=numpy.uint8)
        return body.tobytes()


class JsonBodies(Bodies):
    content_type = "application/json"

    def __init__(self, spans):
        sent = document(spans)
        template = json.dumps(sent, separators=(",", ":")).encode()
        values = [
            int(one[name])
            for one in sent["resourceSpans"][0]["scopeSpans"][0]["spans"]
            for name in ("startTimeUnixNano", "endTimeUnixNano")
        ]
        offsets = every(template, [str(value).encode() for value in values])
        traces = every(template, [TRACE.encode()] * spans)
        super().__init__(template, spans, (values, offsets, 19), (traces, 32), digits)

    def _trace(self):
        return os.urandom(16).hex().encode()


class ProtobufBodies(Bodies):
    content_type = "application/x-protobuf"

    def __init__(self, spans):
        message = ExportTraceServiceRequest()
        for resource_spans in document(spans)["resourceSpans"]:
            _fill(message.resource_spans.add(), resource_spans)
        template = message.SerializeToString()
        values = [
            value
            for one in message.resource_spans[0].scope_spans[0].spans
            for value in (one.start_time_unix_nano, one.end_time_unix_nano)
        ]
        offsets = every(template, [struct.pack("<Q", value) for value in values])
        traces = every(template, [bytes.fromhex(TRACE)] * spans)
        super().__init__(template, spans, (values, offsets, 8), (traces, 16), fixed64)

    def _trace(self):
        return os.urandom(16)


def every(template, pieces):
    """The offsets of pieces that occur in this order."""
    offsets, at = [], 0
    for piece in pieces:
        at = template.index(piece, at)
        offsets.append(at)
        at += len(piece)
    return offsets


def digits(times):
    """The times as ASCII digits, 19 each."""
    powers = numpy.uint64(10) ** numpy.arange(18, -1, -1, dtype=numpy.uint64)
    return (times[:, None] // powers % numpy.uint64(10)).astype(numpy.uint8) + 48


def fixed64(times):
    return times.view(numpy.uint8).reshape(-1, 8)


def _fill(target, source):
    for attribute in source["resource"]["attributes"]:
        _attribute(target.resource.attributes.add(), attribute)
    for scope_source in source["scopeSpans"]:
        scope = target.scope_spans.add()
        scope.scope.name = scope_source["scope"]["name"]
        for one in scope_source["spans"]:
            added = scope.spans.add(
                trace_id=bytes.fromhex(one["traceId"]),
                span_id=bytes.fromhex(one["spanId"]),
                name=one["name"],
                kind=one["kind"],
                start_time_unix_nano=int(one["startTimeUnixNano"]),
                end_time_unix_nano=int(one["endTimeUnixNano"]),
            )
            for attribute in one["attributes"]:
                _attribute(added.attributes.add(), attribute)


def _attribute(target, source):
    target.key = source["key"]
    value = source["value"]
    if "intValue" in value:
        target.value.int_value = int(value["intValue"])
    elif "boolValue" in value:
        target.value.bool_value = value["boolValue"]
    elif "doubleValue" in value:
        target.value.double_value = value["doubleValue"]
    else:
        target.value.string_value = value["stringValue"]
