"""What a record says beyond what rows are made of. Only row ids need it (`mapping/content.py`).

Records that differ in anything must get different ids where their content decides. So every field that OTLP
1.11 defines is in a `Record`, or in the dict made here, both encodings alike. What is empty is left out: such
records keep the ids that they had before these fields were looked at. Not read are `schema_url` and
`entity_refs`: they say how names are meant, not what happened.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from ingest.otlp.records import NOTHING_MORE, TooMany

MAX_PARTS = 10_000  # events, or links, of a span without ids; SDKs send at most 128 by default
Part = TypeVar("Part")


class SentScope(NamedTuple):
    """The scope that records share: its name, and what else it and its resource say."""

    name: str
    more: dict[str, Any]


class SentEvent(NamedTuple):
    """Of a span: something that happened during it."""

    time: int
    name: str
    attributes: dict[str, Any]
    dropped_attributes: int


class SentLink(NamedTuple):
    """Of a span: another span that it has to do with."""

    trace_id: str
    span_id: str
    trace_state: str
    attributes: dict[str, Any]
    dropped_attributes: int
    flags: int


def scope_of(
    *,
    name: str | None,
    version: str | None,
    attributes: dict[str, Any],
    dropped_attributes: int,
    dropped_of_resource: int,
) -> SentScope:
    """A scope; with it, how many attributes its resource has dropped."""
    more = _kept(
        scope_version=version,
        scope_attributes=attributes,
        scope_dropped_attributes=dropped_attributes,
        resource_dropped_attributes=dropped_of_resource,
    )
    return SentScope(name or "", more or NOTHING_MORE)


def of_span(
    scope: SentScope,
    *,
    parent: str,
    trace_state: str | None,
    flags: int,
    status_message: str | None,
    events: Iterable[SentEvent],
    links: Iterable[SentLink],
    dropped: tuple[int, int, int],
) -> dict[str, Any]:
    """Of a span without ids of its own. `dropped` counts attributes, events and links."""
    return _kept(
        scope.more,
        parent=parent,
        trace_state=trace_state,
        flags=flags,
        status_message=status_message,
        events=_bounded(events, "events"),
        links=_bounded(links, "links"),
        dropped=dropped if any(dropped) else (),
    )


def of_log(
    scope: SentScope, severity: int, severity_text: str | None, flags: int, dropped_attributes: int
) -> dict[str, Any]:
    """Of a log record. Made for every one, so it must be cheap."""
    if not (severity or severity_text or flags or dropped_attributes):
        return scope.more
    more = scope.more.copy()
    if severity:
        more["severity"] = severity
    if severity_text:
        more["severity_text"] = severity_text
    if flags:
        more["flags"] = flags
    if dropped_attributes:
        more["dropped_attributes"] = dropped_attributes
    return more


def _bounded(parts: Iterable[Part], name: str) -> list[Part]:
    """These parts; each takes many times its own size in memory. Raises `TooMany`."""
    taken = list(islice(parts, MAX_PARTS + 1))
    if len(taken) > MAX_PARTS:
        raise TooMany(f"a span without ids has more than {MAX_PARTS} {name}")
    return taken


def _kept(of_scope: Mapping[str, Any] = NOTHING_MORE, **fields: Any) -> dict[str, Any]:
    return {**of_scope, **{name: value for name, value in fields.items() if value}}
