"""The careful reader of OTLP/JSON, for bodies that the fast one objects to.

The standard library parses the body; then each record is converted by itself, so that one with a wrong type
is refused alone. A body that is not JSON is still a `DecodeError`. Resource and scope are converted once,
not once per record, so that the work stays proportional to the size of the body.
"""

import json
import re
from collections import Counter
from typing import Any, NamedTuple, TypeVar

import msgspec

from ingest.otlp.records import DecodeError, Malformed

Type = TypeVar("Type")

# In what msgspec says: a path of names of ours, never anything that was sent.
_PATH = re.compile(r" - at `\$\.(.+)`$")
_INDEX = re.compile(r"\[[^\]]*\]")


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


def decode(body: bytes, fields: SignalFields) -> tuple[list[ReadGroup], Counter[str]]:
    """The groups of a request; and how many records could not be read, by the field at fault.

    Raises `DecodeError`.
    """
    groups: list[ReadGroup] = []
    malformed: Counter[str] = Counter()
    for group in items_of(parse(body), fields.groups):
        scopes = [(scope, items_of(scope, fields.items)) for scope in items_of(group, fields.scopes)]
        try:
            resource = _shared(group, "resource", fields.resource)
        except Malformed as fault:
            malformed[fault.field] += sum(len(items) for _, items in scopes)
            continue
        read = ReadGroup(resource, [])
        groups.append(read)
        for scope, items in scopes:
            try:
                read.scopes.append((_shared(scope, "scope", fields.scope), []))
            except Malformed as fault:
                malformed[fault.field] += len(items)
                continue
            for item in items:
                try:
                    read.scopes[-1][1].append(convert(item, fields.item, fields.items))
                except Malformed as fault:
                    malformed[fault.field] += 1
    return groups, malformed


def _shared(message: dict[str, Any], field: str, kind: type[Type]) -> Type | None:
    """What the records of a group share, or None. Raises `Malformed`."""
    value = message.get(field)
    if value is None:
        return None
    try:
        return convert(value, kind, "")
    except Malformed as fault:
        raise Malformed(".".join(filter(None, (field, fault.field)))) from None


def convert(value: Any, kind: type[Type], name: str) -> Type:
    """The value as a message, with numbers read from text. Raises `Malformed`, with `name` for the whole."""
    try:
        return msgspec.convert(mended(value), kind, strict=False)
    except msgspec.ValidationError as error:
        raise Malformed(field_in(error) or name) from None
    except (RecursionError, OverflowError):
        raise Malformed(name) from None


def field_in(error: msgspec.ValidationError) -> str:
    """The field at fault, '' where it is the whole message."""
    path = _PATH.search(str(error))
    return _INDEX.sub("", path[1]) if path else ""


def parse(body: bytes) -> dict[str, Any]:
    """The root of a request. Raises `DecodeError`."""
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


def items_of(message: Any, field: str) -> list[Any]:
    """A repeated field. Null is unset; anything but a list makes the whole request malformed."""
    if not isinstance(message, dict):
        raise DecodeError(f"the holder of '{field}' is not an object")
    value = message.get(field)
    if value is None:
        return []
    if not isinstance(value, list):
        raise DecodeError(f"'{field}' is not a list")
    return value


def mended(value: Any, depth: int = 0) -> Any:
    """The value without lone surrogates, which nothing could encode."""
    if isinstance(value, str):
        if value.isascii():
            return value
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if depth > 200:
        raise RecursionError
    if isinstance(value, list):
        return [mended(one, depth + 1) for one in value]
    if isinstance(value, dict):
        return {mended(key): mended(one, depth + 1) for key, one in value.items()}
    return value
