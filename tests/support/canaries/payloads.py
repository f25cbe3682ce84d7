"""Random payloads with canaries planted in them, and patterns that recognize a canary or a part of one.

All canaries but numbers and addresses hold the word `CANARY`. A harmless word, `HARMLESS`, is planted as
well: it must be found, or else the search proves nothing.
"""

import base64
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.fuzz import values
from tests.support.fuzz.fragments import IDENTIFYING

CANARY, HARMLESS = "qzjanedoe", "harmlessword"
CARDS = ("4111111111111111", "5500 0055 5555 5559", "3782-822463-10005", "6011000990139424")
JWT_HEAD = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
USERS = tuple(f"{CANARY}{number}@example.com" for number in range(20))  # raw ids of people who have consented
KNOWN = tuple(name for name in values.KEYS if name not in IDENTIFYING and name.strip())
TRACES, LOGS = "traces", "logs"
# What an event is about, one entry for each table.
SUBJECTS = (
    {"event.type": "login", "session.id": "plain-session"},
    {"http.request.method": "GET", "http.route": "/orders/{id}", "http.response.status_code": "200"},
    {"feature.name": "export", "feature.action": "started"},
)

# Separators before and after a canary, as in text that people write or programs assemble.
BEFORE = ("", "", " ", "/", "=", "(", "/api/v2/users/", "by ", "https://shop.example/a/")
BEHIND = ("", "", " ", "/", ")", ",", "/edit", "?tab=1", " of it")


def _jwt(number: int) -> str:
    claims = base64.urlsafe_b64encode(f'{{"sub":"{CANARY}{number}"}}'.encode()).decode().rstrip("=")
    return f"{JWT_HEAD}.{claims}.c2lnbmF0dXJlLW9mLWl0"


KINDS: dict[str, Callable[[int], str]] = {
    "e-mail": lambda number: f"{CANARY}{number}@example.com",
    "token": lambda number: ("sk_live_", "ghp_", "npm_")[number % 3] + f"{CANARY}{number:06}Ab",
    "ip": lambda number: f"203.0.113.{number % 250}" if number % 2 else f"2001:db8:{number % 4096:x}::77",
    "home": lambda number: (f"/home/{CANARY}/x", f"/Users/{CANARY}/x", f"C:\\Users\\{CANARY}\\x")[number % 3],
    "jwt": _jwt,
    "card": lambda number: CARDS[number % len(CARDS)],
}
FOUND = re.compile(
    rb"|".join(
        (
            CANARY.encode(),
            base64.b64encode(b'{"sub":"' + CANARY.encode())[:20],
            JWT_HEAD.encode(),
            rb"203\.0\.113\.",
            rb"2001:0?db8:",
            *(re.sub(r"\D", "", card).encode() for card in CARDS),
            *(card.encode() for card in CARDS),
        )
    ),
    re.IGNORECASE,
)


class Payload(NamedTuple):
    """A request of one record. `document` is OTLP/JSON; the same as protobuf is `protobuf`."""

    signal: str
    document: dict[str, Any]

    @property
    def json(self) -> bytes:
        return json.dumps(self.document).encode()

    @property
    def protobuf(self) -> bytes:
        message = ExportTraceServiceRequest() if self.signal == TRACES else ExportLogsServiceRequest()
        document = json.loads(self.json, object_hook=_with_base64_ids)
        return bytes(ParseDict(document, message).SerializeToString())


def _with_base64_ids(fields: dict[str, Any]) -> dict[str, Any]:
    for name in ("traceId", "spanId"):
        if name in fields:
            fields[name] = base64.b64encode(bytes.fromhex(fields[name])).decode()
    return fields


