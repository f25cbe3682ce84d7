"""Which table a record belongs to: the rules of docs/send-events.md, in their order.

No side effects. The result still holds the sender's words; `interpretation.py` cleans them.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from consent.registry.cleaning import as_text
from ingest.mapping import aliases
from ingest.otlp.records import CLIENT, CONSUMER, INTERNAL, PRODUCER, SERVER, UNSPECIFIED, Record

MAX_EVENT_NAME = 200  # characters
MAX_READ = 4096  # characters of a text; nothing beyond is looked at


class ActivityEvent(NamedTuple):
    """A sign-in, a session, or another thing that a person did."""

    event_type: str


class EndpointEvent(NamedTuple):
    """A request that the product answered: its route if known, else its raw path."""

    method: str
    route: str
    path: str
    status: Any


class FeatureEvent(NamedTuple):
    """A use of a feature. A page view also has a path; a timed use also has a duration."""

    name: str
    action: str
    is_page_view: bool = False
    is_timed: bool = False


class BaseTelemetryEvent(NamedTuple):
    """A `base_telemetry.*` event: `first_seen` or `heartbeat`."""

    name: str


class Unroutable(NamedTuple):
    """A record that belongs to no table, and the reason (`ingest/reasons.py`)."""

    reason: str


Routed = ActivityEvent | EndpointEvent | FeatureEvent | BaseTelemetryEvent | Unroutable

SESSION_EVENTS = {
    "login": "login",
    "auth.login": "login",
    "logout": "logout",
    "auth.logout": "logout",
    "session.start": "session_start",
    "session_start": "session_start",
    "session.end": "session_end",
    "session_end": "session_end",
}
PAGE_VIEWS = frozenset({"page.view", "page_view", "$pageview"})
BASE_EVENTS = {
    "base_telemetry.first_seen": "first_seen",
    "base_telemetry.heartbeat": "heartbeat",
    # Older clients: about an installation, however they name it. What they send as a user is no person.
    "telemetry.install": "first_seen",
    "telemetry.update": "heartbeat",
    "telemetry.health": "heartbeat",
}
# Kinds of events about failures and durations, and the action under which they are stored.
KINDS = {"error": "failed", "exception": "failed", "performance": "timed"}
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"})
OTHER_METHOD = "_OTHER"  # the semantic conventions' word for an unknown method
# Automatic instrumentation sends such spans by the dozen: a query, a call, a step of a framework. Without one
# of these attributes they describe no event. (A span without a kind was made by hand.)
STEPS = frozenset({CLIENT, CONSUMER, INTERNAL, PRODUCER})
OF_EVENTS = (*aliases.KIND, *aliases.EVENT_NAME, aliases.EVENT_TYPE, aliases.FEATURE, aliases.ACTION)

EVENT_PREFIXES = ("analytics.", "event:")  # say nothing about an event
FEATURE_PREFIX = "feature:"  # `feature:task`, `feature:task:created`

_DOTTED = re.compile(r"(?:feature:)?\$?[A-Za-z][\w-]*(?:[.:][A-Za-z][\w-]*)+", re.ASCII)
_PLAIN = re.compile(r"(?:feature:)?\$?[A-Za-z][\w-]{0,99}", re.ASCII)
_BODY_NAME = re.compile(
    r"\$?[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*|(?:event|feature):\$?[a-z][a-z0-9_]*(?:[.:][a-z][a-z0-9_]*)*",
    re.ASCII,
)


def route(record: Record, attributes: Mapping[str, Any], event_names: frozenset[str]) -> Routed:
    """The event that a record is about.

    `attributes` are the record's and, where it has none of a name in `aliases.ROUTING`, its resource's;
    `event_names` are the declared ones.
    """
    name = event_name(record, attributes)
    category = attributes.get(aliases.CATEGORY)
    if category == "endpoint_usage":
        return _explicit_endpoint(attributes)
    if category == "user_activity":
        return _explicit_activity(record, attributes, name)
    if category == "feature_usage":
        return _explicit_feature(attributes, name)
    if name in BASE_EVENTS:
        return BaseTelemetryEvent(BASE_EVENTS[name])
    if name.startswith("base_telemetry."):
        return Unroutable("unroutable")
    event_type = _text(attributes, aliases.EVENT_TYPE)
    if event_type:
        return ActivityEvent(SESSION_EVENTS.get(event_type, event_type))
    if name in SESSION_EVENTS:
        return ActivityEvent(SESSION_EVENTS[name])
    if record.is_span:
        if record.name in SESSION_EVENTS and not name:
            return ActivityEvent(SESSION_EVENTS[record.name])
        if record.kind == CLIENT or record.kind == PRODUCER:
            return _unroutable(record, attributes)
    method = _text(attributes, *aliases.METHOD)
    if method and _is_answered(record, attributes):
        route_sent, path = _text(attributes, aliases.ROUTE), _text(attributes, *aliases.PATH)
        return EndpointEvent(_method(method), route_sent, path, _first(attributes, aliases.STATUS))
    return _feature(record, attributes, name, event_names) or _unroutable(record, attributes)


def _unroutable(record: Record, attributes: Mapping[str, Any]) -> Unroutable:
    """No table for this record: a step of something, or an event that no rule fits."""
    is_step = record.is_span and record.kind in STEPS and _first(attributes, OF_EVENTS) is None
    is_request = record.kind == INTERNAL and not record.is_inner and bool(_text(attributes, *aliases.METHOD))
    return Unroutable("not_an_event" if is_step and not is_request else "unroutable")


def event_name(record: Record, attributes: Mapping[str, Any]) -> str:
    """A record's event name, '' if it has none. A span's own name does not count as one."""
    name = "" if record.is_span else record.name[:MAX_READ]
    if not name:
        name = _text(attributes, *aliases.EVENT_NAME)
    name = (name or name_in_body(record)).strip()
    for prefix in EVENT_PREFIXES:
        name = name.removeprefix(prefix)
    return name


def name_in_body(record: Record) -> str:
    """A log record's body when it has the form of an event's name, else ''.

    One word may be a name or a whole line of a log: `_feature` decides.
    """
    body = record.body
    if not isinstance(body, str) or len(body) > MAX_EVENT_NAME:
        return ""
    return body if _BODY_NAME.fullmatch(body) else ""


def _explicit_activity(record: Record, attributes: Mapping[str, Any], name: str) -> Routed:
    event_type = _text(attributes, *aliases.EXPLICIT_EVENT_TYPE) or name
    if not event_type and record.is_span and record.name in SESSION_EVENTS:
        event_type = record.name
    if not event_type:
        return Unroutable("incomplete")
    return ActivityEvent(SESSION_EVENTS.get(event_type, event_type))


def _explicit_endpoint(attributes: Mapping[str, Any]) -> Routed:
    return EndpointEvent(
        _method(_text(attributes, *aliases.EXPLICIT_METHOD)),
        _text(attributes, *aliases.EXPLICIT_ROUTE),
        _text(attributes, *aliases.EXPLICIT_PATH),
        _first(attributes, aliases.EXPLICIT_STATUS),
    )


def _explicit_feature(attributes: Mapping[str, Any], name: str) -> Routed:
    feature = _text(attributes, *aliases.EXPLICIT_FEATURE)
    action = _text(attributes, *aliases.EXPLICIT_ACTION)
    if feature in PAGE_VIEWS or (not feature and name in PAGE_VIEWS):
        return FeatureEvent("page_view", action or "viewed", is_page_view=True)
    if not feature and name:
        feature, action = _split(name, action)
    return FeatureEvent(feature, action or "used") if feature else Unroutable("incomplete")


def _feature(
    record: Record, attributes: Mapping[str, Any], name: str, event_names: frozenset[str]
) -> FeatureEvent | None:
    if name in PAGE_VIEWS:
        return FeatureEvent("page_view", "viewed", is_page_view=True)
    feature, action = _text(attributes, aliases.FEATURE), _text(attributes, aliases.ACTION)
    is_given = _is_given(record, attributes)
    if not is_given and name not in event_names and name not in KINDS and _is_one_word(record.body):
        name = ""  # a line of a log, such as "started"
    kind = _kind(attributes, name, is_given=is_given)
    if kind:
        feature = feature or (_split(name, "")[0] if name else kind)
        return FeatureEvent(feature, KINDS[kind], is_timed=kind == "performance")
    if feature:
        return FeatureEvent(feature, action or (_split(name, "")[1] if _DOTTED.fullmatch(name) else "used"))
    if _DOTTED.fullmatch(name):
        return FeatureEvent(*_split(name, ""))
    if name in event_names:
        return FeatureEvent(name, action or "used")
    return FeatureEvent(*_split(name, action)) if _PLAIN.fullmatch(name) else None


def _is_given(record: Record, attributes: Mapping[str, Any]) -> bool:
    """Whether a record says what its event is called, rather than having a body that looks like a name."""
    return (bool(record.name) and not record.is_span) or bool(_text(attributes, *aliases.EVENT_NAME))


def _is_one_word(body: Any) -> bool:
    """Whether a body is one word, which may be anything: names of events have a `_`, a dot or a prefix."""
    return isinstance(body, str) and body.strip("$").isalnum()


def _kind(attributes: Mapping[str, Any], name: str, *, is_given: bool) -> str:
    """`error`, `exception` or `performance` if that is what the event is about, else ''."""
    for claimed in aliases.KIND:
        kind = attributes.get(claimed)
        if isinstance(kind, str) and kind in KINDS:
            return kind
    first = name.partition(".")[0].partition(":")[0]
    if first in KINDS:
        return first
    # A logged exception. An event that says its name is what the name says.
    return "exception" if not is_given and _text(attributes, aliases.EXCEPTION) else ""


def _split(name: str, action: str) -> tuple[str, str]:
    """`timer.started` (or `timer:started`) is the feature `timer`, action `started`; a given action wins."""
    name = name.removeprefix(FEATURE_PREFIX).replace(":", ".")
    thing, _, happened = name.rpartition(".")
    return (thing or happened).removeprefix("$"), action or (happened if thing else "used")


def _is_answered(record: Record, attributes: Mapping[str, Any]) -> bool:
    """Whether an HTTP record comes from the side that answered the request, and is its only one.

    Frameworks repeat a request on spans within the server span: FastAPI (an app in an app), NestJS, hapi.
    """
    if record.is_span and record.kind == SERVER:
        return True
    if record.is_inner or (record.is_span and record.kind not in (INTERNAL, UNSPECIFIED)):
        return False
    return _first(attributes, aliases.STATUS) is not None or bool(attributes.get(aliases.ROUTE))


def _method(text: str) -> str:
    method = text.strip().upper()
    return method if method in METHODS else OTHER_METHOD


def _first(attributes: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """The first of these attributes that has a value, as it was sent."""
    for name in names:
        if attributes.get(name) is not None:
            return attributes[name]
    return None


def _text(attributes: Mapping[str, Any], *names: str) -> str:
    """The first of these attributes that is text (or can be written as text) and not empty, or ''."""
    for name in names:
        value = attributes.get(name)
        if value is not None:
            text = value if isinstance(value, str) else as_text(value)
            if text:
                return text[:MAX_READ]
    return ""
