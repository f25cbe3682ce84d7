"""Decoding contents into the form in which a process caches them: once for each version of a day."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from pyroaring import BitMap, BitMap64

from analytics.rollups.layout import KEY_SHIFT
from analytics.rollups.numbers import Numbers
from analytics.rollups.packing import unpack
from analytics.rollups.reading.counted import Counted
from analytics.rollups.reading.directory import NameNumbers
from analytics.rollups.reading.named_sets import NamedSets
from analytics.rollups.reading.presence import Words, to_words


@dataclass(frozen=True)
class DayMembers:
    """Members of one day, as numbers and as bits."""

    sets: NamedSets[str]
    words: Words

    @property
    def size(self) -> int:
        return self.sets.size + self.words.nbytes


def size_of(decoded: Any) -> int:
    return int(decoded.nbytes if isinstance(decoded, np.ndarray) else decoded.size)


def decode_members(content: bytes) -> DayMembers:
    _, bitmap, arrays = unpack(content)
    numbers = np.frombuffer(BitMap.deserialize(bitmap).to_array(), dtype=np.uint32).astype(np.int64)
    starts = np.array([0, len(numbers)])
    words = to_words(numbers, int(numbers.max(initial=0)) // 64 + 1)
    return DayMembers(NamedSets([""], starts, numbers, arrays.get("count")), words)


def decode_pairs(content: bytes) -> NamedSets[tuple[str, ...]]:
    names, bitmap, arrays = unpack(content)
    pairs = np.frombuffer(BitMap64.deserialize(bitmap).to_array(), dtype=np.uint64).astype(np.int64)
    starts = np.searchsorted(pairs, np.arange(len(names) + 1) << KEY_SHIFT)
    return NamedSets(names, starts, pairs & (1 << KEY_SHIFT) - 1, arrays.get("count"))


def decode_counted(content: bytes, rows: NameNumbers) -> Counted:
    names, _, arrays = unpack(content)
    key = arrays.pop("key")
    return Counted(arrays | {"row": rows.of(names)[key]})


def decode_sessions(content: bytes) -> Numbers:
    _, _, arrays = unpack(content)
    return np.stack([arrays[name] for name in ("session", "member", "first_us", "length_us")])
