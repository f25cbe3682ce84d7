"""The consent policy, as a pure function: who may be stored, and in what detail.

`effective = the most restrictive of (signal, instance switch, organization, user)`. Nobody can
raise what another has lowered, and whatever is in doubt is denied. The table of all combinations
is `tests/consent/test_policy.py`; it reads like the documentation, because it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
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


STRICTNESS = (Profile.STRICT, Profile.ORGANIZATION, Profile.NOTICE)


class Period(NamedTuple):
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


def profile_of(deployment_type: str | None, switches: Switches) -> Profile:
    """The profile of an organization's *registered* deployment type; the stricter one when it has none."""
    if deployment_type == DeploymentType.CLOUD:
        return switches.cloud
    if deployment_type == DeploymentType.SELF_HOSTED:
        return switches.self_hosted
    return min(switches.cloud, switches.self_hosted, key=STRICTNESS.index)


def state_at(periods: Sequence[Period], at: datetime) -> State:
    """What a subject's decisions say about an event dated `at`.

    A withdrawal reaches back: an event dated before it is refused for good, also after a new grant.
    So does a material change: what was agreed to then was not all that is collected now.
    """
    state = State.UNSET
    for period in periods:
        if period.state in (State.DENIED, State.STALE) and period.since > at:
            return period.state
        if period.since <= at and (period.until is None or at < period.until):
            state = State(period.state)
    return state


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
