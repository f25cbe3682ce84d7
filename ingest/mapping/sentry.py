"""From what a Sentry-shaped client sends to records, as if it had sent them by OTLP.

A message that names an event is a use of a feature, an exception one that failed, a transaction a request or
a timing, a session its beginning and its end: `docs/clients/sentry.md`. Everything else is not kept. The
id that an event has makes its row's, so that it is stored once however often it comes.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from ingest.mapping import aliases
from ingest.mapping.sentry_attributes import SESSION, an_id, nanoseconds, of_event, of_session, text
from ingest.mapping.sentry_names import (
    PREFIXES,
    caught,
    error_type,
    message_of,
    place_of,
)
from ingest.mapping.sentry_timings import Timing, segment, transaction
from ingest.otlp.records import (
    NOTHING_MORE,
    UNSPECIFIED,
    Batch,
    Malformed,
    Record,
    Resource,
    TooMany,
    valid_id,
)
from ingest.sentry import framing
from ingest.sentry.framing import Item
from ingest.sentry.messages import (
    ClientEvent,
    SentSession,
    SentSessions,
    SentSpan,
    SentSpans,
    SessionCount,
    read,
    read_attributes,
)

MAX_RECORDS = 10_000  # of an envelope: sessions that were counted, and spans, come by the hundred
NOWHERE = Resource({})  # everything is said by the records themselves
ORDINARY = frozenset({"", "event", "error", "default"})  # types of an event that may be one of ours
ENDED = frozenset({"exited", "crashed", "abnormal"})  # statuses of a session
COUNTS = ("exited", "errored", "abnormal", "crashed", "unhandled")

Part = TypeVar("Part")


def decode_envelope(body: bytes) -> Batch:
    """The records of an envelope. Raises `DecodeError`."""
    sent = framing.envelope(body, READERS)
    return _batch(sent.items, sent.event_id)


def decode_store(body: bytes) -> Batch:
    """The record of an event that was sent by itself, as clients did before there were envelopes."""
    framing.bound("event", body, 0, len(body))
    return _batch([Item("event", body)], "")


def _batch(items: list[Item], event_id: str) -> Batch:
    batch = Batch(iter(()), event_id=event_id)
    batch.records = _records(batch, items)
    return batch


def _records(batch: Batch, items: list[Item]) -> Iterator[Record]:
    total = 0
    for item in items:
        try:
            records = READERS[item.type](batch, item)
        except Malformed as fault:
            batch.malformed[fault.field] += 1
            continue
        total += len(records)
        if total > MAX_RECORDS:
            raise TooMany(f"the envelope holds more than {MAX_RECORDS} events; send it in parts")
        yield from records


# --- Events --------------------------------------------------------------------------------------
def _of_event(batch: Batch, item: Item) -> list[Record]:
    event: ClientEvent = read(item.type, item.payload)
    own_id = framing.event_id(event.event_id)
    batch.event_id = batch.event_id or own_id
    uid = own_id or batch.event_id
    if "transaction" in (event.type, item.type):
        return [_of_timing(transaction(event), uid and f"transaction {uid}", item)]
    if event.type is not None and not (isinstance(event.type, str) and event.type in ORDINARY):
        return []
    time = nanoseconds(event.timestamp, "event.timestamp")
    attributes, message = _meaning(event)
    return [_record(attributes, time, uid and f"event {uid}", item, body=message)]


def _meaning(event: ClientEvent) -> tuple[dict[str, Any], str]:
    """An event's attributes, and a message that may be a name: `routing.py` decides."""
    attributes = of_event(event)
    thrown = caught(event.exception)
    if thrown:
        attributes |= {aliases.CATEGORY: "exception", "error.type": error_type(thrown)}
        attributes.pop("code.function.name", None)
        if place := place_of(thrown):
            attributes["code.function.name"] = place
        return attributes, ""
    message = message_of(event)
    if message.startswith(PREFIXES):
        return attributes | {aliases.EVENT_NAME[0]: message}, ""
    return attributes, message


# --- Sessions ------------------------------------------------------------------------------------
def _of_session(batch: Batch, item: Item) -> list[Record]:
    """A session's beginning, its end, both, or nothing: clients tell of changes in between, too."""
    session: SentSession = read(item.type, item.payload)
    attributes = of_session(session.attrs, session.did) | {SESSION: an_id(session.sid)}
    uid = text(session.sid) and f"session {session.sid}"
    ends = []
    if session.init is True:
        ends.append(("session_start", nanoseconds(session.started, "session.started")))
    if text(session.status) in ENDED:
        ends.append(("session_end", nanoseconds(session.timestamp, "session.timestamp")))
    return [_record(dict(attributes), time, uid and f"{uid} {name}", item, name=name) for name, time in ends]


def _of_sessions(batch: Batch, item: Item) -> list[Record]:
    """Sessions that a client has counted by minutes: one event for each minute, with the attribute `count`.

    They have no ids. What comes again is known by its content.
    """
    sent: SentSessions = read(item.type, item.payload)

    def of_minute(counted: SessionCount) -> Record:
        numbers = [getattr(counted, name) for name in COUNTS]
        total = sum(number for number in numbers if type(number) is int and number > 0)
        attributes = of_session(sent.attrs, counted.did) | {"count": total}
        time = nanoseconds(counted.started, "sessions.started")
        return _record(attributes, time, "", item, name="session_start")

    return _of_each(batch, sent.aggregates, of_minute)


# --- Timings -------------------------------------------------------------------------------------
def _of_spans(batch: Batch, item: Item) -> list[Record]:
    """Spans that stand for a transaction. Those within one are parts of it, and are passed over."""
    sent: SentSpans = read(item.type, item.payload)

    def of_segment(span: SentSpan) -> Record:
        trace_id = valid_id(text(span.trace_id), 32, "span.trace_id")
        span_id = valid_id(text(span.span_id), 16, "span.span_id")
        uid = f"span {trace_id} {span_id}" if trace_id and span_id else ""
        return _of_timing(segment(span, read_attributes(span)), uid, item)

    segments = [span for span in sent.items or [] if span and span.is_segment is True]
    return _of_each(batch, segments, of_segment)


def _of_timing(timing: Timing, uid: str, item: Item) -> Record:
    return _record(timing.attributes, timing.time, uid, item)


READERS: dict[str, Callable[[Batch, Item], list[Record]]] = {
    "event": _of_event,
    "transaction": _of_event,
    "session": _of_session,
    "sessions": _of_sessions,
    "span": _of_spans,
}


def _of_each(
    batch: Batch, parts: Iterable[Part | None] | None, record_of: Callable[[Part], Record]
) -> list[Record]:
    """The records of an item's parts. Of these, too, one that cannot be read does not harm the others."""
    records = []
    for part in parts or ():
        try:
            if part is not None:
                records.append(record_of(part))
        except Malformed as fault:
            batch.malformed[fault.field] += 1
    return records


def _record(
    attributes: dict[str, Any], time: int, uid: str, item: Item, *, name: str = "", body: str = ""
) -> Record:
    """A log record. Without an id of its own, all that was sent tells it from others."""
    more = NOTHING_MORE
    if uid:
        attributes[aliases.LOG_UID] = f"sentry {uid}"
    else:
        more = {"sentry": item.digest}
    return Record(False, NOWHERE, "", name, attributes, body, UNSPECIFIED, time, 0, 0, "", "", 0, more)
