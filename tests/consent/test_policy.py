"""The policy's truth table: who may be stored in detail, for every combination."""

from datetime import UTC, datetime
from itertools import product

import pytest

from consent.models import State
from consent.policy import Period, Profile, Switches, Tier, profile_of, state_at, tier

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MORNING = datetime(2026, 6, 1, 9, tzinfo=UTC)
EVENING = datetime(2026, 6, 1, 18, tzinfo=UTC)

STATES = {"none": None, "unset": State.UNSET, "granted": State.GRANTED, "denied": State.DENIED}

# Rows: what the organization said ("none": the event names no organization). Columns: the user.
# "yes" is stored in detail, "-" is not.
TABLES = {
    "strict": """
             none  unset granted denied
    none     -     -     yes     -
    unset    -     -     -       -
    granted  yes   -     yes     -
    denied   -     -     -       -
    """,
    "organization": """
             none  unset granted denied
    none     -     -     yes     -
    unset    -     -     -       -
    granted  yes   yes   yes     -
    denied   -     -     -       -
    """,
    "notice, shown before the event": """
             none  unset granted denied
    none     yes   yes   yes     -
    unset    yes   yes   yes     -
    granted  yes   yes   yes     -
    denied   -     -     -       -
    """,
    "notice, shown after the event": """
             none  unset granted denied
    none     -     -     yes     -
    unset    -     -     -       -
    granted  yes   yes   yes     -
    denied   -     -     -       -
    """,
    "notice, never shown": """
             none  unset granted denied
    none     -     -     yes     -
    unset    -     -     -       -
    granted  yes   yes   yes     -
    denied   -     -     -       -
    """,
}
NOTICE = {
    "notice, shown before the event": MORNING,
    "notice, shown after the event": EVENING,
}


def rows_of_the_tables():
    for name, table in TABLES.items():
        head, *lines = table.strip().splitlines()
        for line in lines:
            organization, *answers = line.split()
            for user, answer in zip(head.split(), answers, strict=True):
                yield name, organization, user, answer == "yes"


CASES = list(rows_of_the_tables())


def ask(name, organization, user, **more):
    return tier(
        profile=Profile(name.split(",")[0]),
        organization=STATES[organization],
        user=STATES[user],
        at=NOON,
        notice_since=NOTICE.get(name),
        **more,
    )


def test_the_tables_are_complete():
    assert len(CASES) == len(set(CASES)) == len(TABLES) * 4 * 4


@pytest.mark.parametrize(("name", "organization", "user", "stored"), CASES)
def test_detailed_events(name, organization, user, stored):
    assert ask(name, organization, user) == (Tier.DETAILED if stored else Tier.BASE)


@pytest.mark.parametrize(("name", "organization", "user", "stored"), CASES)
def test_a_signal_ends_everything(name, organization, user, stored):
    for detailed_on, base_on in product((True, False), repeat=2):
        answer = ask(name, organization, user, signal=True, detailed_on=detailed_on, base_on=base_on)
        assert answer == Tier.NOTHING


@pytest.mark.parametrize(("name", "organization", "user", "stored"), CASES)
def test_the_instance_switches(name, organization, user, stored):
    assert ask(name, organization, user, detailed_on=False) == Tier.BASE
    assert ask(name, organization, user, detailed_on=False, base_on=False) == Tier.NOTHING
    assert ask(name, organization, user, base_on=False) == (Tier.DETAILED if stored else Tier.NOTHING)


@pytest.mark.parametrize("cloud", Profile)
@pytest.mark.parametrize("self_hosted", Profile)
def test_an_unregistered_organization_gets_the_stricter_profile(cloud, self_hosted):
    switches = Switches(detailed=True, base=True, cloud=cloud, self_hosted=self_hosted, notice_since=None)
    order = [Profile.STRICT, Profile.ORGANIZATION, Profile.NOTICE]
    stricter = order[min(order.index(cloud), order.index(self_hosted))]
    assert profile_of("cloud", switches) == cloud
    assert profile_of("self-hosted", switches) == self_hosted
    assert profile_of("unknown", switches) == profile_of(None, switches) == stricter


def test_a_grant_holds_from_its_time_on():
    granted = [Period(State.GRANTED, NOON, None)]
    assert state_at(granted, MORNING) == State.UNSET
    assert state_at(granted, NOON) == State.GRANTED
    assert state_at(granted, EVENING) == State.GRANTED


def test_a_withdrawal_reaches_back_and_a_later_grant_does_not_bring_it_back():
    periods = [
        Period(State.GRANTED, MORNING, NOON),
        Period(State.DENIED, NOON, EVENING),
        Period(State.GRANTED, EVENING, None),
    ]
    assert state_at(periods, MORNING) == State.DENIED
    assert state_at(periods, NOON) == State.DENIED
    assert state_at(periods, EVENING) == State.GRANTED


def test_going_back_to_undecided_ends_the_grant():
    periods = [Period(State.GRANTED, MORNING, NOON), Period(State.UNSET, NOON, None)]
    assert state_at(periods, MORNING) == State.GRANTED
    assert state_at(periods, NOON) == State.UNSET
