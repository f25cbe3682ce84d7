"""Values in PostgreSQL's binary form: rows for COPY, arrays and single values for statements.

PostgreSQL's manual describes the format under COPY ("Binary Format"): a row is its number of fields, then for
each field its length in bytes and its content, all big-endian. Texts repeat a lot, so each is encoded once.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from typing import Any

import msgspec

# PostgreSQL's numbers (OIDs) for the types that we send (from its pg_type.dat).
OIDS = {
    "bool": 16,
    "int4": 23,
    "text": 25,
    "float8": 701,
    "timestamptz": 1184,
    "uuid": 2950,
    "jsonb": 3802,
    "bool[]": 1000,
    "int4[]": 1007,
    "text[]": 1009,
    "float8[]": 1022,
    "timestamptz[]": 1185,
    "uuid[]": 2951,
    "jsonb[]": 3807,
}

HEADER = b"PGCOPY\n\xff\r\n\x00" + struct.pack("!ii", 0, 0)  # no flags, no extension
TRAILER = struct.pack("!h", -1)

_LENGTH = struct.Struct("!i")
_ARRAY = struct.Struct("!iiiii")  # dimensions, null flag, type, length, lower bound
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL's
_NULL = _LENGTH.pack(-1)
_TRUE, _FALSE = b"\x00\x00\x00\x01\x01", b"\x00\x00\x00\x01\x00"
_JSONB_VERSION = b"\x01"
_INTEGER, _DOUBLE, _TIMESTAMP = struct.Struct("!ii"), struct.Struct("!id"), struct.Struct("!iq")
_UUID = _LENGTH.pack(16)
_SINCE_1970 = 946_684_800_000_000  # microseconds until PostgreSQL's own epoch, the year 2000

Fields = Iterable[bytes]
Encode = Callable[[Iterable[Any]], Fields]


def encode_rows(columns: Sequence[tuple[str, Iterable[Any]]]) -> bytes:
    """The content of a COPY. `columns` are PostgreSQL types, each with one value for each row."""
    fields = [ENCODERS[kind](values) for kind, values in columns]
    rows = zip(repeat(struct.pack("!h", len(columns))), *fields, strict=False)
    return b"".join((HEADER, *chain.from_iterable(rows), TRAILER))


def encode_array(kind: str, values: Iterable[Any]) -> bytes:
    """A column as an array of this type."""
    return array(kind, list(ENCODERS[kind](values)))


class _Texts(dict[str | None, bytes]):
    def __missing__(self, text: str | None) -> bytes:
        content = b"" if text is None else text.encode()
        field = self[text] = _NULL if text is None else _LENGTH.pack(len(content)) + content
        return field


def _texts(values: Iterable[str | None]) -> Fields:
    return map(_Texts().__getitem__, values)


def _uuids(values: Iterable[bytes]) -> Fields:
    return [_UUID + value for value in values]


def _timestamps(values: Iterable[int]) -> Fields:
    """From microseconds since 1970."""
    pack = _TIMESTAMP.pack
    return [pack(8, value - _SINCE_1970) for value in values]


def _booleans(values: Iterable[bool]) -> Fields:
    return [_TRUE if value else _FALSE for value in values]


def _integers(values: Iterable[int | None]) -> Fields:
    pack = _INTEGER.pack
    return [_NULL if value is None else pack(4, value) for value in values]


def _doubles(values: Iterable[float | None]) -> Fields:
    pack = _DOUBLE.pack
    return [_NULL if value is None else pack(8, value) for value in values]


def _objects(values: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """As jsonb. Rows often share one dict, which is then encoded once."""
    encoded: dict[int, bytes] = {}
    for value in values:
        field = encoded.get(id(value))
        if field is None:
            content = _JSONB_VERSION + msgspec.json.encode(value)
            field = encoded[id(value)] = _LENGTH.pack(len(content)) + content
        yield field


ENCODERS: dict[str, Encode] = {
    "text": _texts,
    "uuid": _uuids,
    "timestamptz": _timestamps,
    "bool": _booleans,
    "int4": _integers,
    "float8": _doubles,
    "jsonb": _objects,
}


def text_array(texts: Iterable[str]) -> bytes:
    """A text[]."""
    encoded = [text.encode() for text in texts]
    return array("text", [_LENGTH.pack(len(text)) + text for text in encoded])


def int_array(numbers: Iterable[int]) -> bytes:
    """An int4[]."""
    return array("int4", [b"\0\0\0\4" + _LENGTH.pack(number) for number in numbers])


def integer(number: int) -> bytes:
    """An int4."""
    return _LENGTH.pack(number)


def moment(content: bytes) -> datetime:
    """Decodes a timestamptz; it must not be infinity."""
    return _EPOCH + timedelta(microseconds=int.from_bytes(content, signed=True))


def array(kind: str, fields: Sequence[bytes]) -> bytes:
    """An array of one dimension; each field is its content behind its length, as in a COPY."""
    if not fields:
        return _ARRAY.pack(0, 0, OIDS[kind], 0, 0)[:12]
    return _ARRAY.pack(1, 0, OIDS[kind], len(fields), 1) + b"".join(fields)
