"""Presence, people and sessions as sets of numbers, without a database."""

from datetime import date, timedelta

import numpy as np
import pytest

from analytics.rollups.layout import DEPLOYMENT_TYPES
from analytics.rollups.numbers import NEVER
from analytics.rollups.reading.cache import ENTRY_BYTES, RollUpCache
from analytics.rollups.reading.directory import GroupColumns, MemberColumns, NameNumbers
from analytics.rollups.reading.named_sets import NamedSets, arranged, by_first_part
from analytics.rollups.reading.people import People
from analytics.rollups.reading.presence import Presence, to_words
from analytics.rollups.reading.segments import Crowd, Crowds, Segment
from analytics.rollups.reading.sessions import SessionFigures

FIRST = date(2026, 3, 1)
DAYS = [FIRST + timedelta(days=back) for back in range(4)]
# Persons 1 and 2; member 3 is person 1 in another group. Member 0 is nobody.
MEMBERS = MemberColumns(
    version=1,
    person=np.array([0, 1, 2, 1]),
    group=np.array([0, 1, 1, 2]),
    is_known=np.array([False, True, True, True]),
    first_us=np.array([NEVER, 0, 86_400_000_000 - 1, 86_400_000_000]),
    login_us=np.full(4, NEVER),
    next_login_us=np.full(4, NEVER),
)
GROUPS = GroupColumns(
    version=1,
    organization=np.array([None, "acme", "bolt"], dtype=object),
    deployment=np.array([0, 0, 1]),
    is_internal=np.array([False, False, True]),
)


def crowd(counts=(False, True, True, True), left=(False,) * 4):
    flags = np.array(counts)
    return Crowd(MEMBERS.person, flags, flags & ~MEMBERS.is_other, np.array(left))


def seen(*days):
    return Presence(FIRST, np.array([to_words(np.array(day, dtype=np.int64), 2) for day in days]))


def test_people_are_counted_once_in_a_window_that_ends_on_the_day():
    presence = seen([1, 100], [1], [2], [])
    assert presence.daily().tolist() == [2, 1, 1, 0]
    windows = presence.windows([1, 2, 3, 4], DAYS[0], DAYS[3])
    assert {width: counts.tolist() for width, counts in windows.items()} == {
        1: [2, 1, 1, 0],
        2: [2, 2, 2, 1],
        3: [2, 2, 3, 2],
        4: [2, 2, 3, 3],
    }


def test_days_outside_have_nobody():
    presence = seen([1], [2])
    before, after = FIRST - timedelta(days=1), FIRST + timedelta(days=2)
    assert presence.windows([1], before, after)[1].tolist() == [0, 1, 1, 0]
    assert [presence.distinct(*span) for span in ((before, FIRST), (FIRST, after), (after, after))] == [
        1,
        2,
        0,
    ]


def people(*days, rows=None, who=None, sets=None):
    """People of several days; each day gives names with their members."""
    rows, arrangements = rows or NameNumbers(), {}
    for day, names in zip(DAYS, days, strict=False):
        members = [np.array(own, dtype=np.int64) for own in names.values()]
        starts = np.cumsum([0, *map(len, members)])
        one = NamedSets(list(names), starts, np.concatenate(members))
        arrangements[day] = arranged(one, rows, MEMBERS, MEMBERS.width, everybody=True)
    return People(DAYS[: len(days)], arrangements, rows, who or crowd(), MEMBERS.width)


def test_members_of_one_person_are_one_person():
    found = people({"a": [1, 3], "b": [3]}, {"a": [3], "b": [2]})
    assert (found.keys, found.daily().tolist()) == (["a", "b"], [[1, 1], [1, 1]])
    (span,) = found.spans((DAYS[0], DAYS[1]))
    assert (span.distinct.tolist(), span.repeated.tolist(), span.together) == ([1, 2], [1, 0], 2)
    assert found.daily_together().tolist() == [1, 2]


def test_spans_that_begin_on_one_day_are_each_their_own():
    found = people({"a": [1]}, {"a": [2]}, {"a": [1]})
    spans = [(DAYS[0], DAYS[0]), (DAYS[0], DAYS[2]), (DAYS[1], DAYS[2]), (DAYS[0], DAYS[1])]
    assert [span.distinct.tolist() for span in found.spans(*spans)] == [[1], [2], [2], [2]]
    assert [span.repeated.tolist() for span in found.spans(*spans)] == [[0], [1], [0], [0]]


def test_a_name_is_deserted_where_all_of_its_people_have_withdrawn():
    who = crowd(counts=(False, False, True, False), left=(False, True, False, True))
    found = people({"a": [1], "b": [1, 2]}, {"b": [2]}, who=who)
    assert found.daily().tolist() == [[0, 0], [1, 1]]
    assert found.daily_deserted().tolist() == [[True, False], [False, False]]
    (span,) = found.spans((DAYS[0], DAYS[1]))
    assert (span.deserted.tolist(), span.all_deserted) == ([True, False], False)


