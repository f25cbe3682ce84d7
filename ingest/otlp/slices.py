"""Splits large OTLP/protobuf bodies into records, so that only one at a time is in memory.

A parser needs several hundred bytes for every message, even for an empty one, which is two bytes on the
wire: 64 MiB of those would take 18 GB. So a large body is not parsed whole. Its few outer levels are walked
by hand (https://protobuf.dev/programming-guides/encoding), and each record is parsed by itself.
"""

from collections.abc import Iterator
from typing import NamedTuple

from ingest.otlp.records import MAX_RECORDS, DecodeError, TooMany, bound_records

MAX_GROUPS = 100_000  # resources and scopes of a request
FEW_FIELDS = 64 * 1024  # bytes; shorter pieces cannot hold too many fields
MAX_FIELDS = 100_000  # of one record, resource or scope
LENGTH_DELIMITED = 2
FIXED_SIZES = {1: 8, 5: 4}  # wire type: bytes
OUTER, SHARED, PART = 1, 1, 2  # field numbers, the same for every signal

Slice = tuple[int, int]


class EncodedGroup(NamedTuple):
    """A resource or scope, encoded, and where its parts (scopes or records) lie in the body."""

    shared: bytes
    parts: list[Slice]


def groups(body: bytes) -> Iterator[tuple[bytes, Iterator[tuple[bytes, Iterator[bytes]]]]]:
    """Encoded resources, each with its encoded scopes, each with its encoded records.

    Raises `DecodeError`, and `TooMany` when there are more records than a request may hold, or one of the
    pieces has more fields than `MAX_FIELDS`.
    """
    resources, total = [], 0
    for number, at in _fields(body, (0, len(body))):
        if number != OUTER:
            continue
        resource = _group(body, at)
        total += 1 + len(resource.parts)
        if total > MAX_GROUPS:
            raise TooMany(f"the body holds more than {MAX_GROUPS} resources and scopes; send it in parts")
        resources.append((resource.shared, [_group(body, scope) for scope in resource.parts]))
    bound_records(len(scope.parts) for _, scopes in resources for scope in scopes)
    for shared, scopes in resources:
        yield shared, ((scope.shared, (_piece(body, at) for at in scope.parts)) for scope in scopes)


def _group(body: bytes, within: Slice) -> EncodedGroup:
    shared, parts = b"", []
    for number, at in _fields(body, within):
        if number == SHARED:  # if sent twice, protobuf merges the two
            shared += _piece(body, at)
        elif number == PART:
            parts.append(at)
            if len(parts) > MAX_RECORDS:
                bound_records([len(parts)])
    return EncodedGroup(shared, parts)


def _piece(body: bytes, at: Slice) -> bytes:
    if at[1] - at[0] > FEW_FIELDS:  # a long text is fine, a million empty attributes are not
        for number, _ in enumerate(_fields(body, at)):
            if number == MAX_FIELDS:
                raise TooMany(f"one record, resource or scope has more than {MAX_FIELDS} fields")
    return body[at[0] : at[1]]


def _fields(body: bytes, within: Slice) -> Iterator[tuple[int, Slice]]:
    """The length-delimited fields of a message: their numbers, and where their content lies."""
    at, end = within
    while at < end:
        tag, at = _varint(body, at, end)
        kind = tag & 7
        if kind == LENGTH_DELIMITED:
            size, at = _varint(body, at, end)
            if size > end - at:
                raise _broken()
            yield tag >> 3, (at, at + size)
            at += size
        elif kind == 0:
            _, at = _varint(body, at, end)
        elif kind in FIXED_SIZES and FIXED_SIZES[kind] <= end - at:
            at += FIXED_SIZES[kind]
        else:
            raise _broken()


def _varint(body: bytes, at: int, end: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = shift = 0
    while at < end and shift < 70:
        byte = body[at]
        at += 1
        if byte < 0x80:
            return value | byte << shift, at
        value |= (byte & 0x7F) << shift
        shift += 7
    raise _broken()


def _broken() -> DecodeError:
    return DecodeError("the body is not an export request in protobuf")
