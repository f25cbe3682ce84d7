"""Which table a record belongs to: PRODUCT section 3, rule by rule, in its order.

Pure. What comes out still holds words of the sender; `rows.py` cleans them before anything is kept.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from consent.registry.attributes import as_text
from ingest.otlp.records import CLIENT, INTERNAL, PRODUCER, SERVER, UNSPECIFIED, Record

MAX_EVENT_NAME = 200  # characters
MAX_READ = 4096  # characters of a text; nothing beyond is looked at


class Activity(NamedTuple):
    """A sign-in, a session, or another thing that a person did."""

    event_type: str


class Endpoint(NamedTuple):
    """A request that the product answered: its route if known, else its raw path."""

    method: str
    route: str
    path: str
    status: Any


class Feature(NamedTuple):
    """A use of a feature. Of a page view the path is kept too, of a timed one how long it took."""

    name: str
    action: str
    is_page_view: bool = False
    is_timed: bool = False


class Base(NamedTuple):
    """A `base_telemetry.*` event: `first_seen` or `heartbeat`."""

    name: str


class Refused(NamedTuple):
    """A record that goes nowhere, and why."""

    reason: str


Routed = Activity | Endpoint | Feature | Base | Refused

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
BASE_EVENTS = {"base_telemetry.first_seen": "first_seen", "base_telemetry.heartbeat": "heartbeat"}
# Kinds of events that are about failing and about time; the value is the action they are stored with.
KINDS = {"error": "failed", "exception": "failed", "performance": "timed"}
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"})
OTHER_METHOD = "_OTHER"  # what the semantic conventions call a method that is none of HTTP's

STATUS_NAMES = ("http.response.status_code", "http.status_code")
PATH_NAMES = ("url.path", "http.target", "http.url", "url.full")

# Only attributes of these names are looked for on the resource when the record has none.
NAMES_READ = frozenset(
    (
        *(
            "event.category",
            "event_category",
            "event.kind",
            "event.name",
            "event_name",
            "event.type",
            "event_type",
        ),
        *("feature.name", "feature_name", "feature", "feature.action", "feature_action", "action"),
        *("http.request.method", "http.method", "method", "http.route", "endpoint", "route"),
        *(*STATUS_NAMES, "status_code", *PATH_NAMES, "path"),
    )
)

_DOTTED = re.compile(r"\$?[A-Za-z][\w-]*(?:\.[A-Za-z][\w-]*)+", re.ASCII)
_BODY_NAME = re.compile(r"\$?[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*", re.ASCII)


def route(record: Record, attributes: Mapping[str, Any], event_names: frozenset[str]) -> Routed:
    """Where a record goes.

    `attributes` are its own over its resource's; `event_names` are the declared ones.
    """
    name = event_name(record, attributes)
    category = attributes.get("event.category")
    if category == "endpoint_usage":
        return _explicit_endpoint(attributes)
    if category == "user_activity":
        return _explicit_activity(record, attributes, name)
    if category == "feature_usage":
        return _explicit_feature(attributes, name)
    if name.startswith("base_telemetry."):
        base = BASE_EVENTS.get(name)
        return Base(base) if base else Refused("unroutable")
    event_type = _text(attributes, "event.type")
    if event_type:
        return Activity(SESSION_EVENTS.get(event_type, event_type))
    if name in SESSION_EVENTS:
        return Activity(SESSION_EVENTS[name])
    if record.is_span:
        if record.name in SESSION_EVENTS and not name:
            return Activity(SESSION_EVENTS[record.name])
        if record.kind == CLIENT or record.kind == PRODUCER:
            return Refused("unroutable")
    method = _text(attributes, "http.request.method", "http.method")
    if method and _is_answered(record, attributes):
        return Endpoint(
            _method(method), _text(attributes, "http.route"), _path(attributes), _status(attributes)
        )
    return _feature(attributes, name, event_names) or Refused("unroutable")


def event_name(record: Record, attributes: Mapping[str, Any]) -> str:
    """A record's event name, '' when it has none. A span's own name is no event name."""
    name = "" if record.is_span else record.name[:MAX_READ]
    if not name:
        name = _text(attributes, "event.name", "event_name")
    return (name or name_in_body(record)).strip().removeprefix("analytics.")


def name_in_body(record: Record) -> str:
    """A log record's body when it has the form of an event's name, else ''."""
    body = record.body
    if not isinstance(body, str) or len(body) > MAX_EVENT_NAME:
        return ""
    return body if _BODY_NAME.fullmatch(body) else ""


def _explicit_activity(record: Record, attributes: Mapping[str, Any], name: str) -> Routed:
    event_type = _text(attributes, "event.type", "event_type") or name
    if not event_type and record.is_span and record.name in SESSION_EVENTS:
        event_type = record.name
    if not event_type:
        return Refused("incomplete")
    return Activity(SESSION_EVENTS.get(event_type, event_type))


def _explicit_endpoint(attributes: Mapping[str, Any]) -> Routed:
    method = _text(attributes, "http.request.method", "http.method", "method")
    path_route = _text(attributes, "http.route", "endpoint", "route")
    status = _status(attributes)
    status = attributes.get("status_code") if status is None else status
    return Endpoint(_method(method), path_route, _path(attributes) or _text(attributes, "path"), status)


def _explicit_feature(attributes: Mapping[str, Any], name: str) -> Routed:
    feature = _text(attributes, "feature.name", "feature_name", "feature")
    action = _text(attributes, "feature.action", "feature_action", "action")
    if feature in PAGE_VIEWS or (not feature and name in PAGE_VIEWS):
        return Feature("page_view", action or "viewed", is_page_view=True)
    if not feature and name:
        feature, action = _split(name, action)
    return Feature(feature, action or "used") if feature else Refused("incomplete")


def _feature(attributes: Mapping[str, Any], name: str, event_names: frozenset[str]) -> Feature | None:
    if name in PAGE_VIEWS:
        return Feature("page_view", "viewed", is_page_view=True)
    feature = _text(attributes, "feature.name")
    kind = _kind(attributes, name)
    if kind:
        feature = feature or (_split(name, "")[0] if name else kind)
        return Feature(feature, KINDS[kind], is_timed=kind == "performance")
    if feature:
        action = _text(attributes, "feature.action")
        return Feature(feature, action or (_split(name, "")[1] if _DOTTED.fullmatch(name) else "used"))
    if _DOTTED.fullmatch(name):
        return Feature(*_split(name, ""))
    return Feature(name, "used") if name in event_names else None


def _kind(attributes: Mapping[str, Any], name: str) -> str:
    """`error` or `performance` when that is what the event is about, else ''."""
    for claimed in ("event.category", "event_category", "event.kind"):
        kind = attributes.get(claimed)
        if isinstance(kind, str) and kind in KINDS:
            return kind
    first = name.partition(".")[0]
    return first if first in KINDS else ""


def _split(name: str, action: str) -> tuple[str, str]:
    """`timer.started` is the feature `timer`, action `started`; a given action wins."""
    thing, _, happened = name.rpartition(".")
    return (thing or happened).removeprefix("$"), action or (happened if thing else "used")


def _is_answered(record: Record, attributes: Mapping[str, Any]) -> bool:
    """Whether an HTTP record is of the side that answered."""
    if record.is_span and record.kind == SERVER:
        return True
    if record.is_span and record.kind not in (INTERNAL, UNSPECIFIED):
        return False
    return _status(attributes) is not None or bool(attributes.get("http.route"))


def _method(text: str) -> str:
    method = text.strip().upper()
    return method if method in METHODS else OTHER_METHOD


def _status(attributes: Mapping[str, Any]) -> Any:
    for name in STATUS_NAMES:
        if attributes.get(name) is not None:
            return attributes[name]
    return None


def _path(attributes: Mapping[str, Any]) -> str:
    return _text(attributes, *PATH_NAMES)


def _text(attributes: Mapping[str, Any], *names: str) -> str:
    """The first of these attributes that has a text in it, or ''."""
    for name in names:
        value = attributes.get(name)
        if value is not None:
            text = value if isinstance(value, str) else as_text(value)
            if text:
                return text[:MAX_READ]
    return ""
