"""Members, groups and names by number, topped up from the database at the start of each report."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
from django.db.backends.utils import CursorWrapper
from numpy.typing import NDArray

from analytics.report_days import day_starts_at, days_between
from analytics.rollups.layout import DEPLOYMENT_TYPES
from analytics.rollups.numbers import NEVER, Flags, Numbers, decode_array, since_1970

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


def _nothing() -> Numbers:
    return np.zeros(1, dtype=np.int64)


def _no() -> Flags:
    return np.zeros(1, dtype=np.bool_)


def _never() -> Numbers:
    return np.full(1, NEVER)


@dataclass(frozen=True)
class GroupColumns:
    """Groups by their number; no group has number 0."""

    version: int = 0
    organization: NDArray[Any] = field(default_factory=lambda: np.array([None], dtype=object))
    deployment: Numbers = field(default_factory=_nothing)  # index into DEPLOYMENT_TYPES
    is_internal: Flags = field(default_factory=_no)

    def topped_up(self, cursor: CursorWrapper) -> "GroupColumns":
        cursor.execute(GROUPS, [self.version])
        rows = cursor.fetchall()
        if not rows:
            return self
        version, number, organization, deployment, internal = zip(*rows, strict=True)
        highest = max(number)
        return GroupColumns(
            max(version),
            _with(self.organization, number, np.array(organization, dtype=object), highest),
            _with(
                self.deployment,
                number,
                np.array([DEPLOYMENT_TYPES.index(name) for name in deployment]),
                highest,
            ),
            _with(self.is_internal, number, np.array(internal), highest),
        )


@dataclass(frozen=True)
class MemberColumns:
    """Members by their number; 0 is nobody. Times in microseconds since 1970, `NEVER` where there is none."""

    version: int = 0
    person: Numbers = field(default_factory=_nothing)
    group: Numbers = field(default_factory=_nothing)
    is_known: Flags = field(default_factory=_no)
    first_us: Numbers = field(default_factory=_never)
    login_us: Numbers = field(default_factory=_never)
    next_login_us: Numbers = field(default_factory=_never)

    def topped_up(self, cursor: CursorWrapper) -> "MemberColumns":
        cursor.execute(MEMBERS, [self.version])
        row = cursor.fetchone()
        if row is None:
            return self
        number, person, group = (decode_array(row[place], ">i4").astype(np.int64) for place in (1, 2, 3))
        first_us, login_us, next_login_us = (
            since_1970(decode_array(row[place], ">i8")) for place in (5, 6, 7)
        )
        highest = max(int(number.max()), int(person.max()))
        return MemberColumns(
            version=row[0],
            person=_with(self.person, number, person, highest),
            group=_with(self.group, number, group, highest),
            is_known=_with(self.is_known, number, decode_array(row[4], "?"), highest),
            first_us=_with(self.first_us, number, first_us, highest),
            login_us=_with(self.login_us, number, login_us, highest),
            next_login_us=_with(self.next_login_us, number, next_login_us, highest),
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
        """Which members are not the first of their person. (A person has the number of its first member.)"""
        is_other: Flags = (self.person > 0) & (self.person != np.arange(len(self)))
        return is_other

    def first_days(self, us: Numbers) -> Numbers:
        """The report days (proleptic ordinals) of these instants; `NEVER` stays as it is."""
        has_time = us != NEVER
        days = np.full(len(us), NEVER)
        if has_time.any():
            starts, first = _day_starts(int(us[has_time].min()), int(us[has_time].max()))
            days[has_time] = np.searchsorted(starts, us[has_time], side="right") - 1 + first
        return days


def _with(
    old: NDArray[Any], number: Sequence[int] | Numbers, values: NDArray[Any], highest: int
) -> NDArray[Any]:
    """A copy with these entries, long enough for number `highest`. Gaps are filled like number 0."""
    new = np.full(max(len(old), highest + 1), old[0], dtype=old.dtype)
    new[: len(old)] = old
    new[np.asarray(number)] = values
    return new


def _day_starts(first_us: int, last_us: int) -> tuple[Numbers, int]:
    """When the report days around these instants begin, and the ordinal of the first of those days."""
    ordinal = 719_163  # of 1 January 1970
    first = date.fromordinal(ordinal + first_us // 86_400_000_000 - 1)
    last = date.fromordinal(ordinal + last_us // 86_400_000_000 + 1)
    starts = [int(day_starts_at(day).timestamp()) * 1_000_000 for day in days_between(first, last)]
    return np.array(starts), first.toordinal()


class NameNumbers:
    """Numbers for the names that a process has met, from 1 on; a name keeps its number for good."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self._lock = threading.Lock()

    def of(self, names: Sequence[Any]) -> Numbers:
        """The number of each of these names."""
        with self._lock:
            return np.array(
                [self._numbers.setdefault(name, len(self._numbers) + 1) for name in names], dtype=np.int64
            )

    def own(self) -> Numbers:
        """Each name's number, by its number."""
        return np.arange(len(self))

    def firsts(self) -> Numbers:
        """By a name's number: that of the first name met that begins with the same part."""
        numbers: dict[Any, int] = {}
        items = self.items()
        return np.array([0, *(numbers.setdefault(name[0], row) for name, row in items)], dtype=np.int64)

    def items(self) -> list[tuple[Any, int]]:
        return list(self._numbers.items())

    def __len__(self) -> int:
        """One more than there are names, because 0 is nobody's."""
        return len(self._numbers) + 1
