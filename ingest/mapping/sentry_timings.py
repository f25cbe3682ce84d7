"""Sentry-shaped transactions, and spans that stand for one: requests that were answered, and timings.

A transaction's name is the app's own. It is kept as a route, as the path of a page or as a name; if it is
none of these, its kind (`op`) is kept in its place.
"""

import re
from typing import Any, NamedTuple

from ingest.mapping import aliases
from ingest.mapping.sentry_attributes import (
    APP,
    EXPLICIT,
    ROUTED,
    SESSION,
    USER,
    add_origin,
    first_text,
    nanoseconds,
    of_event,
    plain,
    text,
)
from ingest.mapping.sentry_names import in_name_form, without_prefix
from ingest.sentry.messages import (
    ClientEvent,
    Contexts,
    Request,
    SentSpan,
    TraceContext,
    TraceData,
    TransactionInfo,
)

ROUTE = "route"  # the source of a name that is a template
OF_PAGES = frozenset({"pageload", "navigation"})  # kinds of timings in browsers
_METHOD_BEFORE = re.compile(r"([A-Z]{3,10}) (?=/)")
# What the statuses of a transaction mean, for clients that do not tell HTTP's number.
_STATUS = {
    "cancelled": 499, "invalid_argument": 400, "deadline_exceeded": 504, "not_found": 404,
    "already_exists": 409, "permission_denied": 403, "resource_exhausted": 429, "failed_precondition": 400,
    "aborted": 409, "out_of_range": 400, "unimplemented": 501, "internal_error": 500, "unknown_error": 500,
    "unavailable": 503, "data_loss": 500, "unauthenticated": 401,
}  # fmt: skip


class Timed(NamedTuple):
    """Something that took time: what it was called, of which kind, and what HTTP says of it."""

    name: str
    op: str
    method: str
    route: str  # a template
    path: str  # of an address; not a template
    status: Any


class Timing(NamedTuple):
    """A timing as attributes, and when it began (nanoseconds since 1970)."""

    attributes: dict[str, Any]
    time: int


def transaction(event: ClientEvent) -> Timing:
    """A transaction. Raises `Malformed`."""
    contexts = event.contexts or Contexts()
    trace = contexts.trace or TraceContext()
    data = trace.data or TraceData()
    attributes = of_event(event)
    code = (data.status, data.old_status, contexts.response.status_code if contexts.response else None)
    method, path = _method_and_path(text(event.transaction))
    is_route = text((event.transaction_info or TransactionInfo()).source) == ROUTE
    timed = Timed(
        text(event.transaction),
        text(trace.op),
        first_text((data.method, data.old_method, (event.request or Request()).method, method)),
        text(data.route) or (path if is_route else ""),
        path,
        first_text(code) or _STATUS.get(text(trace.status)),
    )
    begin = nanoseconds(event.start_timestamp, "transaction.start_timestamp")
    return _timing(attributes, timed, begin, nanoseconds(event.timestamp, "transaction.timestamp"))


def segment(span: SentSpan, sent: dict[str, Any]) -> Timing:
    """A span that is a transaction, and all of its attributes. Raises `Malformed`."""
    attributes = {
        name: value
        for name, value in plain(sent).items()
        if name in _OF_SEGMENTS or ("." not in name and name not in _ROUTED_OR_EXPLICIT)
    }
    add_origin(attributes, sent.get("sentry.release"), sent.get("sentry.environment"))
    method, path = _method_and_path(text(span.name))
    is_route = text(sent.get("sentry.segment.name.source")) == ROUTE
    timed = Timed(
        text(span.name),
        text(sent.get("sentry.op")),
        first_text((*map(sent.get, aliases.METHOD), method)),
        first_text((sent.get(aliases.ROUTE), sent.get("url.template"))) or (path if is_route else ""),
        text(sent.get("url.path")) or path,
        first_text(map(sent.get, aliases.STATUS)) or None,
    )
    begin = nanoseconds(span.start_timestamp, "span.start_timestamp")
    return _timing(attributes, timed, begin, nanoseconds(span.end_timestamp, "span.end_timestamp"))


# Clients add many attributes of their own to such spans, all with dots. Of those these may be stored.
_OF_SEGMENTS = frozenset(
    (
        USER, SESSION, APP, "organization.id", "service.version", "service.namespace", "os.name",
        "os.version", "browser.name", "device.type", "deployment.type", aliases.DO_NOT_TRACK,
        aliases.FEATURE, aliases.ACTION,
    )
)  # fmt: skip
_ROUTED_OR_EXPLICIT = ROUTED | EXPLICIT


def _timing(attributes: dict[str, Any], timed: Timed, begin: int, end: int) -> Timing:
    attributes.pop(aliases.DURATION, None)
    if begin and end >= begin:
        attributes[aliases.DURATION] = (end - begin) / 1e6
    if timed.op.startswith("http.server"):
        attributes = {name: value for name, value in attributes.items() if name not in EXPLICIT}
        return Timing(attributes | _request(timed), begin)
    return Timing(attributes | _use(timed), begin)


def _request(timed: Timed) -> dict[str, Any]:
    """A request: its method, its route or else its path, and its status."""
    named: dict[str, Any] = {
        aliases.CATEGORY: "endpoint_usage",
        aliases.METHOD[0]: timed.method,
        aliases.STATUS[0]: timed.status,
    }
    if timed.route:
        return named | {aliases.ROUTE: timed.route}
    return named | {aliases.PATH[0]: timed.path} if timed.path else named


def _use(timed: Timed) -> dict[str, Any]:
    """A timing: of a page, or of what its name says."""
    named: dict[str, Any] = {aliases.CATEGORY: "performance"}
    path = timed.route or timed.path
    if path and (timed.op in OF_PAGES or timed.name.startswith("/")):
        named |= {aliases.FEATURE: "page_view", aliases.PAGE: path}
        return named | {aliases.ROUTE: timed.route} if timed.route else named
    name = without_prefix(timed.name)
    return named | {aliases.FEATURE: name if in_name_form(name) else _kind(timed.op)}


def _kind(op: str) -> str:
    return op if in_name_form(op) else "transaction"


def _method_and_path(name: str) -> tuple[str, str]:
    """`GET /orders/17` in two; the path is '' if it is not one."""
    before = _METHOD_BEFORE.match(name)
    path = name[before.end() :] if before else name
    return before[1] if before else "", path if path.startswith("/") else ""
