"""Building: marks, late events, erasure, sealing, and what a kill leaves behind."""

import itertools
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connections
from django.utils import timezone
from pyroaring import BitMap

from analytics import partitions
from analytics.erasure import run as erasure
from analytics.jobs import runs
from analytics.models import Group, Mark, Member, RolledDay, RollUp
from analytics.rollups import sealing, zone_change
from analytics.rollups.building import build, marks
from analytics.rollups.packing import unpack
from analytics.rollups.reading import reader as rollups
from analytics.rollups.reading.reader import Segment
from consent.decisions.tombstones import ask_for_erasure
from consent.models import Method, SubjectKind
from tests.support.events import TODAY, activity, ago, at, crowd, endpoint, feature, make_partitions, person
from tests.support.failing import refusing
from tests.support.rolling import roll_up

pytestmark = pytest.mark.django_db
JANE, JOHN, ACME, BOLT = (f"{number:08x}" * 4 for number in (0x1A2B3C4D, 0x2B3C4D5E, 0x3C4D5E6F, 0x4D5E6F70))


@pytest.fixture(autouse=True)
def _room():
    make_partitions()


def mark(day):
    with connections["analytics"].cursor() as cursor:
        marks.mark(cursor, at(day, 0), at(day, 24))


def active_on(day, segment=None):
    with rollups.reading() as reader:
        return reader.presence(segment or Segment(), day, day).distinct(day, day)


def state():
    """All that was built, except versions and times of building."""
    days = RolledDay.objects.values_list("day", "state", "zone", "events", "people")
    return sorted(days), sorted(RollUp.objects.values_list("day", "kind", "content"))


def test_a_day_is_built_when_it_is_marked_and_late_events_count():
    feature(1, ago(3))
    mark(ago(3))
    assert build.roll_up().days == 1
    assert (active_on(ago(3)), Mark.objects.count()) == (1, 0)
    feature(2, ago(3))
    assert (build.roll_up().days, active_on(ago(3))) == (0, 1)
    mark(ago(3))
    assert (build.roll_up().sentence, active_on(ago(3))) == ("Built 1 days of 2 events.", 2)


def test_building_again_changes_nothing():
    crowd(3, events=150, days=8)
    roll_up()
    before = state()
    build.roll_up(ago(10), TODAY)
    assert [day for day in state()[0] if day[3]] == before[0]
    assert state()[1] == before[1]


def test_the_order_in_which_days_are_built_does_not_matter():
    crowd(4, events=200, days=20)
    days = [ago(back) for back in range(21)]
    found = []
    for order in (days, days[::-1]):
        for day in order:
            build.build_day(day)
        with rollups.reading() as reader:
            firsts = reader.firsts(Segment(), activity="login")
        names = dict(Member.objects.values_list("id", "user_id"))
        columns = (firsts.person, firsts.day, firsts.first_at, firsts.next_at)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        found.append({names[who]: when for who, *when in rows})
    assert found[0]
    assert found[0] == found[1]


def test_large_days_are_read_hour_by_hour_and_come_out_the_same(monkeypatch):
    crowd(6, events=150, days=4)
    roll_up()
    before = state()
    monkeypatch.setattr(build, "AT_ONCE", 0)
    build.roll_up(ago(4), TODAY)
    assert state()[1] == before[1]


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns"]
)
def test_a_mark_belongs_to_one_day_of_any_zone(settings, zone):
    settings.REPORT_TIME_ZONE = zone
    crowd(8, events=40, days=6)
    roll_up()
    before = state()
    for day in RolledDay.objects.all():
        low, high = marks.quarters_of_day(day.day)
        Mark.objects.create(quarter=low)
        Mark.objects.create(quarter=high)
        assert marks.marked_days() == [day.day]
        build.roll_up()
    assert state() == before


def test_another_zone_means_building_anew(settings):
    feature(1, at(ago(3), 23.5))
    roll_up()
    settings.REPORT_TIME_ZONE = "Europe/Berlin"
    assert "made for UTC; 1 day must be rebuilt for Europe/Berlin" in zone_change.rebuild_needed()
    build.roll_up()
    assert (active_on(ago(3)), active_on(ago(2)), zone_change.rebuild_needed()) == (0, 1, "")


def test_the_job_builds_what_is_due_and_says_so():
    from analytics import tasks

    feature(1, ago(3))
    assert tasks.roll_up() == ""
    mark(ago(3))
    assert tasks.roll_up() == "Built 1 days of 1 events."


