"""The rules' truth table: whose events may be stored in detail, for every combination.

The effective tier is the most restrictive of the signal, the instance's switches, the organization
and the user. The tables say what follows from the last two, for each profile.
"""

from datetime import UTC, datetime, time, timedelta
from itertools import product

import pytest
from django.conf import LazySettings

from consent.gate.permissions import Permissions, Registered
from consent.gate.rules import (
    Profile,
    StatePeriod,
    Switches,
    Tier,
    notice_in_force,
    profile_of,
    states_at,
    tier,
    with_stale,
)
from consent.models import State

DAY = datetime(2026, 6, 1, tzinfo=UTC)
NOON = DAY + timedelta(hours=12)
MORNING = DAY + timedelta(hours=9)
EVENING = DAY + timedelta(hours=18)

STATES = {"none": None} | {state.value: state for state in State}

# Rows: what the organization said ("none": the event names no organization). Columns: the user.
# "yes" is stored in detail, "-" is not. "stale": opted in, before a material change of the policy.
TABLES = {
    "strict": """
             none  unset granted denied stale
    none     -     -     yes     -      -
    unset    -     -     -       -      -
    granted  yes   -     yes     -      -
    denied   -     -     -       -      -
    stale    -     -     -       -      -
    """,
    "organization": """
             none  unset granted denied stale
    none     -     -     yes     -      -
    unset    -     -     -       -      -
    granted  yes   yes   yes     -      -
    denied   -     -     -       -      -
    stale    -     -     -       -      -
    """,
    "notice, shown before the event": """
             none  unset granted denied stale
    none     yes   yes   yes     -      -
    unset    yes   yes   yes     -      -
    granted  yes   yes   yes     -      -
    denied   -     -     -       -      -
    stale    -     -     -       -      -
    """,
    "notice, shown after the event": """
             none  unset granted denied stale
    none     -     -     yes     -      -
    unset    -     -     -       -      -
    granted  yes   yes   yes     -      -
    denied   -     -     -       -      -
    stale    -     -     -       -      -
    """,
    "notice, never shown": """
             none  unset granted denied stale
    none     -     -     yes     -      -
    unset    -     -     -       -      -
    granted  yes   yes   yes     -      -
    denied   -     -     -       -      -
    stale    -     -     -       -      -
    """,
    "notice, shown before a material change": """
             none  unset granted denied stale
    none     -     -     yes     -      -
    unset    -     -     -       -      -
    granted  yes   yes   yes     -      -
    denied   -     -     -       -      -
    stale    -     -     -       -      -
    """,
    "notice, shown again after a material change": """
             none  unset granted denied stale
    none     yes   yes   yes     -      -
    unset    yes   yes   yes     -      -
    granted  yes   yes   yes     -      -
    denied   -     -     -       -      -
    stale    -     -     -       -      -
    """,
}
# When the notice was shown, and when a material change of the policy was published.
NOTICE: dict[str, tuple[datetime | None, datetime | None]] = {
    "notice, shown before the event": (MORNING, None),
    "notice, shown after the event": (EVENING, None),
    "notice, shown before a material change": (MORNING, MORNING + timedelta(hours=1)),
    "notice, shown again after a material change": (MORNING, MORNING - timedelta(hours=1)),
}

# What somebody's decisions say about an event dated at these hours, whenever it arrives. A withdrawal
# reaches back (`unset` after a grant is one), and so does a material change: a later grant admits only later
# events.
HISTORIES = """
                                        08:30    10:30    13:30    16:30
nothing was decided                     unset    unset    unset    unset
12 granted                              unset    unset    granted  granted
09 granted, 15 unset                    denied   denied   denied   unset
09 granted, 12 unset, 15 granted        denied   denied   unset    granted
09 granted, 12 stale, 15 unset          denied   denied   denied   unset
09 unset, 12 granted                    unset    unset    granted  granted
09 unset, 12 denied, 15 unset           denied   denied   denied   unset
09 granted, 12 denied                   denied   denied   denied   denied
09 granted, 12 denied, 15 granted       denied   denied   denied   granted
09 granted, 12 denied, 15 unset         denied   denied   denied   unset
09 granted, 12 stale                    stale    stale    stale    stale
09 granted, 12 stale, 15 granted        stale    stale    stale    granted
09 granted, 12 stale, 15 denied         stale    stale    denied   denied
09 denied                               denied   denied   denied   denied
"""


