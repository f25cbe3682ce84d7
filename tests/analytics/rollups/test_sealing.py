"""What is left of a sealed day: counts of enough people, and nobody."""

from datetime import UTC, datetime, timedelta

import pytest

from analytics import partitions
from analytics.models import Group, Member, RolledDay, RollUp
from analytics.rollups import sealing
from analytics.rollups.building import build, marks
from analytics.rollups.packing import unpack
from analytics.rollups.reading import reader as rollups
from analytics.rollups.reading.reader import Segment
from consent.models import State, TelemetryUser
from tests.support.events import activity, ago, at, endpoint, feature, make_partitions, person
from tests.support.rolling import roll_up

pytestmark = pytest.mark.django_db
DAY = datetime(2026, 8, 10, tzinfo=UTC).date()


@pytest.fixture(autouse=True)
def _room(settings):
    settings.SUPPRESS_BELOW = 5
    make_partitions()


def sealed(day=DAY):
    roll_up()
    assert sealing.seal([day]) == 1
    with rollups.reading() as reader:
        return reader.sealed(day, day)[0]


@pytest.mark.parametrize(("number", "count"), [(4, None), (5, 5), (6, 6)])
def test_exactly_as_many_people_as_may_be_shown_are(number, count):
    for user in range(1, number + 1):
        activity(user, DAY)
        feature(user, DAY)
        endpoint(user, DAY)
    day = sealed()
    assert {
        day.active["", name, metric] for name in ("any", "login") for metric in ("dau", "wau", "mau")
    } == {count}
    assert day.active["cloud", "any", "dau"] == count
    assert day.features == {"timer": count}
    with rollups.reading() as reader:
        uses, requests = reader.uses(Segment(), DAY, DAY), reader.requests(Segment(), DAY, DAY)
    assert uses.daily.sum() == requests.requests.sum() == (count or 0)


def test_one_small_part_hides_the_other_parts_and_not_the_total():
    for user in range(1, 8):
        activity(user, DAY)
    activity(8, DAY, deployment_type="self-hosted")
    active = sealed().active
    assert [active[name, "any", "dau"] for name in ("", "cloud", "self-hosted", "unknown")] == [
        8,
        None,
        None,
        0,
    ]


def test_parts_that_are_large_enough_or_empty_are_kept():
    for user in range(1, 6):
        activity(user, DAY)
        activity(user + 10, DAY, deployment_type="self-hosted")
    active = sealed().active
    assert [active[name, "any", "dau"] for name in ("", "cloud", "self-hosted", "unknown")] == [10, 5, 5, 0]


def test_uses_of_people_who_have_all_withdrawn_go():
    for user in range(1, 6):
        feature(user, DAY)
    feature(9, DAY, name="left")
    TelemetryUser.objects.create(pseudonym=person(9), state=State.DENIED)
    sealed()
    with rollups.reading() as reader:
        assert reader.uses(Segment(), DAY, DAY).keys == [("timer", "started")]


def test_sets_of_people_internal_use_and_organizations_go():
    for user in range(1, 7):
        feature(user, DAY)
        feature(user, DAY, name="ours", is_internal=True)
        endpoint(user, DAY, is_internal=True)
    sealed()
    events, people = {"uses", "requests", "latency"}, {"active", "login"}
    assert set(RollUp.objects.filter(day=DAY).values_list("kind", flat=True)) == events | people
    for one in RollUp.objects.filter(day=DAY, kind__in=events):
        _, _, arrays = unpack(bytes(one.content))
        assert not (arrays["group"] % 2).any()
    with rollups.reading() as reader:
        assert reader.uses(Segment(include_internal=True), DAY, DAY).daily.sum() == 6


def test_sealing_twice_does_nothing():
    activity(1, DAY)
    sealed()
    before = RolledDay.objects.get(day=DAY).version
    assert sealing.seal([DAY]) == 0
    assert RolledDay.objects.get(day=DAY).version == before


def test_a_sealed_day_has_another_version_so_that_no_process_goes_on_with_what_it_remembers():
    activity(1, DAY)
    roll_up()
    before = RolledDay.objects.get(day=DAY).version
    sealing.seal([DAY])
    assert RolledDay.objects.get(day=DAY).version != before


@pytest.mark.parametrize(("waiting", "known"), [(3, {person(2)}), (4, {person(1), person(2)})])
def test_while_many_days_wait_to_be_built_nobody_is_forgotten(waiting, known):
    activity(1, DAY)
    activity(2, ago(2))
    roll_up()
    for back in range(1, waiting + 1):
        mark(ago(back))
    sealing.seal([DAY])
    with_first_day = Member.objects.exclude(first_seen_at=None)
    assert set(with_first_day.values_list("user_id", flat=True)) == known


def mark(day):
    from django.db import connections

    with connections["analytics"].cursor() as cursor:
        marks.mark(cursor, at(day, 0), at(day, 24))


def test_somebody_seen_lately_in_one_group_is_known_in_all():
    activity(1, DAY, organization_id=person(901))
    activity(1, ago(2), organization_id=person(902))
    roll_up()
    sealing.seal([DAY])
    assert Member.objects.filter(user_id=person(1)).count() == 2
    with rollups.reading() as reader:
        assert reader.firsts(Segment()).day.tolist() == [DAY.toordinal()]


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [("UTC", 1, 31), ("Asia/Tokyo", 1, 32), ("America/New_York", 0, 31)],
)
def test_the_days_that_a_month_touches(settings, zone, first, last):
    settings.REPORT_TIME_ZONE = zone
    days = sealing.days_touching(partitions.Month(2026, 8))
    start = datetime(2026, 7, 31, tzinfo=UTC).date()
    assert (days[0], days[-1]) == (start + timedelta(days=first), start + timedelta(days=last))


# --- Members ---------------------------------------------------------------------------------------
def test_first_times_move_back_and_never_forth():
    for back, first in ((5, 5), (9, 9), (2, 9)):
        activity(1, ago(back))
        build.build_day(ago(back))
        assert Member.objects.get().first_seen_at == at(ago(first))


def test_a_person_has_the_number_of_the_first_member_and_nobody_has_none():
    activity(1, ago(3), organization_id=person(901))
    build.build_day(ago(3))
    activity(1, ago(2), organization_id=person(902))
    feature("anon:" + "0" * 27, ago(2))
    build.build_day(ago(2))
    first, *others = Member.objects.order_by("id").values_list("id", "user_id", "person")
    assert {(user, one) for _, user, one in others} == {(person(1), first[0]), ("", 0)}
    assert first == (first[0], person(1), first[0])
    assert Group.objects.count() == 3


def test_sign_ins_before_and_after_the_first_are_known_in_any_order():
    for hours in ((9, 15), (12,), (8,)):
        for hour in hours:
            activity(1, at(ago(3), hour))
        build.build_day(ago(3))
    member = Member.objects.get()
    assert (member.first_login_at, member.next_login_at) == (at(ago(3), 8), at(ago(3), 9))


def test_an_event_on_the_border_of_two_days_is_of_the_later_one():
    activity(1, at(ago(3), 0))
    activity(2, at(ago(3), 24) - timedelta(microseconds=1))
    activity(3, at(ago(3), 24))
    assert [build.build_day(ago(back)) for back in (4, 3, 2)] == [0, 2, 1]


def test_a_sealed_day_is_not_built_and_its_marks_are_forgotten():
    activity(1, DAY)
    sealed()
    activity(2, DAY)
    mark(DAY)
    assert (build.build_day(DAY), marks.marked_days()) == (None, [])
    assert RolledDay.objects.get(day=DAY).events == 1
