"""What a process keeps of the roll-ups between reports: contents by version, members and groups.

Nothing here can be wrong: a day that is built anew gets another version, and members are topped up from the
database at the beginning of every report. At most `MOST_BYTES` of contents are kept, the latest used.
"""

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
from django.db.backends.utils import CursorWrapper
from numpy.typing import NDArray

from analytics.report_days import day_starts_at, days_between
from analytics.rollups.building.content import CELLS
from analytics.rollups.building.scan import SENT_EPOCH_US, array
from analytics.rollups.histogram import Numbers

Flags = NDArray[np.bool_]

MOST_BYTES = 320 * 1024 * 1024  # a year of 40 million events, as the overview reads it, takes 230
ENTRY_BYTES = 300  # of an entry that says that there is nothing, about
NEVER = np.iinfo(np.int64).max  # what PostgreSQL sends for 'infinity'

MEMBERS = """
SELECT max(version), array_send(array_agg(id)), array_send(array_agg(person)),
       array_send(array_agg(group_id)), array_send(array_agg(user_id IS NOT NULL)),
       array_send(array_agg(coalesce(first_seen_at, 'infinity'))),
       array_send(array_agg(coalesce(first_login_at, 'infinity'))),
       array_send(array_agg(coalesce(next_login_at, 'infinity')))
  FROM analytics_member WHERE version > %s HAVING count(*) > 0
"""
GROUPS = """
SELECT version, id, organization_id, deployment_type, is_internal FROM analytics_group WHERE version > %s
"""
WITHDRAWN = """
SELECT id FROM analytics_member JOIN unnest(string_to_array(%s, ',')) AS gone ON user_id = gone
"""


def _nothing() -> Numbers:
    return np.zeros(1, dtype=np.int64)


def _no() -> Flags:
    return np.zeros(1, dtype=np.bool_)


def _never() -> Numbers:
    return np.full(1, NEVER)


@dataclass(frozen=True)
class Groups:
    """By number. Nobody has number 0."""

    version: int = 0
    organization: NDArray[Any] = field(default_factory=lambda: np.array([None], dtype=object))
    deployment: Numbers = field(default_factory=_nothing)  # index into CELLS
    is_internal: Flags = field(default_factory=_no)

    def topped_up(self, cursor: CursorWrapper) -> "Groups":
        cursor.execute(GROUPS, [self.version])
        rows = cursor.fetchall()
        if not rows:
            return self
        version, number, organization, deployment, internal = zip(*rows, strict=True)
        most = max(number)
        return Groups(
            max(version),
            _with(self.organization, number, np.array(organization, dtype=object), most),
            _with(self.deployment, number, np.array([CELLS.index(one) for one in deployment]), most),
            _with(self.is_internal, number, np.array(internal), most),
        )