class Payloads:
    """An endless supply, the same for the same seed; `planted` counts what was planted, by kind and place."""

    def __init__(self, seed: int) -> None:
        self._choose = random.Random(seed)
        self._number = 0
        self.planted: Counter[tuple[str, str]] = Counter()

    def next(self) -> Payload:
        self._number += 1
        choose = self._choose
        signal = choose.choice((TRACES, LOGS))
        record = self._record(signal)
        whole = {
            "resource": {"attributes": []},
            "scope": {"name": "shop", "attributes": []},
            "record": record,
        }
        if self._number % 20 == 0:
            _give(record, "feature.name", HARMLESS)
        for place in choose.sample(list(PLACES), choose.choice((1, 1, 2, 3))):
            kind = "e-mail" if place == "user" else choose.choice(list(KINDS))
            canary = KINDS[kind](choose.randrange(10**6))
            PLACES[place](choose, whole, choose.choice(BEFORE) + canary + choose.choice(BEHIND))
            self.planted[kind, place] += 1
        plural, scopes, records = (
            ("resourceSpans", "scopeSpans", "spans")
            if signal == TRACES
            else ("resourceLogs", "scopeLogs", "logRecords")
        )
        scope = {"scope": whole["scope"], records: [record]}
        return Payload(signal, {plural: [{"resource": whole["resource"], scopes: [scope]}]})

    def _record(self, signal: str) -> dict[str, Any]:
        choose, now = self._choose, time.time_ns() - self._choose.randrange(10**13)
        holder: dict[str, Any] = {"attributes": []}
        for name, text in (values.who(choose) | choose.choice(SUBJECTS)).items():
            _give(holder, name, text)
        for _ in range(choose.randrange(8)):
            name = choose.choice(KNOWN) if choose.random() < 0.5 else values.plain_text(choose)
            holder["attributes"].append({"key": name, "value": _value(choose)})
        ids = {"traceId": f"{choose.getrandbits(128):032x}", "spanId": f"{choose.getrandbits(64):016x}"}
        if signal == LOGS:
            return ids | {"timeUnixNano": str(now), "eventName": "timer.started"} | holder
        times = {"startTimeUnixNano": str(now), "endTimeUnixNano": str(now + 5_000_000)}
        return ids | times | {"name": "work", "kind": choose.choice((1, 2))} | holder


def _value(choose: random.Random, depth: int = 0) -> dict[str, Any]:
    """An AnyValue of any kind."""
    kind = choose.randrange(8 if depth < 3 else 5)
    if kind < 2:
        return {"stringValue": values.plain_text(choose)}
    if kind == 2:
        return {"intValue": str(choose.randrange(-(2**63), 2**63) >> choose.randrange(64))}
    if kind == 3:
        return {"doubleValue": choose.uniform(-1e6, 1e6)}
    if kind == 4:
        return {"boolValue": choose.random() < 0.5}
    inner = [_value(choose, depth + 1) for _ in range(choose.randrange(4))]
    if kind < 7:
        return {"arrayValue": {"values": inner}}
    return {"kvlistValue": {"values": [{"key": values.plain_text(choose), "value": one} for one in inner]}}


# --- Places ----------------------------------------------------------------------------------------
def _give(holder: dict[str, Any], name: str, text: str) -> None:
    """Set an attribute, in place of an earlier one of the same name."""
    holder["attributes"].append({"key": name, "value": {"stringValue": text}})


def _nested(choose: random.Random, whole: dict[str, Any], text: str) -> None:
    inner = {"kvlistValue": {"values": [{"key": text, "value": {"stringValue": text}}]}}
    value = {"arrayValue": {"values": [{"stringValue": text}, inner]}}
    whole["record"]["attributes"].append({"key": choose.choice(KNOWN), "value": value})


def _title(choose: random.Random, whole: dict[str, Any], text: str) -> None:
    whole["record"]["name" if "name" in whole["record"] else "eventName"] = text


def _text_besides(choose: random.Random, whole: dict[str, Any], text: str) -> None:
    """Plant it in fields that are never stored: a log's body, a span's status, events and state."""
    record = whole["record"]
    if "name" not in record:
        record["body"] = {"stringValue": text}
        return
    event = {"name": text, "attributes": [{"key": "exception.message", "value": {"stringValue": text}}]}
    record |= {"status": {"code": 2, "message": text}, "traceState": text, "events": [event]}


def _user(choose: random.Random, whole: dict[str, Any], text: str) -> None:
    """A user who has consented, and whose id is an e-mail address."""
    _give(whole["record"], "user.id", choose.choice(USERS))


def _id(choose: random.Random, whole: dict[str, Any], text: str) -> None:
    names = ("session.id", "app.installation.id", "log.record.uid", "organization.id", "enduser.id")
    _give(whole["record"], choose.choice(names), text)


def _attribute(*names: str) -> Callable[[random.Random, dict[str, Any], str], None]:
    return lambda choose, whole, text: _give(whole["record"], choose.choice(names), text)


PLACES: dict[str, Callable[[random.Random, dict[str, Any], str], None]] = {
    "known attribute": _attribute(*KNOWN),
    "any attribute": lambda choose, whole, text: _give(whole["record"], values.plain_text(choose), text),
    "attribute's name": lambda choose, whole, text: _give(whole["record"], text, "1"),
    "nested": _nested,
    "resource": lambda choose, whole, text: _give(whole["resource"], choose.choice(KNOWN), text),
    "scope": lambda choose, whole, text: whole["scope"].update(name=text, version=text),
    "name": _title,
    "text besides": _text_besides,
    "feature": _attribute("feature.name", "feature.action", "event.type", "event.name"),
    "route": _attribute("http.route", "url.path", "http.target", "http.url", "page.path", "url.full"),
    "user": _user,
    "id": _id,
}
