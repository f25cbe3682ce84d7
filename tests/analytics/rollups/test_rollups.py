"""Roll-ups give the same answers as counting events one by one, under every filter."""

import itertools
from collections import defaultdict
from datetime import timedelta

import numpy as np
import pytest

from analytics.rollups.reading import reader as rollups
from analytics.rollups.reading.reader import Segment
from consent.models import Organization, State, TelemetryUser
from tests.support.events import TODAY, activity, ago, at, crowd, endpoint, feature, make_partitions, person
from tests.support.rolling import roll_up

pytestmark = pytest.mark.django_db
FIRST, LAST = ago(60), ago(3)
SEGMENTS = [
    Segment(deployment, organization, internal)
    for deployment, organization, internal in itertools.product(
        ("", "cloud", "self-hosted", "unknown"), ("", person(901)), (False, True)
    )
]


@pytest.fixture
def events():
    make_partitions()
    made = crowd(5, people=30, events=700)
    TelemetryUser.objects.create(pseudonym=person(3), state=State.DENIED)
    roll_up()
    return made


def chosen(events, segment, *, first=FIRST, last=LAST, people=True):
    """The events of `crowd` that count: as (table, user, day, what)."""
    for table, user, moment, deployment, organization, internal, what in events:
        if people and (not isinstance(user, int) or user == 3):
            continue
        if segment.deployment not in ("", deployment) or segment.organization not in ("", organization):
            continue
        if (internal and not segment.include_internal) or not first <= moment.date() <= last:
            continue
        yield table, user, moment.date(), what


@pytest.mark.parametrize("activity", ["any", "login"])
def test_who_was_there(events, activity):
    with rollups.reading() as reader:
        for segment in SEGMENTS:
            on = defaultdict(set)
            for _, user, day, what in chosen(events, segment, first=ago(400)):
                if activity == "any" or what == "login":
                    on[day].add(user)
            seen = reader.presence(segment, ago(100), LAST, activity=activity)
            days = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
            counts = seen.windows([1, 7, 28], FIRST, LAST)
            for width in (1, 7, 28):
                assert counts[width].tolist() == [
                    len(set().union(*(on[day - timedelta(days=back)] for back in range(width))))
                    for day in days
                ]
            assert seen.distinct(FIRST, LAST) == len(set().union(*(on[day] for day in days)))


def test_who_did_what(events):
    asked = {"feature": "feature_people", "endpoint": "endpoint_people"}
    with rollups.reading() as reader:
        for segment, (table, name) in itertools.product(SEGMENTS, asked.items()):
            on = defaultdict(lambda: defaultdict(set))
            for own, user, day, what in chosen(events, segment):
                if own == table:
                    on[(what, "GET") if table == "endpoint" else what][user].add(day)
            found = getattr(reader, name)(segment, FIRST, LAST)
            assert {
                key for key, some in zip(found.keys, found.distinct(FIRST, LAST), strict=True) if some
            } == set(on)
            (span,) = found.spans((FIRST, LAST))
            for place, key in enumerate(found.keys):
                assert span.distinct[place] == len(on[key])
                assert span.repeated[place] == sum(len(days) > 1 for days in on[key].values())
                assert found.daily()[place].sum() == sum(len(days) for days in on[key].values())
            if table == "endpoint":
                assert span.together == len({user for users in on.values() for user in users})


def test_how_often(events):
    with rollups.reading() as reader:
        for segment in SEGMENTS:
            uses = defaultdict(int)
            for table, _, day, what in chosen(events, segment, people=False):
                uses[table, what, day] += 1
            found = reader.uses(segment, FIRST, LAST)
            asked = reader.requests(segment, FIRST, LAST)
            for column, day in enumerate(found.days):
                for place, (name, _) in enumerate(found.keys):
                    assert found.daily[place, column] == uses["feature", name, day]
                for place, (name, _) in enumerate(asked.keys):
                    assert asked.requests[place, column] == uses["endpoint", name, day]
            assert found.daily.sum() + asked.requests.sum() == sum(
                count for (table, *_), count in uses.items() if table != "activity"
            )


def test_the_first_day_is_the_first_one_anywhere(events):
    with rollups.reading() as reader:
        for segment, is_login in itertools.product(SEGMENTS, (False, True)):
            first, inside = {}, defaultdict(set)
            anywhere = Segment(include_internal=segment.include_internal)
            for _, user, day, what in chosen(events, anywhere, first=ago(400), last=TODAY):
                if not is_login or what == "login":
                    first[user] = min(first.get(user, day), day)
            for _, user, day, what in chosen(events, segment, first=ago(400), last=TODAY):
                if not is_login or what == "login":
                    inside[user].add(day)
            found = reader.firsts(segment, activity="login" if is_login else "any")
            assert sorted(found.day.tolist()) == sorted(
                day.toordinal() for user, day in first.items() if day in inside[user]
            )