def build_with_the_job():
    from analytics import tasks

    tasks.roll_up()


@pytest.mark.parametrize("build_all", [build_with_the_job, lambda: call_command("roll_up")])
def test_a_day_that_fails_keeps_no_other_from_being_built_and_the_run_fails(build_all):
    for back in (2, 3, 4, 5):
        feature(1, ago(back))
        mark(ago(back))
    with refusing("analytics_rollup", f"NEW.day = '{ago(3)}'"), pytest.raises(DatabaseError, match="no room"):
        build_all()
    assert [active_on(ago(back)) for back in (2, 3, 4, 5)] == [1, 0, 1, 1]
    assert marks.marked_days() == [ago(3)]
    build.roll_up()
    assert (active_on(ago(3)), Mark.objects.count()) == (1, 0)


def test_of_several_days_that_fail_the_job_says_how_many():
    for back in (2, 3, 4):
        feature(1, ago(back))
        mark(ago(back))
    with refusing("analytics_rollup", f"NEW.day < '{ago(2)}'"), pytest.raises(ExceptionGroup):
        build_with_the_job()
    run = runs.latest_runs()["roll-ups"]
    assert (run.outcome, active_on(ago(2))) == ("failed", 1)
    assert run.summary.startswith("ExceptionGroup: 2 failed, first ProgrammingError: no room for this one")


def test_the_command_builds_several_days_at_a_time():
    crowd(9, events=100)
    out = StringIO()
    call_command("roll_up", "--from", ago(100).isoformat(), "--to", TODAY.isoformat(), stdout=out)
    assert out.getvalue().startswith("Built 101 days of")


# --- Erasure ---------------------------------------------------------------------------------------
def erase(kind, name):
    ask_for_erasure(kind=kind, pseudonym=name, actor="test", method=Method.API)
    runs.run_job("erasure", erasure.carry_out)


def two_people_in_two_organizations():
    for day, user, organization in itertools.product((ago(3), ago(9)), (JANE, JOHN), (ACME, BOLT)):
        feature(user, day, organization_id=organization)
        activity(user, day, organization_id=organization, session="5e" * 16)
        endpoint(user, day, organization_id=organization)
    endpoint("anon:" + "0" * 27, ago(5), organization_id=ACME)
    roll_up()


def counted(day):
    """A day's people, people of features, sessions, uses and requests."""
    with rollups.reading() as reader:
        return (
            reader.presence(Segment(), day, day).distinct(day, day),
            reader.feature_people(Segment(), day, day).distinct(day, day).tolist(),
            reader.sessions(Segment(), day, day).sessions,
            int(reader.uses(Segment(), day, day).daily.sum()),
            int(reader.requests(Segment(), day, day).requests.sum()),
        )


def test_an_erased_user_leaves_every_set_and_keeps_no_name():
    two_people_in_two_organizations()
    erase(SubjectKind.USER, JANE)
    assert not Member.objects.filter(user_id=JANE).exists()
    assert counted(ago(3)) == (1, [1], 1, 4, 4)  # uses and requests leave with the next build
    build.roll_up()
    assert counted(ago(3)) == counted(ago(9)) == (1, [1], 1, 2, 2)


def test_no_number_of_an_erased_user_is_in_what_is_kept():
    two_people_in_two_organizations()
    gone = BitMap(Member.objects.filter(user_id=JANE).values_list("id", flat=True))
    erase(SubjectKind.USER, JANE)
    for one in RollUp.objects.filter(kind="active"):
        assert not BitMap.deserialize(unpack(bytes(one.content))[1]) & gone


def test_an_erased_organization_leaves_counts_too():
    two_people_in_two_organizations()
    erase(SubjectKind.ORGANIZATION, ACME)
    build.roll_up()
    assert counted(ago(3)) == (2, [2], 2, 2, 2)
    assert counted(ago(5)) == (0, [], 0, 0, 0)
    assert list(Group.objects.exclude(organization_id=None).values_list("organization_id", flat=True)) == [
        BOLT
    ]


def test_who_comes_back_after_an_erasure_is_new_and_the_receipt_says_why_the_name_is_there():
    partitions.ensure_for(timezone.now(), 12)
    feature(JANE, ago(30))
    roll_up()
    request = ask_for_erasure(kind=SubjectKind.USER, pseudonym=JANE, actor="test", method=Method.API)
    later = timezone.now() + timedelta(minutes=5)
    feature(JANE, later, received_at=later)
    roll_up()
    runs.run_job("erasure", erasure.carry_out)
    build.roll_up()
    request.refresh_from_db()
    assert request.receipt["deleted"] == {"analytics_feature_usage": 1, "analytics_member": 1}
    with rollups.reading() as reader:
        assert reader.firsts(Segment()).day.tolist() == [later.date().toordinal()]