@dataclass(frozen=True)
class Members:
    """By number. Times in microseconds since 1970, `NEVER` where there is none."""

    version: int = 0
    person: Numbers = field(default_factory=_nothing)
    group: Numbers = field(default_factory=_nothing)
    is_known: Flags = field(default_factory=_no)
    first_us: Numbers = field(default_factory=_never)
    login_us: Numbers = field(default_factory=_never)
    next_login_us: Numbers = field(default_factory=_never)

    def topped_up(self, cursor: CursorWrapper) -> "Members":
        cursor.execute(MEMBERS, [self.version])
        row = cursor.fetchone()
        if row is None:
            return self
        number = array(row[1], ">i4")
        most = int(number.max())
        person, group = (array(row[place], ">i4").astype(np.int64) for place in (2, 3))
        most = max(most, int(person.max()))
        times = [_since_1970(array(row[place], ">i8")) for place in (5, 6, 7)]
        columns = [person, group, array(row[4], "?"), *times]
        names = ("person", "group", "is_known", "first_us", "login_us", "next_login_us")
        return Members(
            row[0],
            **{
                name: _with(getattr(self, name), number, values, most, NEVER if "us" in name else 0)
                for name, values in zip(names, columns, strict=True)
            },
        )

    def __len__(self) -> int:
        return len(self.person)

    @property
    def width(self) -> int:
        """Columns of a table of everybody: a power of two."""
        return 1 << max(len(self).bit_length(), 10)

    @property
    def words(self) -> int:
        """64-bit words of a bitmap of everybody."""
        return -(-len(self) // 64)

    @cached_property
    def is_other(self) -> Flags:
        """Those that are not the first member of their person, whose number it has."""
        is_other: Flags = (self.person > 0) & (self.person != np.arange(len(self)))
        return is_other

    def first_days(self, us: Numbers) -> Numbers:
        """The report days (proleptic ordinals) of instants, `NEVER` as it is."""
        there = us != NEVER
        days = np.full(len(us), NEVER)
        if there.any():
            starts, first = _day_starts(int(us[there].min()), int(us[there].max()))
            days[there] = np.searchsorted(starts, us[there], side="right") - 1 + first
        return days


def _since_1970(sent: Numbers) -> Numbers:
    return np.where(sent == NEVER, NEVER, sent + np.where(sent == NEVER, 0, SENT_EPOCH_US))


def _with(
    old: NDArray[Any], number: Sequence[int] | Numbers, values: NDArray[Any], most: int, rest: int = 0
) -> NDArray[Any]:
    """A copy with these entries, long enough for `most`."""
    new = np.full(max(len(old), most + 1), None if old.dtype == object else rest, dtype=old.dtype)
    new[: len(old)] = old
    new[np.asarray(number)] = values
    return new


def _day_starts(first_us: int, last_us: int) -> tuple[Numbers, int]:
    """When the report days begin, of the days around these instants, and the ordinal of the first one."""
    ordinal = 719_163  # of 1 January 1970
    first = date.fromordinal(ordinal + first_us // 86_400_000_000 - 1)
    last = date.fromordinal(ordinal + last_us // 86_400_000_000 + 1)
    starts = [int(day_starts_at(day).timestamp()) * 1_000_000 for day in days_between(first, last)]
    return np.array(starts), first.toordinal()


class Rows:
    """Numbers for the names that a process has met, from 1 on: the same as long as it lives."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self._lock = threading.Lock()

    def of(self, names: Sequence[Any]) -> Numbers:
        """The number of each of these names."""
        with self._lock:
            return np.array(
                [self._numbers.setdefault(name, len(self._numbers) + 1) for name in names], dtype=np.int64
            )

    def items(self) -> list[tuple[Any, int]]:
        return list(self._numbers.items())

    def __len__(self) -> int:
        """One more than the names, for 0 is free."""
        return len(self._numbers) + 1


@dataclass
class Memory:
    """Of one process. Threads share it: what they find in it is never changed, only replaced."""

    members: Members = field(default_factory=Members)
    groups: Groups = field(default_factory=Groups)
    rows: "defaultdict[str, Rows]" = field(default_factory=lambda: defaultdict(Rows))
    withdrawn: tuple[int, str, Numbers] = (-1, "", np.empty(0, dtype=np.int64))
    _contents: "OrderedDict[tuple[date, str], tuple[int, Any, int]]" = field(default_factory=OrderedDict)
    _bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def top_up(self, cursor: CursorWrapper) -> tuple[Members, Groups]:
        members, groups = self.members.topped_up(cursor), self.groups.topped_up(cursor)
        with self._lock:
            if members.version >= self.members.version:
                self.members = members
            if groups.version >= self.groups.version:
                self.groups = groups
        return members, groups

    def withdrawn_members(self, cursor: CursorWrapper, members: Members, users: str) -> Numbers:
        """The members of these users (pseudonyms with commas between them)."""
        version, names, numbers = self.withdrawn
        if (version, names) != (members.version, users):
            numbers = np.empty(0, dtype=np.int64)
            if users:
                cursor.execute(WITHDRAWN, [users])
                numbers = np.array([number for (number,) in cursor.fetchall()], dtype=np.int64)
                numbers = numbers[numbers < len(members)]
            self.withdrawn = (members.version, users, numbers)
        return numbers

    def contents(
        self,
        versions: dict[date, int],
        kind: str,
        fetch: Callable[[list[date]], dict[date, Any]],
        size: Callable[[Any], int],
    ) -> dict[date, Any]:
        """What there is of these days, decoded; `fetch` reads and decodes what is not kept here."""
        found, missing = {}, []
        with self._lock:
            for day, version in versions.items():
                kept = self._contents.get((day, kind))
                if kept is not None and kept[0] == version:
                    self._contents.move_to_end((day, kind))
                    found[day] = kept[1]
                else:
                    missing.append(day)
        if missing:
            fetched = fetch(missing)
            with self._lock:
                for day in missing:
                    decoded = fetched.get(day)
                    some = ENTRY_BYTES + (0 if decoded is None else size(decoded))
                    self._keep((day, kind), versions[day], decoded, some)
            found |= fetched
        return {day: decoded for day, decoded in found.items() if decoded is not None}

    def _keep(self, key: tuple[date, str], version: int, decoded: Any, size: int) -> None:
        old = self._contents.pop(key, None)
        self._bytes += size - (old[2] if old else 0)
        self._contents[key] = version, decoded, size
        while self._bytes > MOST_BYTES:
            _, (_, _, freed) = self._contents.popitem(last=False)
            self._bytes -= freed


_memory = Memory()


def memory() -> Memory:
    return _memory


def forget() -> None:
    """Begin anew, for instance on another database."""
    global _memory
    _memory = Memory()