def test_the_first_part_of_names_counts_people_once():
    both = NamedSets([("a", "x"), ("a", "y"), ("b", "x")], np.array([0, 2, 3, 4]), np.array([1, 2, 2, 1]))
    joined = by_first_part(both)
    assert (joined.keys, joined.starts.tolist(), joined.members.tolist()) == (
        ["a", "b"],
        [0, 2, 3],
        [1, 2, 1],
    )


def test_report_days_of_instants():
    assert MEMBERS.first_days(MEMBERS.first_us).tolist() == [NEVER, 719_163, 719_163, 719_164]
    assert MEMBERS.is_other.tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    ("segment", "groups", "counts"),
    [
        (Segment(), [False, True, False], [False, True, True, False]),
        (Segment(include_internal=True), [False, True, True], [False, True, True, True]),
        (Segment(deployment="self-hosted"), [False, False, False], [False] * 4),
        (Segment("self-hosted", "", True), [False, False, True], [False, False, False, True]),
        (Segment(organization="acme"), [False, True, False], [False, True, True, False]),
    ],
)
def test_a_segment_is_of_groups_and_their_members(segment, groups, counts):
    assert segment.groups(GROUPS).tolist() == groups
    assert (
        Crowds(MEMBERS, GROUPS, np.zeros(4, dtype=np.bool_), frozenset()).of(segment).counts.tolist()
        == counts
    )


def test_who_has_withdrawn_does_not_count_but_is_known_to_have_left():
    one = Crowds(MEMBERS, GROUPS, np.array([False, True, False, False]), frozenset()).of(Segment())
    assert (one.counts.tolist(), one.left.tolist()) == (
        [False, False, True, False],
        [False, True, False, False],
    )


def test_a_segments_cells():
    assert Segment().cells().tolist() == [True, False] * 3
    for place, name in enumerate(DEPLOYMENT_TYPES):
        inside = np.flatnonzero(Segment(deployment=name, include_internal=True).cells())
        assert inside.tolist() == [2 * place, 2 * place + 1]


def sessions(*parts, who=None):
    """Sessions made of parts (session, member, begin in seconds, length in seconds)."""
    columns = np.array(parts, dtype=np.int64).reshape(-1, 4).T
    return SessionFigures.of(who or crowd(), [], [columns * np.array([[1], [1], [10**6], [10**6]])])


def test_a_session_is_as_long_as_its_parts_reach():
    assert sessions((7, 1, 0, 10), (7, 3, 90, 10), (8, 2, 5, 4))[:3] == (2, 2, 52.0)
    assert sessions((7, 1, 90, 10), (7, 1, 0, 10))[:3] == (1, 1, 100.0)
    assert sessions() == (0, 0, None, 0, 0)
    assert sessions((7, 1, 0, 10), who=crowd(counts=(False,) * 4)).sessions == 0


def test_sessions_that_share_low_bits_are_two():
    far = 7 + (1 << 20)
    assert sessions((7, 1, 0, 10), (7, 1, 20, 10), (far, 2, 0, 4)).sessions == 2


def test_sign_ins_are_counted_of_those_who_count():
    logins = NamedSets([""], np.array([0, 3]), np.array([1, 2, 3]), np.array([2, 5, 1]))
    figures = SessionFigures.of(crowd(counts=(False, True, False, True)), [logins, logins], [])
    assert (figures.sign_ins, figures.signed_in) == (6, 1)


# --- The cache ---------------------------------------------------------------------------------------
def test_contents_are_fetched_once_for_each_version():
    cache, asked = RollUpCache(), []

    def contents(kind="active", **versions):
        def fetch(days):
            asked.append([day.day for day in days])
            return {day: f"{kind} {day.day}" for day in days if day.day != 3}

        days = {date(2026, 3, int(name[1:])): version for name, version in versions.items()}
        return list(cache.contents(days, kind, fetch, len).values())

    assert contents(d1=1, d2=1, d3=1) == ["active 1", "active 2"]
    assert contents(d1=1, d2=1, d3=1) == ["active 1", "active 2"]
    assert contents(d1=2, d2=1) == ["active 2", "active 1"]
    assert contents("login", d1=2) == ["login 1"]
    assert asked == [[1, 2, 3], [1], [1]]


def test_the_least_recently_used_contents_go_first(monkeypatch):
    monkeypatch.setattr("analytics.rollups.reading.cache.MOST_BYTES", 2 * (ENTRY_BYTES + 10))
    cache, asked = RollUpCache(), []

    def read(day):
        cache.contents(
            {day: 1}, "x", lambda days: asked.append(day.day) or dict.fromkeys(days, "."), lambda _: 10
        )

    for day in (0, 1, 0, 2, 0, 1):
        read(DAYS[day])
    assert asked == [1, 2, 3, 2]