def test_first_and_next_sign_ins_are_known_to_the_instant():
    make_partitions()
    start = at(ago(20), 9)
    for user, hours, organization in (
        (1, (0, 168), 901),
        (2, (0, 0), 901),
        (3, (1, 24), 902),
        (3, (0,), 901),
    ):
        for hour in hours:
            activity(user, start + timedelta(hours=hour), organization_id=person(organization))
    roll_up()
    with rollups.reading() as reader:
        found = {segment: reader.firsts(Segment(organization=segment), activity="login")
                 for segment in ("", person(901), person(902))}  # fmt: skip

    def hours(segment):
        return sorted(
            ((later - first) / 3.6e9 if later else 0.0, inside)
            for first, later, inside in zip(
                found[segment].first_at, found[segment].next_at, found[segment].first_inside, strict=True
            )
        )

    assert hours("") == [(0.0, True), (1.0, True), (168.0, True)]
    assert hours(person(901)) == [(0.0, True), (0.0, True), (168.0, True)]
    assert hours(person(902)) == [(1.0, False)]


def test_durations_are_within_one_per_cent_and_heat_is_exact():
    make_partitions()
    chance = np.random.default_rng(7)
    edges = [0.0, 5e-324, 9.999999999999998, 10.0, 19.999999999999996, 20.0, 10239.999999999998, 10240.0, 1e6]
    durations = [*np.exp(chance.normal(4, 3, 400)).tolist(), *edges, None, None]
    for number, ms in enumerate(durations):
        endpoint(number % 9, ago(number % 5), ms=ms, status=(200, 404, 500, None)[number % 4])
    roll_up()
    known = np.array([ms for ms in durations if ms is not None])
    with rollups.reading() as reader:
        found = reader.requests(Segment(), ago(6), TODAY)
    shares = [0.0, 0.01, 0.5, 0.95, 0.99, 1.0]
    expected = np.quantile(known, shares)
    ((by_key, together),) = found.spans(shares, (ago(6), TODAY))
    for one in (by_key[0], together):
        np.testing.assert_allclose(one, expected, rtol=0.01, atol=1e-15)
    for column, day in enumerate(found.days):
        own = [ms for number, ms in enumerate(durations) if ms is not None and ago(number % 5) == day]
        daily = (
            found.daily_percentiles([0.5, 0.95])[0, column],
            found.daily_percentiles_together([0.5, 0.95])[column],
        )
        for one in daily:
            if own:
                np.testing.assert_allclose(one, np.quantile(own, [0.5, 0.95]), rtol=0.01, atol=1e-15)
            else:
                assert np.isnan(one).all()
    coarse = np.searchsorted([10 * 2**k for k in range(11)], known, side="right")
    assert found.heat(ago(6), TODAY).sum(axis=(0, 1)).tolist() == np.bincount(coarse, minlength=12).tolist()
    assert (found.requests.sum(), found.known.sum()) == (len(durations), len(known))
    np.testing.assert_allclose(found.duration_ms.sum(), known.sum())
    statuses = [200, 404, 500, None]
    assert found.errors.sum() == sum(statuses[number % 4] == 500 for number in range(len(durations)))
    assert found.statuses(ago(6), TODAY) == [
        {
            name: sum(statuses[number % 4] == status for number in range(len(durations)))
            for name, status in (("none", None), ("2xx", 200), ("4xx", 404), ("5xx", 500))
        }
    ]


def test_a_session_over_midnight_is_one_session():
    make_partitions()
    for user, session, hours in (
        (1, "a", (23, 25)),
        (1, "b", (10, 11)),
        (2, "c", (23, 23.5)),
        (3, "a", (1, 2)),
    ):
        for hour in hours:
            activity(user, at(ago(9), hour), session=session * 32, event_type="session_start")
    activity(2, ago(9))
    roll_up()
    with rollups.reading() as reader:
        assert reader.sessions(Segment(), ago(9), TODAY) == (3, 4, 3600.0, 1, 1)
        assert reader.sessions(Segment(), ago(8), TODAY) == (1, 1, 0.0, 0, 0)
        assert reader.sessions(Segment(deployment="unknown"), ago(9), TODAY) == (0, 0, None, 0, 0)


def test_pages_count_views_of_people():
    make_partitions()
    for user, path in ((1, "/a"), (1, "/a"), (2, "/a"), (2, "/b"), ("anon:" + "0" * 27, "/b")):
        feature(user, ago(2), name="page_view", event_metadata={"page.path": path})
    feature(4, ago(2), name="page_view")
    feature(4, ago(2), name="other", event_metadata={"page.path": "/c"})
    roll_up()
    with rollups.reading() as reader:
        pages = reader.page_people(Segment(), ago(5), TODAY)
    assert pages.keys == ["/a", "/b"]
    assert pages.events(ago(5), TODAY).tolist() == [3, 1]
    assert pages.distinct(ago(5), TODAY).tolist() == [2, 1]


def test_an_organization_that_withdraws_takes_its_members_out_of_every_set(events):
    with rollups.reading() as reader:
        before = reader.presence(Segment(organization=person(901)), FIRST, LAST).distinct(FIRST, LAST)
    Organization.objects.create(pseudonym=person(901), state=State.DENIED)
    with rollups.reading() as reader:
        assert before
        assert reader.presence(Segment(organization=person(901)), FIRST, LAST).distinct(FIRST, LAST) == 0
        assert reader.uses(Segment(organization=person(901)), FIRST, LAST).daily.sum() > 0