def tables() -> dict[str, dict[tuple[str, str], bool]]:
    parsed = {}
    for name, table in TABLES.items():
        head, *lines = table.strip().splitlines()
        answers = {}
        for line in lines:
            organization, *cells = line.split()
            for user, cell in zip(head.split(), cells, strict=True):
                answers[organization, user] = cell == "yes"
        parsed[name] = answers
    return parsed


STORED = tables()
CASES = [(name, *pair, stored) for name, answers in STORED.items() for pair, stored in answers.items()]


def histories() -> tuple[list[datetime], dict[str, list[str]]]:
    head, *lines = HISTORIES.strip().splitlines()
    hours = [datetime.combine(DAY, time.fromisoformat(hour), UTC) for hour in head.split()]
    split = [line.rsplit(maxsplit=len(hours)) for line in lines]
    return hours, {name: states for name, *states in split}


EVENT_TIMES, SAID = histories()


def periods(history: str) -> list[StatePeriod]:
    """`09 granted, 12 denied` as the gate reads it."""
    decided = [entry.split() for entry in history.split(", ") if entry[0].isdigit()]
    begins = [DAY + timedelta(hours=int(hour)) for hour, _ in decided]
    return [
        StatePeriod(State(state), since, until)
        for (_, state), since, until in zip(decided, begins, [*begins, None][1:], strict=True)
    ]


def ask(name: str, organization: str, user: str, **more: bool) -> Tier:
    shown, changed = NOTICE.get(name, (None, None))
    return tier(
        profile=Profile(name.split(",")[0]),
        organization=STATES[organization],
        user=STATES[user],
        at=NOON,
        notice_since=notice_in_force(shown, changed),
        **more,
    )


def test_the_tables_are_complete() -> None:
    assert len(CASES) == len(TABLES) * len(STATES) ** 2
    assert set(SAID["nothing was decided"]) == {"unset"}


@pytest.mark.parametrize(("name", "organization", "user", "stored"), CASES)
def test_detailed_events(name: str, organization: str, user: str, stored: bool) -> None:
    assert ask(name, organization, user) == (Tier.DETAILED if stored else Tier.BASE)


@pytest.mark.parametrize(("name", "organization", "user", "stored"), CASES)
def test_a_signal_ends_everything(name: str, organization: str, user: str, stored: bool) -> None:
    for detailed_on, base_on in product((True, False), repeat=2):
        answer = ask(name, organization, user, signal=True, detailed_on=detailed_on, base_on=base_on)
        assert answer == Tier.NOTHING


@pytest.mark.parametrize(("name", "organization", "user", "stored"), CASES)
def test_the_instance_switches(name: str, organization: str, user: str, stored: bool) -> None:
    assert ask(name, organization, user, detailed_on=False) == Tier.BASE
    assert ask(name, organization, user, detailed_on=False, base_on=False) == Tier.NOTHING
    assert ask(name, organization, user, base_on=False) == (Tier.DETAILED if stored else Tier.NOTHING)


@pytest.mark.parametrize("organization", STATES)
@pytest.mark.parametrize("name", TABLES)
def test_stale_counts_as_denied(name: str, organization: str) -> None:
    assert STORED[name][organization, "stale"] == STORED[name][organization, "denied"] is False
    if organization != "none":
        assert STORED[name]["stale", organization] == STORED[name]["denied", organization] is False


@pytest.mark.parametrize("cloud", Profile)
@pytest.mark.parametrize("self_hosted", Profile)
def test_an_unregistered_organization_gets_the_stricter_profile(cloud: Profile, self_hosted: Profile) -> None:
    switches = Switches(detailed=True, base=True, cloud=cloud, self_hosted=self_hosted, notice_since=None)
    order = [Profile.STRICT, Profile.ORGANIZATION, Profile.NOTICE]
    stricter = order[min(order.index(cloud), order.index(self_hosted))]
    assert profile_of("cloud", switches) == cloud
    assert profile_of("self-hosted", switches) == self_hosted
    assert profile_of("unknown", switches) == profile_of(None, switches) == stricter


REFUSED = {State.STALE: State.DENIED}  # for an event, it does not matter which of the two it is


