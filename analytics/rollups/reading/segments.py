"""Segments: whose events a report counts, and which people are among them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from django.conf import settings

from analytics.rollups.layout import CELLS, DEPLOYMENT_TYPES, cell_of
from analytics.rollups.numbers import Flags, Numbers
from analytics.rollups.reading.directory import GroupColumns, MemberColumns
from analytics.rollups.reading.published import Everybody
from analytics.rollups.reading.reaches import MOST_SEGMENTS, Reachable
from analytics.rollups.reading.slices import Dimensions


class Filters(Protocol):
    """What a report's filters say of a segment."""

    @property
    def deployment(self) -> str: ...
    @property
    def organization(self) -> str: ...
    @property
    def include_internal(self) -> bool: ...
    @property
    def dimensions(self) -> Dimensions: ...


@dataclass(frozen=True)
class Segment:
    """Whose events count: a deployment type and an organization's pseudonym; '' stands for any."""

    deployment: str = ""
    organization: str = ""
    include_internal: bool = False
    without_accounts: bool = False  # leaves out organizations with account reports
    dimensions: Dimensions = ()  # an event must have all of these values

    @classmethod
    def of(cls, filters: Filters) -> "Segment":
        return cls(
            filters.deployment,
            filters.organization,
            filters.include_internal,
            dimensions=filters.dimensions,
        )

    @property
    def of_members(self) -> "Segment":
        """The same without dimensions, of which members know nothing."""
        return replace(self, dimensions=())

    def cells(self) -> Flags:
        """By cell: whether it lies in the segment. An organization has no cells of its own."""
        cells = np.zeros(CELLS, dtype=np.bool_)
        for name in DEPLOYMENT_TYPES:
            if self.deployment in ("", name):
                cells[cell_of(name, is_internal=False)] = True
                cells[cell_of(name, is_internal=True)] = self.include_internal
        return cells

    def groups(self, groups: GroupColumns) -> Flags:
        """By the group's number: whether it lies in the segment. Forgotten groups lie in none."""
        inside: Flags = np.array([name is not None for name in groups.organization])
        if self.organization:
            inside = groups.organization == self.organization
        if self.deployment:
            inside = inside & (groups.deployment == DEPLOYMENT_TYPES.index(self.deployment))
        if not self.include_internal:
            inside = inside & ~groups.is_internal
        return inside


def dimensions_of(segments: Sequence[Segment]) -> Dimensions:
    """The dimensions that all of these segments ask for. Raises ValueError if they differ."""
    (dimensions,) = {segment.dimensions for segment in segments}
    return dimensions


MOST_REACHABLE = 16  # remembered at once


@dataclass(frozen=True)
class Crowd:
    """The people of a segment, by member's number."""

    person: Numbers  # the person that each member is
    counts: Flags  # members that count
    firsts: Flags  # members that count and are the first of their person
    left: Flags  # members that would count, but have withdrawn


class Withdrawn(NamedTuple):
    """Whose members no longer count: those of these users and organizations."""

    users: str  # comma-separated pseudonyms
    organizations: frozenset[str]
    with_accounts: frozenset[str] = frozenset()  # organizations that grant account reports


class Crowds:
    """The crowd of each segment, without those who have withdrawn: `left` is a flag for each member."""

    def __init__(
        self, members: MemberColumns, groups: GroupColumns, left: Flags, with_accounts: frozenset[str]
    ) -> None:
        self._members, self._groups, self._left = members, groups, left
        self._with_accounts = with_accounts
        self._crowds: dict[Segment, Crowd] = {}  # six at most
        self._reachable: dict[tuple[Segment, ...], Reachable] = {}

    @cached_property
    def everybody(self) -> Everybody:
        members, groups = self._members, self._groups
        crowd = self.of(Segment(include_internal=True))
        organizations = groups.organization
        has_account = self.has_account
        return Everybody(
            person=members.person,
            cell=(2 * groups.deployment + groups.is_internal)[members.group],
            group=members.group,
            counts=crowd.counts,
            left=crowd.left,
            has_account=has_account[members.group],
            is_named=organizations.astype(np.bool_)[members.group],
        )

    @cached_property
    def has_account(self) -> Flags:
        """By group: whether its organization has account reports."""
        organizations = self._groups.organization
        return np.array([name in self._with_accounts for name in organizations], dtype=np.bool_)

    @cached_property
    def version(self) -> int:
        """Another one whenever the same sets may hold other people."""
        members = self._members
        left = np.flatnonzero(self._left).tobytes()
        unknown = len(members) - int(np.count_nonzero(members.is_known))
        return hash((left, unknown, self._with_accounts, settings.SUPPRESS_BELOW))

    @property
    def some_have_accounts(self) -> bool:
        """Whether some organization has account reports."""
        return bool(self._with_accounts)

    def reachable(self, segments: Sequence[Segment]) -> Reachable:
        """The reach of each member: a bit for each of the segments. Raises ValueError for too many.

        Members of organizations with account reports have none in segments of all organizations: their
        figures are known.
        """
        if len(segments) > MOST_SEGMENTS:
            raise ValueError(f"a reach has at most {MOST_SEGMENTS} segments, not {len(segments)}")
        segments = [segment.of_members for segment in segments]
        if (known := self._reachable.get(tuple(segments))) is not None:
            return known
        members, everybody = self._members, self.everybody
        by_group, of_all = np.zeros(len(self._groups.organization), dtype=np.uint16), np.uint16(0)
        for number, segment in enumerate(segments):
            by_group |= segment.groups(self._groups).astype(np.uint16) << np.uint16(number)
            if not segment.organization and self._with_accounts:
                of_all |= np.uint16(1 << number)
        bits = np.where(everybody.counts, by_group[members.group], 0).astype(np.uint16)
        bits[everybody.has_account] &= ~of_all
        if len(self._reachable) >= MOST_REACHABLE:
            self._reachable.clear()
        self._reachable[tuple(segments)] = reachable = Reachable(bits, members.person)
        return reachable

    def of(self, segment: Segment) -> Crowd:
        segment = segment.of_members
        crowd = self._crowds.get(segment)
        if crowd is None:
            crowd = self._crowd_of(segment)
            if not segment.organization:
                self._crowds[segment] = crowd
        return crowd

    def _crowd_of(self, segment: Segment) -> Crowd:
        members = self._members
        inside = segment.groups(self._groups)[members.group] & members.is_known & (members.person > 0)
        if segment.without_accounts:
            inside = inside & ~self.has_account[members.group]
        counts = inside & ~self._left
        firsts = counts & ~members.is_other
        return Crowd(members.person, counts, firsts, inside & self._left)
