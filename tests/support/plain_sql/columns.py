"""Reads columns of numbers with numpy, as PostgreSQL's `array_send(array_agg(…))` writes them."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.plain_sql.source import person
from tests.support.plain_sql.statements import IDENTIFIED, Segment

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Groups = list[tuple[list[int], int]]  # each combination of values, and how often it occurs

ARRAY_HEAD_BYTES = 20  # dimensions, null flag, type, length, lower bound

# Who an event counts for: a hash of the pseudonym, 0 for nobody. Those who have withdrawn are joined,
# because as a list in an expression they would be searched one by one. 64 bits are enough to tell
# people apart: among a million, two are taken for one in one of 10⁷ reports.
PERSON = f"""CASE WHEN {IDENTIFIED} AND gone_user IS NULL AND gone_organization IS NULL
            THEN hashtextextended(user_id, 0) ELSE 0 END"""
WITHDRAWN = """
  LEFT JOIN unnest(%(withdrawn)s::text[]) AS gone_user ON gone_user = user_id
  LEFT JOIN unnest(%(left)s::text[]) AS gone_organization ON gone_organization = organization_id"""


def with_withdrawn(rows: Segment) -> Segment:
    """The parameters that `WITHDRAWN` needs."""
    gone = person().parameters
    return rows.with_(withdrawn=gone.get("withdrawn", []), left=gone.get("left", []))


def array(sent: bytes, kind: str) -> NDArray[Any]:
    """The elements of an array without nulls; `kind` as numpy writes it, big-endian."""
    element = np.dtype([("bytes", ">i4"), ("value", kind)])
    values: NDArray[Any] = np.frombuffer(sent, dtype=element, offset=ARRAY_HEAD_BYTES)["value"]
    return values


def joined(sent: Iterable[bytes], kind: str, native: Any) -> NDArray[Any]:
    """The elements of all arrays in one."""
    return np.concatenate([np.empty(0, dtype=native), *(array(one, kind).astype(native) for one in sent)])


def numbered(sent: Sequence[bytes], kind: str) -> Numbers:
    """For each element of all arrays, the number of its array."""
    return np.repeat(np.arange(len(sent), dtype=np.int64), [len(array(one, kind)) for one in sent])


def small_numbers(hashes: Numbers) -> Numbers:
    """1, 2, … for each person, 0 for nobody."""
    everybody, number = np.unique(np.append(hashes, 0), return_inverse=True)
    nobody = int(np.searchsorted(everybody, 0))
    found: Numbers = np.where(number < nobody, number + 1, number)[:-1]
    return np.where(hashes == 0, 0, found)


def combinations(*columns: Numbers) -> tuple[tuple[Numbers, ...], Numbers]:
    """Each combination of the columns' values that occurs, as columns again, and how often."""
    if not len(columns[0]):
        return columns, np.empty(0, dtype=np.int64)
    low = [int(column.min()) for column in columns]
    width = [int(column.max()) - least + 1 for column, least in zip(columns, low, strict=True)]
    key = np.zeros(len(columns[0]), dtype=np.int64)
    for column, least, size in zip(columns, low, width, strict=True):
        key = key * size + (column - least)
    keys, counts = np.unique(key, return_counts=True)
    values = []
    for least, size in zip(reversed(low), reversed(width), strict=True):
        values.append(keys % size + least)
        keys = keys // size
    return tuple(values[::-1]), counts


def counted(*columns: Numbers) -> Groups:
    """The same, as a list of combinations."""
    values, counts = combinations(*columns)
    return list(zip(np.stack(values, axis=1).tolist(), counts.tolist(), strict=True))