# --- Sealing ---------------------------------------------------------------------------------------
def test_a_sealed_day_keeps_large_counts_only_and_is_never_built_again():
    day = datetime(2026, 8, 10, tzinfo=UTC).date()
    for user in range(1, 8):
        feature(user, day)
        endpoint(user, day, ms=100.0)
    for user in (1, 2):
        feature(user, day, name="rare")
        endpoint(user, day, path="/rare")
        feature(user, day, deployment_type="self-hosted", name="timer")
    endpoint("anon:" + "0" * 27, day, path="/anonymous")
    feature(50, day, name="ours", is_internal=True)
    roll_up()
    sealing.seal([day])
    with rollups.reading() as reader:
        (sealed,) = reader.sealed(day, day + timedelta(days=40))
        uses = reader.uses(Segment(include_internal=True), day, day)
        requests = reader.requests(Segment(), day, day)
        by_organization = reader.uses(Segment(organization=person(999)), day, day)
    assert (sealed.active["", "any", "dau"], sealed.active["cloud", "any", "mau"]) == (7, None)
    assert sealed.features == {"timer": 7, "rare": None}
    assert dict(zip(uses.keys, uses.daily[:, 0].tolist(), strict=True)) == {("timer", "started"): 7}
    assert requests.keys == [("/a", "GET"), ("/anonymous", "GET")]
    assert by_organization.daily.sum() == 0
    before = state()
    feature(9, day)
    mark(day)
    assert (build.roll_up().days, Mark.objects.count(), state()) == (0, 0, before)


def test_windows_that_reach_into_a_sealed_month_stay_when_their_own_is_sealed():
    august, september = partitions.Month(2026, 8), partitions.Month(2026, 9)
    for user in range(1, 7):
        activity(user, august.ends_at - timedelta(hours=1))
        activity(user + 100, september.starts_at + timedelta(days=3))
    roll_up()
    third = september.starts_at.date() + timedelta(days=3)
    sealing.seal(sealing.days_touching(august))
    sealing.seal(sealing.days_touching(september))
    with rollups.reading() as reader:
        (day,) = reader.sealed(third, third)
    assert [day.active["", "any", metric] for metric in ("dau", "wau", "mau")] == [6, 12, 12]


def test_somebody_seen_before_stays_known_and_who_is_in_no_day_that_is_left_is_forgotten():
    august = partitions.Month(2026, 8)
    activity(1, august.starts_at)
    activity(2, august.starts_at)
    activity(2, ago(2))
    roll_up()
    sealing.seal(sealing.days_touching(august))
    assert list(Member.objects.exclude(user_id=None).values_list("user_id", flat=True)) == [person(2)]
    with rollups.reading() as reader:
        assert reader.firsts(Segment()).day.tolist() == [august.starts_at.date().toordinal()]


def test_a_day_that_waits_is_built_before_it_is_sealed():
    day = partitions.Month(2026, 8).starts_at.date()
    for user in range(1, 7):
        activity(user, day)
    mark(day)
    sealing.seal([day])
    with rollups.reading() as reader:
        assert reader.sealed(day, day)[0].active["", "login", "dau"] == 6


# --- What is due -----------------------------------------------------------------------------------
def test_after_the_budget_no_further_day_is_begun():
    for back in (2, 3, 4):
        feature(1, ago(back))
        mark(ago(back))
    built = build.roll_up(budget=-1)
    assert (built.days, built.left, built.sentence) == (0, 3, "Built 0 days of 0 events. 3 more to do.")
    assert build.roll_up(budget=60).days == 3


def test_marked_days_come_first_then_days_beside_those_of_another_zone_then_these(settings):
    for back in (5, 6, 9):
        feature(1, ago(back))
    roll_up()
    mark(ago(9))
    settings.REPORT_TIME_ZONE = "Europe/Berlin"
    assert build.due_days() == [ago(back) for back in (8, 9, 4, 7, 10, 5, 6)]


def test_days_of_this_zone_and_sealed_ones_are_not_due():
    feature(1, ago(5))
    roll_up()
    RolledDay.objects.create(day=ago(9), state="sealed", zone="Europe/Berlin", version=1)
    assert build.due_days() == []
