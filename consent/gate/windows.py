"""The windows of event time in which an organization and a user together allow detailed events.

Pure: periods in, windows out. Between two edges of the periods nothing changes, so the rules are asked once
at each edge, and the answer holds up to the next.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import repeat
from typing import NamedTuple

from consent.gate.rules import Profile, StatePeriod, Tier, states_at, tier
from consent.models import State

Window = tuple[datetime, datetime | None]  # from (inclusive) and to (exclusive; None for no end)


class AboutOrganization(NamedTuple):
    """All that the rules ask about an event, apart from its user and its time."""

    profile: Profile
    notice_since: datetime | None
    periods: tuple[StatePeriod, ...] | None  # None when no organization is named
    detailed_on: bool


class Windows(NamedTuple):
    """When detailed events are allowed, and when the last decision was made."""

    open: tuple[Window, ...]
    last_decision: datetime | None


@lru_cache(maxsize=16384)
def windows(about: AboutOrganization, user: tuple[StatePeriod, ...] | None) -> Windows:
    """The windows that these decisions open; `user` is None when no user is named.

    Cached, because every request asks about the same decisions again.
    """
    # Before the first edge nobody has decided and no notice was shown: nothing is stored.
    edges = edges_of(about, user)
    opened = tuple(
        (since, until)
        for since, until, organization_state, user_state in zip(
            edges, (*edges[1:], None), states(about.periods, edges), states(user, edges), strict=False
        )
        if Tier.DETAILED
        is tier(
            profile=about.profile,
            organization=organization_state,
            user=user_state,
            at=since,
            notice_since=about.notice_since,
            detailed_on=about.detailed_on,
        )
    )
    return Windows(opened, max(_decision_edges(about, user), default=None))


def is_within(opened: Sequence[Window], at: datetime) -> bool:
    return any(since <= at and (until is None or at < until) for since, until in opened)


def edges_of(about: AboutOrganization, user: Sequence[StatePeriod] | None) -> list[datetime]:
    """The times at which the answer may change, in their order."""
    return sorted(_decision_edges(about, user) | ({about.notice_since} if about.notice_since else set()))


def _decision_edges(about: AboutOrganization, user: Sequence[StatePeriod] | None) -> set[datetime]:
    return {edge for period in (*(about.periods or ()), *(user or ())) for edge in period[1:] if edge}


def states(periods: Sequence[StatePeriod] | None, edges: Sequence[datetime]) -> Iterable[State | None]:
    """The state at each edge; None at each when no subject is named."""
    return repeat(None) if periods is None else states_at(periods, edges)
