"""Envelopes for tests: a test writes only what it is about."""

import json
import time
from typing import Any

from consent.registry.registry import current_registry
from ingest.mapping.name_limits import RouteBook
from ingest.mapping.rows import RowMaker
from tests.support.otlp import KEPT_FROM, NOW

EVENT_ID = "9ec79c33ec9942ab8353589fcb2e04dc"


def item(kind: str, payload: bytes | dict[str, Any], **headers: Any) -> bytes:
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return json.dumps({"type": kind, "length": len(content)} | headers).encode() + b"\n" + content + b"\n"


def envelope(*items: bytes, **headers: Any) -> bytes:
    return json.dumps(headers).encode() + b"\n" + b"".join(items)


def event(message: str = "event:cart.filled", *, number: int = 1, **fields: Any) -> dict[str, Any]:
    """An event of `u1`, whose id is made of `number`."""
    return {
        "event_id": f"{number:032x}",
        "timestamp": time.time(),
        "message": message,
        "user": {"id": "u1"},
    } | fields


def sent(message: str = "event:cart.filled", *, number: int = 1, **fields: Any) -> bytes:
    """The envelope of such an event."""
    return envelope(item("event", event(message, number=number, **fields)), event_id=f"{number:032x}")


def a_maker() -> RowMaker:
    """What makes rows of the records of one request, without a database."""
    registry = current_registry()
    return RowMaker(
        organization="",
        do_not_track=False,
        now=NOW,
        kept_from=KEPT_FROM,
        registry=registry,
        routes=RouteBook(registry.endpoints),
    )
