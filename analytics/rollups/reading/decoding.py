"""Decoding contents into the form in which a process caches them: once for each version of a day."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from analytics.rollups.layout import KEY_SHIFT
from analytics.rollups.numbers import Numbers
from analytics.rollups.reading.counted import Counted
from analytics.rollups.reading.directory import NameNumbers
from analytics.rollups.reading.named_sets import NamedSets
from analytics.rollups.reading.presence import Words, to_words
from analytics.rollups.reading.slices import Unpacked


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


def decode_members(content: Unpacked) -> DayMembers:
    _, numbers, arrays = content
    starts = np.array([0, len(numbers)])
    words = to_words(numbers, int(numbers.max(initial=0)) // 64 + 1)
    return DayMembers(NamedSets([""], starts, numbers, arrays.get("count")), words)


def decode_pairs(content: Unpacked) -> NamedSets[tuple[str, ...]]:
    names, pairs, arrays = content
    starts = np.searchsorted(pairs, np.arange(len(names) + 1) << KEY_SHIFT)
    return NamedSets(names, starts, pairs & (1 << KEY_SHIFT) - 1, arrays.get("count"))


def decode_counted(content: Unpacked, rows: NameNumbers) -> Counted:
    names, _, arrays = content
    others = {name: values for name, values in arrays.items() if name != "key"}
    return Counted(others | {"row": rows.of(names)[arrays["key"]]})


def decode_sessions(content: Unpacked) -> Numbers:
    _, _, arrays = content
    return np.stack([arrays[name] for name in ("session", "member", "first_us", "length_us")])
