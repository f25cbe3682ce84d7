"""Why the gate refuses a detailed event: whose consent it lacks. Pure, like `windows.py`.

Only an answer to a key that is told of consent may show the difference (`ingest/reasons.py`: `TELLING`).
"""

from bisect import bisect_right
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from consent.gate.rules import StatePeriod, who_lacks
from consent.gate.windows import AboutOrganization, edges_of, states
from consent.models import State

# The event names nobody, and the profile does not allow that. The same whatever anybody has decided.
NAMES_NOBODY = "names_nobody"
SWITCHED_OFF = "telemetry_off"  # for everybody
ORGANIZATION, USER, BOTH, STALE = (
    "no_consent_organization",
    "no_consent_user",
    "no_consent",
    "no_consent_stale",
)
BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


class Refusals(NamedTuple):
    """Why events are refused, by the times between which nothing changes."""

    edges: tuple[datetime, ...]
    reasons: tuple[str, ...]  # the first one before the first edge; '' where events are allowed

    def at(self, moment: datetime) -> str:
        return self.reasons[bisect_right(self.edges, moment)]


@lru_cache(maxsize=16384)
def refusals(about: AboutOrganization, user: tuple[StatePeriod, ...] | None) -> Refusals:
    """The reasons that these decisions make; `user` is None when no user is named. Cached like `windows`."""
    edges = edges_of(about, user)
    moments = (BEFORE_ALL, *edges)
    return Refusals(
        tuple(edges),
        tuple(
            _reason(about, of_organization, of_user, at)
            for at, of_organization, of_user in zip(
                moments, states(about.periods, moments), states(user, moments), strict=False
            )
        ),
    )


def _reason(about: AboutOrganization, organization: State | None, user: State | None, at: datetime) -> str:
    """Why an event at this time is refused, '' if it is not."""
    if not about.detailed_on:
        return SWITCHED_OFF
    lacks = who_lacks(
        profile=about.profile,
        organization=organization,
        user=user,
        at=at,
        notice_since=about.notice_since,
    )
    lacking = {state for state, is_missing in zip((organization, user), lacks, strict=True) if is_missing}
    if not lacking:
        return ""
    if organization is None and user is None:
        return NAMES_NOBODY
    if lacking == {State.STALE}:
        return STALE
    return BOTH if all(lacks) else ORGANIZATION if lacks.organization else USER
