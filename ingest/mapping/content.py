"""The digest of all that a record says, as it was sent: row ids of events without ids are made of it."""

from collections.abc import Iterator
from math import isfinite
from typing import Any

import msgspec

from consent.pseudonyms import keyed_digest
from ingest.otlp.records import Record, Resource

_PLAIN = frozenset({str, int, bool, type(None)})  # what JSON writes so that it is read as the same again


class Contents:
    """The digests of the records of one request. Remembers the resource that they share."""

    def __init__(self) -> None:
        self._resource: Resource | None = None
        self._of_resource = b""

    def digest(self, record: Record) -> bytes:
        """20 bytes, for resource, scope and record, before anything is left out.

        What a record lacks adds nothing. So records get the digest that they had before a field was looked
        at, unless they have that field.
        """
        if self._resource is not record.resource:
            self._resource, attributes = record.resource, record.resource.attributes
            self._of_resource = _encoded(attributes) + _marks(attributes)
        content = (
            record.is_span,
            record.scope,
            record.name,
            record.attributes,
            record.body,
            record.kind,
            record.time,
            record.end,
            record.observed,
            record.trace_id,
            record.span_id,
            record.status,
        )
        parts = [self._of_resource, b"\0", _encoded(content), _marks(record.attributes, record.body)]
        if record.more:
            parts += b"\0more", _encoded(record.more), _marks(record.more)
        return keyed_digest(b"".join(parts), 20)


def _encoded(value: Any) -> bytes:
    return msgspec.json.encode(value, order="sorted")


def _marks(*values: Any) -> bytes:
    """Where JSON would not tell bytes from text, or NaN and the infinities from nothing; mostly b''."""
    marks = [mark for place, value in enumerate(values) for mark in _unclear(value, (str(place),))]
    return b"\0marks" + _encoded(sorted(marks)) if marks else b""


def _unclear(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    kind = type(value)
    if kind in _PLAIN:
        return
    if kind is bytes:
        yield (*path, "bytes")
    elif kind is float:
        if not isfinite(value):
            yield (*path, str(value))
    else:
        items = value.items() if kind is dict else enumerate(value)
        for name, one in items:
            yield from _unclear(one, (*path, str(name)))
