"""The careful reader of OTLP/JSON, for bodies that the fast one objects to.

It asks the standard library to parse and then converts record by record: one record of wrong types
is refused by itself, the others are kept. What is not JSON at all is still a `DecodeError`.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec

from ingest.otlp.records import Batch, DecodeError

Request = TypeVar("Request")

_TEXTS = ("stringValue", "bytesValue", "key", "name", "eventName", "traceId", "spanId")


def decode(
    body: bytes,
    groups: str,
    scopes: str,
    items: str,
    request_type: type[Request],
    records_from: Callable[[Request], Batch],
) -> Batch:
    """Read a request whose records lie at `groups[].scopes[].items[]`. Raises `DecodeError`."""
    root = _parse(body)
    records, malformed = [], 0
    for group, scope, item in _items(root, groups, scopes, items):
        one = {groups: [{"resource": group, scopes: [{"scope": scope, items: [item]}]}]}
        try:
            records += records_from(msgspec.convert(_mended(one), request_type)).records
        except (msgspec.ValidationError, RecursionError, OverflowError):
            malformed += 1
    return Batch(_with_shared_resources(records), malformed)


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
    """Python refuses to read integers of more than 4300 digits; beyond 64 bits we need no digits."""
    return int(digits) if len(digits) <= 20 else float(digits)


def _items(root: dict[str, Any], groups: str, scopes: str, items: str) -> Iterator[tuple[Any, Any, Any]]:
    for group in _list(root, groups):
        for scope in _list(group, scopes):
            for item in _list(scope, items):
                yield group.get("resource"), scope.get("scope"), item


def _list(message: Any, field: str) -> list[Any]:
    """A repeated field. Null is unset; anything but a list is a mistake of the whole request."""
    if not isinstance(message, dict):
        raise DecodeError(f"the holder of '{field}' is not an object")
    value = message.get(field)
    if value is None:
        return []
    if not isinstance(value, list):
        raise DecodeError(f"'{field}' is not a list")
    return value


def _mended(value: Any, depth: int = 0) -> Any:
    """Numbers where text belongs written out, and text without lone surrogates, which nothing can encode."""
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


def _with_shared_resources(records: list[Any]) -> list[Any]:
    """Equal neighbours share one resource object again: later stages read a resource once per object."""
    shared: list[Any] = []
    for record in records:
        if shared and record.resource == shared[-1].resource:
            record = record._replace(resource=shared[-1].resource)
        shared.append(record)
    return shared
