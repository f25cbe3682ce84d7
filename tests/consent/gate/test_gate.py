"""The gate answers from windows of time; what it answers is the policy's word for each moment."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from consent.gate.permissions import Permissions, Registered
from consent.gate.rules import REFUSALS, Profile, StatePeriod, Tier, profile_of, tier
from consent.models import State

ORGANIZATION, USER = "b" * 32, "a" * 32
START = datetime(2026, 3, 1, tzinfo=UTC)

moments = st.integers(0, 12).map(lambda hours: START + timedelta(hours=hours))
periods = st.lists(
    st.builds(
        lambda state, ends: StatePeriod(state, min(ends), max(ends) if ends[0] < ends[1] else None),
        st.sampled_from(State),
        st.tuples(moments, moments),
    ),
    max_size=4,
)
registrations = st.builds(
    Registered, st.sampled_from(["cloud", "self-hosted", "unknown"]), st.booleans(), st.none() | moments
)


def state_at(decided: list[StatePeriod], at: datetime) -> State:
    """`policy.states_at` of one moment, said plainly."""
    state = State.UNSET
    for period in decided:
        if period.state in REFUSALS and period.since > at:
            return period.state
        if period.since <= at and (period.until is None or at < period.until):
            state = period.state
    return state


@given(
    st.none() | periods,
    st.none() | periods,
    st.none() | registrations,
    moments,
    moments,
    st.sampled_from(Profile),
    st.sampled_from(Profile),
    st.booleans(),
    st.none() | moments,
)
def test_windows_say_what_the_policy_says_after_the_tombstone(
    organization, user, registered, now, at, cloud, self_hosted, detailed_on, erased
):
    permissions = Permissions(
        {USER: user or []},
        {ORGANIZATION: organization or []},
        {} if registered is None else {ORGANIZATION: registered},
        now,
        tombstones={USER: erased} if erased else None,
    )
    permissions._switches = switches = permissions._switches.__class__(
        detailed_on, True, cloud, self_hosted, None
    )
    named = "" if organization is None else ORGANIZATION
    known = registered if named else None

    def is_detailed(moment):
        return Tier.DETAILED is tier(
            profile=profile_of(known.deployment_type if known else None, switches),
            organization=None if organization is None else state_at(organization, moment),
            user=None if user is None else state_at(user, moment),
            at=moment,
            notice_since=known.notice_since if known else None,
            detailed_on=detailed_on,
        )

    decided = [
        edge
        for period in [*(organization or []), *(user or [])]
        for edge in (period.since, period.until)
        if edge
    ]
    expected = is_detailed(at) and is_detailed(max([now, *decided]))
    if user is not None and erased and at <= erased:
        expected = False
    assert permissions.allows(named, "" if user is None else USER, at) == expected
