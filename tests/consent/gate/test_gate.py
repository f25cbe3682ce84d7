"""The gate answers from windows of time, and its answer is what the rules say for each moment."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.gate.permissions import Permissions, Registered
from consent.gate.rules import AGREED, REFUSALS, Profile, StatePeriod, Tier, profile_of, tier
from consent.models import State
from postgres.instants import microseconds

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
    """What `rules.states_at` answers for one moment, written plainly."""
    state = State.UNSET
    for period in decided:
        takes_back = period.state is State.UNSET and any(
            other.state in AGREED and other.since <= period.since for other in decided
        )
        if (period.state in REFUSALS or takes_back) and period.since > at:
            return State.DENIED
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
def test_windows_say_what_the_rules_say_after_the_tombstone(
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
    registration = registered if named else None

    def states_then(moment):
        return {
            "organization": None if organization is None else state_at(organization, moment),
            "user": None if user is None else state_at(user, moment),
        }

    def is_detailed(moment, **instead):
        return Tier.DETAILED is tier(
            profile=profile_of(registration.deployment_type if registration else None, switches),
            at=moment,
            notice_since=registration.notice_since if registration else None,
            detailed_on=detailed_on,
            **states_then(moment) | instead,
        )

    def plain_reason(moment):
        """Whoever could have made it right alone by agreeing is the one whose consent lacks."""
        if not detailed_on:
            return "telemetry_off"
        then = {kind: state for kind, state in states_then(moment).items() if state is not None}
        if not then:
            return "names_nobody"
        alone = [kind for kind in then if is_detailed(moment, **{kind: State.GRANTED})]
        assert len(alone) <= 1
        if {then[kind] for kind in alone or then} == {State.STALE}:
            return "no_consent_stale"
        return f"no_consent_{alone[0]}" if alone else "no_consent"

    decided = [
        edge
        for period in [*(organization or []), *(user or [])]
        for edge in (period.since, period.until)
        if edge
    ]
    today = max([now, *decided])
    expected = is_detailed(at) and is_detailed(today)
    if user is not None and erased and at <= erased:
        expected = False
    who = "" if user is None else USER
    assert permissions.allows(named, who, at) == expected
    if not expected:
        refusing = next((moment for moment in (today, at) if not is_detailed(moment)), None)
        reason = plain_reason(refusing) if refusing else "no_consent_user"
        assert permissions.why_not(named, who, at) == reason


# --- Edge cases -------------------------------------------------------------------------------------
def hour(number: float) -> datetime:
    return START + timedelta(hours=number)


def asked_at(now: float, *decided: StatePeriod, **more: object) -> Permissions:
    return Permissions({USER: list(decided)}, {}, {}, hour(now), **more)


TAKEN_BACK_BETWEEN = (
    StatePeriod(State.GRANTED, hour(1), hour(2)),
    StatePeriod(State.UNSET, hour(2), hour(3)),
    StatePeriod(State.GRANTED, hour(3), None),
)
# A gap that nobody's decision makes: two windows.
GRANTED_TWICE = (TAKEN_BACK_BETWEEN[0], TAKEN_BACK_BETWEEN[2])
MICROSECOND = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("at", "allowed"),
    [
        *((hour(1) - MICROSECOND, False), (hour(1), True), (hour(2) - MICROSECOND, True), (hour(2), False)),
        *((hour(3) - MICROSECOND, False), (hour(3), True), (hour(9), True)),
    ],
)
def test_a_window_begins_with_its_first_moment_and_ends_before_its_last(at, allowed):
    permissions = asked_at(8, *GRANTED_TWICE)
    assert permissions.allows("", USER, at) is allowed
    spans = permissions.spans("", USER)
    assert any(since <= microseconds(at) < until for since, until in spans) is allowed


def test_a_grant_that_was_taken_back_allows_nothing_any_more():
    permissions = asked_at(8, *TAKEN_BACK_BETWEEN)
    assert not permissions.allows("", USER, hour(2) - MICROSECOND)
    assert permissions.allows("", USER, hour(3))


def test_nothing_is_allowed_while_the_state_of_today_forbids_it():
    granted, *_ = GRANTED_TWICE
    ended = (granted, StatePeriod(State.UNSET, hour(2), None))
    assert not asked_at(8, *ended).allows("", USER, hour(1))
    assert asked_at(8, *GRANTED_TWICE).allows("", USER, hour(1))
    assert not asked_at(1.5, *ended).allows("", USER, hour(1))  # decided after this request began
    assert not asked_at(2, *ended).allows("", USER, hour(1))


def test_a_tombstone_ends_within_a_window_and_takes_in_those_before_it():
    erased = asked_at(8, *GRANTED_TWICE, tombstones={USER: hour(1.5)})
    assert not erased.allows("", USER, hour(1.5))
    assert erased.allows("", USER, hour(1.5) + MICROSECOND)
    erased = asked_at(8, *GRANTED_TWICE, tombstones={USER: hour(2)})
    assert [until for _, until in erased.spans("", USER)] == [1 << 62]


def test_a_session_has_no_decisions_but_may_have_been_erased():
    session = f"anon:{'a' * 27}"
    organization = {ORGANIZATION: [StatePeriod(State.GRANTED, hour(1), None)]}
    for tombstones, allowed in (({}, True), ({session: hour(5)}, False), ({ORGANIZATION: hour(5)}, False)):
        permissions = Permissions({}, organization, {}, hour(8), tombstones=tombstones)
        assert permissions.allows(ORGANIZATION, session, hour(5)) is allowed
    both = Permissions({}, organization, {}, hour(8), tombstones={session: hour(3), ORGANIZATION: hour(5)})
    assert not both.allows(ORGANIZATION, session, hour(5))
