"""What a process remembers of the roll-ups between reports: contents by version, members, groups, names.

Nothing here can be out of date: a day that is rebuilt gets another version, and members are topped up from
the database at the start of every report. Contents take at most `MOST_BYTES`; the least recently used go
first.
"""

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
from django.db.backends.utils import CursorWrapper

from analytics.rollups.numbers import NOTHING, Numbers
from analytics.rollups.reading.directory import GroupColumns, MemberColumns, NameNumbers
from analytics.rollups.reading.segments import Crowds

MOST_BYTES = 320 * 1024 * 1024  # a year of 40 million events, as the overview reads it, takes 230 MiB
ENTRY_BYTES = 300  # about; of an entry that says that there is nothing

WITHDRAWN = """
SELECT id FROM analytics_member JOIN unnest(string_to_array(%s, ',')) AS gone ON user_id = gone
"""


@dataclass
class RollUpCache:
    """The cache of one process. Threads share it: what is in it is replaced, never changed."""

    members: MemberColumns = field(default_factory=MemberColumns)
    groups: GroupColumns = field(default_factory=GroupColumns)
    rows: defaultdict[str, NameNumbers] = field(default_factory=lambda: defaultdict(NameNumbers))
    withdrawn: tuple[int, str, Numbers] = (-1, "", NOTHING)
    _crowds: tuple[Hashable, Crowds | None] = (None, None)
    _contents: OrderedDict[tuple[date, Hashable], tuple[Hashable, Any, int]] = field(
        default_factory=OrderedDict
    )
    _bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def top_up(self, cursor: CursorWrapper) -> tuple[MemberColumns, GroupColumns]:
        members, groups = self.members.topped_up(cursor), self.groups.topped_up(cursor)
        with self._lock:
            if members.version >= self.members.version:
                self.members = members
            if groups.version >= self.groups.version:
                self.groups = groups
        return members, groups

    def withdrawn_members(self, cursor: CursorWrapper, members: MemberColumns, users: str) -> Numbers:
        """The members of these users (comma-separated pseudonyms)."""
        version, names, numbers = self.withdrawn
        if (version, names) != (members.version, users):
            numbers = NOTHING
            if users:
                cursor.execute(WITHDRAWN, [users])
                numbers = np.array([number for (number,) in cursor.fetchall()], dtype=np.int64)
                numbers = numbers[numbers < len(members)]
            self.withdrawn = (members.version, users, numbers)
        return numbers

    def crowds(self, version: Hashable, make: Callable[[], Crowds]) -> Crowds:
        """The crowds of this version: the last ones made, or new ones."""
        known, crowds = self._crowds
        if crowds is None or known != version:
            crowds = make()
            self._crowds = version, crowds
        return crowds

    def contents(
        self,
        versions: Mapping[date, Hashable],
        kind: Hashable,
        fetch: Callable[[list[date]], dict[date, Any]],
        size: Callable[[Any], int],
    ) -> dict[date, Any]:
        """The contents of these days, decoded; `fetch` reads and decodes those that are not cached.

        What is derived from several days can be kept, too, at one of them, with all of their versions.
        """
        contents, missing = {}, []
        with self._lock:
            for day, version in versions.items():
                entry = self._contents.get((day, kind))
                if entry is not None and entry[0] == version:
                    self._contents.move_to_end((day, kind))
                    contents[day] = entry[1]
                else:
                    missing.append(day)
        if missing:
            fetched = fetch(missing)
            with self._lock:
                for day in missing:
                    decoded = fetched.get(day)
                    entry_bytes = ENTRY_BYTES + (0 if decoded is None else size(decoded))
                    self._keep((day, kind), versions[day], decoded, entry_bytes)
            contents |= fetched
        return {day: decoded for day, decoded in contents.items() if decoded is not None}

    def _keep(self, key: tuple[date, Hashable], version: Hashable, decoded: Any, size: int) -> None:
        old = self._contents.pop(key, None)
        self._bytes += size - (old[2] if old else 0)
        self._contents[key] = version, decoded, size
        while self._bytes > MOST_BYTES:
            _, (_, _, freed) = self._contents.popitem(last=False)
            self._bytes -= freed


_cache = RollUpCache()


def cache() -> RollUpCache:
    return _cache


def forget() -> None:
    """Start with an empty cache, for instance on another database."""
    global _cache
    _cache = RollUpCache()
