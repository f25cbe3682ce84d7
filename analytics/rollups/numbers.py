"""Arrays of numbers for all of the roll-ups: decoding what PostgreSQL sends, and sorting out duplicates."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

NOTHING: Numbers = np.empty(0, dtype=np.int64)
NEVER = np.iinfo(np.int64).max  # what PostgreSQL sends for the timestamp 'infinity'

_ARRAY_HEAD_BYTES = 20  # dimensions, null flag, type, length, lower bound
_LENGTH_BYTES = 4  # before each element
SENT_EPOCH_US = 946_684_800_000_000  # timestamps are sent as microseconds since 2000


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """Each value once, ascending. `np.unique` hashes, and took 40 times as long for two million pairs."""
    ordered = np.sort(values)
    is_first = np.ones(len(ordered), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    return ordered[is_first]


def array_text(values: Numbers) -> str:
    """An array as PostgreSQL reads it from text: a fifth of the time that a list takes as a parameter."""
    return f"{{{','.join(map(str, values.tolist()))}}}"


def decode_array(sent: bytes, kind: str) -> NDArray[Any]:
    """The elements of an array without nulls, as `array_send` gives it; `kind` is numpy's, big-endian."""
    element = np.dtype([("length", f">i{_LENGTH_BYTES}"), ("value", kind)])
    values = np.frombuffer(sent, dtype=element, offset=_ARRAY_HEAD_BYTES)["value"]
    return values.astype(values.dtype.newbyteorder("="))


def decode_column(rows: Sequence[Sequence[Any]], column: int, kind: str) -> NDArray[Any]:
    """The elements of the arrays in one column of some rows, one after another."""
    sent = [row[column][_ARRAY_HEAD_BYTES:] for row in rows]
    return decode_array(b"".join([bytes(_ARRAY_HEAD_BYTES), *sent]), kind)


def length_of_array(sent: bytes, kind: str) -> int:
    """How many elements it has."""
    return (len(sent) - _ARRAY_HEAD_BYTES) // (_LENGTH_BYTES + np.dtype(kind).itemsize)


def since_1970(sent: Numbers) -> Numbers:
    """Microseconds since 1970 of timestamps as PostgreSQL sends them; `NEVER` stays as it is."""
    return np.where(sent == NEVER, NEVER, sent + np.where(sent == NEVER, 0, SENT_EPOCH_US))
