"""The careful reader of OTLP/JSON, for bodies that the fast one objects to.

The standard library parses the body; then each record is converted by itself, so that one with a wrong type
is refused alone. A body that is not JSON is still a `DecodeError`. Resource and scope are converted once,
not once per record, so that the work stays proportional to the size of the body.
"""

import json
from typing import Any, NamedTuple, TypeVar

import msgspec

from ingest.otlp.records import DecodeError

Type = TypeVar("Type")

_TEXTS = frozenset({
    "stringValue", "bytesValue", "key", "name", "eventName", "traceId", "spanId", "parentSpanId",
    "traceState", "severityText", "version", "message",
})  # fmt: skip


class SignalFields(NamedTuple):
    """Where a signal's records are, `groups[].scopes[].items[]`, and the message of each part."""

    groups: str
    scopes: str
    items: str
    resource: type[Any]
    scope: type[Any]
    item: type[Any]


class ReadGroup(NamedTuple):
    """What one resource sent: its own message, and each scope with the records that could be read."""

    resource: Any
    scopes: list[tuple[Any, list[Any]]]


class Unreadable(Exception):
    """A part of the request has a wrong type."""


def decode(body: bytes, fields: SignalFields) -> tuple[list[ReadGroup], int]:
    """The groups of a request, and how many records could not be read. Raises `DecodeError`."""
    groups, malformed = [], 0
    for group in _list(_parse(body), fields.groups):
        scopes = [(scope, _list(scope, fields.items)) for scope in _list(group, fields.scopes)]
        try:
            resource = _read(group.get("resource"), fields.resource)
        except Unreadable:
            malformed += sum(len(items) for _, items in scopes)
            continue
        groups.append(ReadGroup(resource, []))
        for scope, items in scopes:
            read, failed = _scope(scope, items, fields)
            groups[-1].scopes.append(read)
            malformed += failed
    return groups, malformed


def _scope(
    message: dict[str, Any], items: list[Any], fields: SignalFields
) -> tuple[tuple[Any, list[Any]], int]:
    """A scope with the records that could be read, and how many could not."""
    try:
        scope = _read(message.get("scope"), fields.scope)
    except Unreadable:
        return (None, []), len(items)
    read = []
    for item in items:
        try:
            read.append(_read(item, fields.item, may_be_null=False))
        except Unreadable:
            continue
    return (scope, read), len(items) - len(read)


def _read(value: Any, kind: type[Type], *, may_be_null: bool = True) -> Type | None:
    if value is None and may_be_null:
        return None
    try:
        return msgspec.convert(_mended(value), kind)
    except (msgspec.ValidationError, RecursionError, OverflowError):
        raise Unreadable from None


def _parse(body: bytes) -> dict[str, Any]:
    try:
        root = json.loads(body.decode("utf-8-sig"), parse_int=_integer)
    except RecursionError:
        raise DecodeError("the body is nested too deeply") from None
    except (ValueError, UnicodeDecodeError):
        raise DecodeError("the body is not JSON") from None
    if not isinstance(root, dict):
        raise DecodeError("the body is not a JSON object")
    return root


def _integer(digits: str) -> int | float:
    """A number. Python refuses integers of more than 4300 digits; beyond 64 bits a double will do."""
    return int(digits) if len(digits) <= 20 else float(digits)


def _list(message: Any, field: str) -> list[Any]:
    """A repeated field. Null is unset; anything but a list makes the whole request malformed."""
    if not isinstance(message, dict):
        raise DecodeError(f"the holder of '{field}' is not an object")
    value = message.get(field)
    if value is None:
        return []
    if not isinstance(value, list):
        raise DecodeError(f"'{field}' is not a list")
    return value


def _mended(value: Any, depth: int = 0) -> Any:
    """The value with numbers written out where text belongs, and without lone surrogates."""
    if isinstance(value, str):
        if value.isascii():
            return value
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if depth > 200:
        raise RecursionError
    if isinstance(value, list):
        return [_mended(one, depth + 1) for one in value]
    if isinstance(value, dict):
        return {_mended(key): _field(key, one, depth + 1) for key, one in value.items()}
    return value


def _field(key: str, value: Any, depth: int) -> Any:
    if key in _TEXTS and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return _mended(value, depth)
