"""The consent rules, as pure functions: whose events may be stored, and in what detail.

`effective tier = the most restrictive of (signal, instance switch, organization, user)`. Nobody can raise
what another has lowered, and in doubt an event is refused. `tests/consent/gate/test_rules.py` holds the table
of all combinations.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from heapq import heappop, heappush
from typing import NamedTuple

from consent.models import DeploymentType, State


class Tier(IntEnum):
    """How much of a subject's events may be stored."""

    NOTHING = 0
    BASE = 1
    DETAILED = 2


class Profile(StrEnum):
    """The rule for subjects who have not decided."""

    STRICT = "strict"
    ORGANIZATION = "organization"
    NOTICE = "notice"


REFUSALS = (State.DENIED, State.STALE)
AGREED = (State.GRANTED, State.STALE)  # a stale grant was one: what was stored under it is still there
STRICTNESS = (Profile.STRICT, Profile.ORGANIZATION, Profile.NOTICE)


class StatePeriod(NamedTuple):
    """A subject's state from `since` (inclusive) to `until` (exclusive; None while it lasts)."""

    state: State
    since: datetime
    until: datetime | None


@dataclass(frozen=True)
class Switches:
    """What the operator has set for the whole instance."""

    detailed: bool
    base: bool
    cloud: Profile
    self_hosted: Profile
    notice_since: datetime | None

    @property
    def keep_undecided(self) -> bool:
        """Whether events of an undecided subject may be stored."""
        return {self.cloud, self.self_hosted} != {Profile.STRICT}


def is_withdrawal(before: State, state: State) -> bool:
    """Whether a decision for `state` takes something back: a denial, or `unset` after a grant.

    To deny once more takes nothing back, nor does `unset` by somebody who never agreed, or had denied.
    """
    if state == State.DENIED:
        return before != State.DENIED
    return state == State.UNSET and before in AGREED


def profile_of(deployment_type: str | None, switches: Switches) -> Profile:
    """The profile for an organization's *registered* deployment type; without one, the stricter profile."""
    if deployment_type == DeploymentType.CLOUD:
        return switches.cloud
    if deployment_type == DeploymentType.SELF_HOSTED:
        return switches.self_hosted
    return min(switches.cloud, switches.self_hosted, key=STRICTNESS.index)


def states_at(periods: Sequence[StatePeriod], moments: Iterable[datetime]) -> Iterator[State]:
    """A subject's state for events dated at these ascending moments.

    A withdrawal covers earlier events too: for them the answer is DENIED for good, even after a new grant. So
    does a material change, because the earlier grant did not cover everything that is collected now. One pass
    through the periods, however many there are.
    """
    refused_before = _refused_before(periods)
    later = sorted(range(len(periods)), key=lambda number: periods[number].since, reverse=True)
    begun: list[int] = []  # a heap of negative indexes: the last of the periods is on top
    for at in moments:
        while later and periods[later[-1]].since <= at:
            heappush(begun, -later.pop())
        while begun and (until := periods[-begun[0]].until) is not None and until <= at:
            heappop(begun)
        if refused_before is not None and at < refused_before:
            yield State.DENIED
        else:
            yield periods[-begun[0]].state if begun else State.UNSET


def _refused_before(periods: Sequence[StatePeriod]) -> datetime | None:
    """The last withdrawal or material change. `unset` is a withdrawal when there was a grant before it."""
    agreed_since = min((period.since for period in periods if period.state in AGREED), default=None)
    return max(
        (
            period.since
            for period in periods
            if period.state in REFUSALS
            or (period.state is State.UNSET and agreed_since is not None and agreed_since <= period.since)
        ),
        default=None,
    )


def with_stale(periods: Sequence[StatePeriod], material_since: datetime) -> list[StatePeriod]:
    """A subject's periods; a grant older than the last material change becomes stale from that change on."""
    updated: list[StatePeriod] = []
    for period in periods:
        if period.state is State.GRANTED and period.until is None and period.since < material_since:
            updated += period._replace(until=material_since), StatePeriod(State.STALE, material_since, None)
        else:
            updated.append(period)
    return updated


def notice_in_force(notice_since: datetime | None, material_since: datetime | None) -> datetime | None:
    """The time of the notice, if it still counts: one from before the last material change is stale."""
    if notice_since is None or (material_since is not None and notice_since < material_since):
        return None
    return notice_since


def tier(
    *,
    profile: Profile,
    organization: State | None,
    user: State | None,
    at: datetime,
    notice_since: datetime | None = None,
    signal: bool = False,
    detailed_on: bool = True,
    base_on: bool = True,
) -> Tier:
    """The effective tier of an event dated `at`.

    `organization` and `user` are their states at that time, None if the event names none. Without a user,
    only the organization is asked; without an organization, only the user; with neither, the profile's
    default for organizations holds. `signal` is Do Not Track or Global Privacy Control.
    """
    if signal:
        return Tier.NOTHING
    below = Tier.BASE if base_on else Tier.NOTHING
    if not detailed_on:
        return below
    missing = who_lacks(
        profile=profile, organization=organization, user=user, at=at, notice_since=notice_since
    )
    return below if missing.organization or missing.user else Tier.DETAILED


class Lacking(NamedTuple):
    """Whose consent an event lacks."""

    organization: bool
    user: bool


def who_lacks(
    *,
    profile: Profile,
    organization: State | None,
    user: State | None,
    at: datetime,
    notice_since: datetime | None = None,
) -> Lacking:
    """Whose consent an event dated `at` lacks, by the rules of `tier`. Without both, the organization's.

    A user who has not decided lacks nothing where the profile has users follow their organization.
    """
    noticed = profile is Profile.NOTICE and notice_since is not None and notice_since <= at
    asks_organization = organization is not None or user is None
    organization_agrees = organization == State.GRANTED or (organization in (State.UNSET, None) and noticed)
    follows = user == State.UNSET and profile is not Profile.STRICT
    return Lacking(
        organization=asks_organization and not organization_agrees,
        user=not (user in (None, State.GRANTED) or (follows and (organization_agrees or asks_organization))),
    )
