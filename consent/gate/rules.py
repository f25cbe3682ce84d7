"""The consent policy, as a pure function: who may be stored, and in what detail.

`effective = the most restrictive of (signal, instance switch, organization, user)`. Nobody can
raise what another has lowered, and whatever is in doubt is denied. The table of all combinations
is `tests/consent/gate/test_rules.py`; it reads like the documentation, because it is.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from heapq import heappop, heappush
from typing import NamedTuple

from consent.models import DeploymentType, State


class Tier(IntEnum):
    """How much may be kept of a subject's events."""

    NOTHING = 0
    BASE = 1
    DETAILED = 2


class Profile(StrEnum):
    """What holds for those who have not decided."""

    STRICT = "strict"
    ORGANIZATION = "organization"
    NOTICE = "notice"


REFUSALS = (State.DENIED, State.STALE)
STRICTNESS = (Profile.STRICT, Profile.ORGANIZATION, Profile.NOTICE)


class StatePeriod(NamedTuple):
    """From `since` (inclusive) to `until` (exclusive; None: still) a subject's state was `state`."""

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
        """Whether events may be stored of somebody who has decided nothing."""
        return {self.cloud, self.self_hosted} != {Profile.STRICT}


def profile_of(deployment_type: str | None, switches: Switches) -> Profile:
    """The profile of an organization's *registered* deployment type; the stricter one when it has none."""
    if deployment_type == DeploymentType.CLOUD:
        return switches.cloud
    if deployment_type == DeploymentType.SELF_HOSTED:
        return switches.self_hosted
    return min(switches.cloud, switches.self_hosted, key=STRICTNESS.index)


def states_at(periods: Sequence[StatePeriod], moments: Iterable[datetime]) -> Iterator[State]:
    """What a subject's decisions say about events dated so; the moments ascend.

    A withdrawal reaches back: an event dated before it is refused for good, also after a new grant.
    So does a material change: what was agreed to then was not all that is collected now, and DENIED
    stands for STALE there. Once through the periods, however many there are.
    """
    refused_before = max((period.since for period in periods if period.state in REFUSALS), default=None)
    waiting = sorted(range(len(periods)), key=lambda number: periods[number].since, reverse=True)
    begun: list[int] = []  # a heap, of which the last period of the list comes first
    for at in moments:
        while waiting and periods[waiting[-1]].since <= at:
            heappush(begun, -waiting.pop())
        while begun and (until := periods[-begun[0]].until) is not None and until <= at:
            heappop(begun)
        if refused_before is not None and at < refused_before:
            yield State.DENIED
        else:
            yield periods[-begun[0]].state if begun else State.UNSET


def with_stale(periods: Sequence[StatePeriod], material_since: datetime) -> list[StatePeriod]:
    """A subject's periods; a grant that was open at the last material change is stale from then on."""
    found: list[StatePeriod] = []
    for period in periods:
        if period.state is State.GRANTED and period.until is None and period.since < material_since:
            found += period._replace(until=material_since), StatePeriod(State.STALE, material_since, None)
        else:
            found.append(period)
    return found


def notice_in_force(notice_since: datetime | None, material_since: datetime | None) -> datetime | None:
    """The time of a notice that still stands: one given before the last material change is stale."""
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

    `organization` and `user` are their states at that time, None when the event names none. A
    detailed event with no user asks only the organization, with no organization only the user,
    with neither the profile's default for organizations. `signal` is Do Not Track or GPC.
    """
    if signal:
        return Tier.NOTHING
    below = Tier.BASE if base_on else Tier.NOTHING
    if not detailed_on:
        return below
    noticed = profile is Profile.NOTICE and notice_since is not None and notice_since <= at
    asks_organization = organization is not None or user is None
    organization_agrees = organization == State.GRANTED or (organization in (State.UNSET, None) and noticed)
    if asks_organization and not organization_agrees:
        return below
    if user is None or user == State.GRANTED:
        return Tier.DETAILED
    if user == State.UNSET and profile is not Profile.STRICT and organization_agrees:
        return Tier.DETAILED
    return below