@pytest.mark.parametrize(
    ("history", "at", "state"),
    [
        (name, at, state)
        for name, states in SAID.items()
        for at, state in zip(EVENT_TIMES, states, strict=True)
    ],
)
def test_the_time_of_the_event_decides(history: str, at: datetime, state: str) -> None:
    (answered,) = states_at(periods(history), [at])
    assert REFUSED.get(answered, answered) == REFUSED.get(state, state)


# A deployment type's profile. Those that are not registered ("unknown", None) get the stricter of the two.
PROFILES = {"cloud": Profile.NOTICE, "self-hosted": Profile.ORGANIZATION}
TABLE_OF = {
    "cloud": "notice",
    "self-hosted": "organization",
    "unknown": "organization",
    None: "organization",
}
NOTICES = {  # the table that holds for an event, by when the notice was shown and the policy was changed
    "never": (None, None, lambda at: "notice, never shown"),
    "09:00": (
        MORNING,
        None,
        lambda at: f"notice, shown {'before' if at >= MORNING else 'after'} the event",
    ),
    "09:00, changed at 12:00": (MORNING, NOON, lambda at: "notice, shown before a material change"),
}
NOW = DAY + timedelta(hours=20)


@pytest.mark.parametrize("notice", NOTICES)
@pytest.mark.parametrize("deployment_type", TABLE_OF, ids=str)
@pytest.mark.parametrize("organization", [*SAID, "none"])
@pytest.mark.parametrize("user", [*SAID, "none"])
def test_all_of_it_together_through_the_gate(
    settings: LazySettings, notice: str, deployment_type: str | None, organization: str, user: str
) -> None:
    """An event is stored if the tables say so both for the time of the event and for today."""
    settings.CONSENT_PROFILE_CLOUD = PROFILES["cloud"]
    settings.CONSENT_PROFILE_SELF_HOSTED = PROFILES["self-hosted"]
    shown, changed, table_at = NOTICES[notice]
    settings.CONSENT_NOTICE_SINCE = shown.isoformat() if shown else ""
    name, person = "b" * 32 if organization != "none" else "", "a" * 32 if user != "none" else ""
    registered = {name: Registered(deployment_type, False, None)} if name and deployment_type else {}
    permissions = Permissions(
        {person: periods(user)} if person else {},
        {name: periods(organization)} if name else {},
        registered,
        NOW,
        material_since=changed,
    )
    profile = TABLE_OF[deployment_type] if name else "organization"

    def stored(at: datetime, place: int) -> bool:
        table = table_at(at) if profile == "notice" else profile
        pair = (SAID[organization][place] if name else "none", SAID[user][place] if person else "none")
        return STORED[table][pair]

    for place, at in enumerate(EVENT_TIMES):
        expected = stored(at, place) and stored(NOW, len(EVENT_TIMES) - 1)
        assert permissions.allows(name, person, at) == expected, at


# --- Edge cases -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("history", "at_hour", "state"),
    [
        ("09 granted", 9, State.GRANTED),
        ("09 granted, 12 unset", 12, State.UNSET),
        ("09 unset, 12 granted", 12, State.GRANTED),
        ("09 denied, 12 granted", 12, State.GRANTED),
        ("09 granted, 12 stale, 15 granted", 15, State.GRANTED),
    ],
)
def test_a_decision_holds_from_its_very_moment(history: str, at_hour: int, state: State) -> None:
    at = DAY + timedelta(hours=at_hour)
    before, then = states_at(periods(history), [at - timedelta(microseconds=1), at])
    assert then == state
    assert before != state


def test_only_the_open_grant_from_before_a_material_change_becomes_stale() -> None:
    granted, denied = periods("09 granted, 12 denied")
    open_grant = StatePeriod(State.GRANTED, NOON, None)
    assert with_stale([granted, denied], EVENING) == [granted, denied]
    assert with_stale([open_grant], NOON) == [open_grant]
    assert with_stale([open_grant], EVENING) == [
        StatePeriod(State.GRANTED, NOON, EVENING),
        StatePeriod(State.STALE, EVENING, None),
    ]


def test_a_notice_counts_from_its_very_moment_and_from_that_of_a_material_change() -> None:
    about = {"profile": Profile.NOTICE, "organization": None, "user": State.UNSET, "notice_since": NOON}
    assert tier(**about, at=NOON) == Tier.DETAILED
    assert tier(**about, at=NOON - timedelta(microseconds=1)) == Tier.BASE
    assert notice_in_force(NOON, NOON) == NOON
    assert notice_in_force(NOON, NOON + timedelta(microseconds=1)) is None
