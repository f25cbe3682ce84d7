"""One reader: one snapshot, a time limit, and who has withdrawn."""

import pytest
from django.db import connections

from analytics.models import Member, RollUp
from analytics.reports.catalogue import ACTIVE_USERS, ENDPOINTS, FEATURES
from analytics.rollups.building import build, erasing
from analytics.rollups.reading import reader as rollups
from analytics.rollups.reading import snapshot
from analytics.rollups.reading.cache import cache
from analytics.rollups.reading.reader import Segment
from consent.models import ErasureRequest, Organization, State, SubjectKind, TelemetryUser
from tests.support.events import (
    activity,
    ago,
    endpoint,
    feature,
    filters,
    make_partitions,
    person,
)
from tests.support.rolling import roll_up

DAY = ago(3)


def setting(name):
    with connections["analytics"].cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        return cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
def test_a_report_reads_one_snapshot_and_changes_nothing():
    with rollups.reading() as reader:
        limits = (
            setting("transaction_isolation"),
            setting("transaction_read_only"),
            setting("statement_timeout"),
        )
        with rollups.reading() as inner:
            assert inner is reader
    assert limits == ("repeatable read", "on", "30s")
    assert setting("statement_timeout") == "0"
    with rollups.reading() as another:
        assert another is not reader


@pytest.mark.django_db
def test_within_a_transaction_the_time_limit_ends_with_the_report():
    with rollups.reading():
        assert setting("statement_timeout") == "30s"
    assert setting("statement_timeout") == "0"


@pytest.mark.django_db(transaction=True)
def test_a_report_that_takes_too_long_says_so(monkeypatch):
    monkeypatch.setattr(rollups, "TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(snapshot, "VERSIONS", "SELECT pg_sleep(30), %s::date, %s::date")

    def slow():
        with rollups.reading() as reader:
            reader.presence(Segment(), DAY, DAY)

    monkeypatch.setattr(rollups, "TIMEOUT_SECONDS", 1)
    with pytest.raises(rollups.ReportTimedOut, match="longer than 1 seconds"):
        slow()


def active(segment=None):
    with rollups.reading() as reader:
        return reader.presence(segment or Segment(), DAY, DAY).distinct(DAY, DAY)


@pytest.fixture
def two_people():
    make_partitions()
    for user, organization in ((1, 901), (2, 902)):
        for make in (activity, feature, endpoint):
            make(user, DAY, organization_id=person(organization))
    roll_up()


@pytest.mark.django_db
def test_withdrawals_count_from_the_next_report_on(two_people):
    assert active() == 2
    user = TelemetryUser.objects.create(pseudonym=person(1), state=State.DENIED)
    assert active() == 1
    user.delete()
    assert active() == 2
    TelemetryUser.objects.create(pseudonym=person(1), state=State.GRANTED)
    Organization.objects.create(pseudonym=person(902), state=State.DENIED)
    assert (active(), active(Segment(organization=person(902)))) == (1, 0)


@pytest.mark.django_db
def test_a_built_day_is_read_anew_and_new_members_are_known(two_people):
    assert active() == 2
    activity(3, DAY, organization_id=person(903))
    assert active() == 2
    build.build_day(DAY)
    assert (active(), active(Segment(organization=person(903)))) == (3, 1)


@pytest.mark.django_db
def test_one_organizations_uses_are_found_among_those_of_others(two_people):
    with rollups.reading() as reader:
        mine, all_of_them = (
            (int(reader.uses(one, DAY, DAY).daily.sum()), int(reader.requests(one, DAY, DAY).requests.sum()))
            for one in (Segment(organization=person(901)), Segment())
        )
    assert (mine, all_of_them) == ((1, 1), (2, 2))


@pytest.mark.django_db
def test_an_erased_user_is_out_of_every_content_and_others_stay(two_people):
    versions = dict(Member.objects.values_list("id", "version"))
    request = ErasureRequest(kind=SubjectKind.USER, pseudonym=person(1))
    assert erasing.is_left(
        ErasureRequest(kind=SubjectKind.USER, pseudonym=person(1), until=activity(1).timestamp)
    )
    assert erasing.erase(request) == {"analytics_member": 1}
    assert active() == 1
    with rollups.reading() as reader:
        assert reader.feature_people(Segment(), DAY, DAY).distinct(DAY, DAY).tolist() == [1]
        assert reader.endpoint_people(Segment(), DAY, DAY).distinct(DAY, DAY).tolist() == [1]
        assert reader.sessions(Segment(), DAY, DAY).sign_ins == 1
    (gone,) = Member.objects.filter(user_id=None)
    assert (gone.hash, gone.first_seen_at, gone.first_login_at) == (None, None, None)
    assert gone.version > versions[gone.pk]
    assert erasing.erase(request) == {}
    assert not erasing.is_left(request)
    assert RollUp.objects.filter(day=DAY, kind="active").count() == 1


@pytest.mark.django_db
def test_an_organizations_name_is_left_until_its_rows_or_its_group_are_gone(two_people):
    request = ErasureRequest(kind=SubjectKind.ORGANIZATION, pseudonym=person(901))
    assert not erasing.is_left(request)  # rows that are newer keep the name
    for table in ("activity", "feature", "endpoint"):
        name = {"activity": "user_activity", "feature": "feature_usage", "endpoint": "endpoint_usage"}[table]
        with connections["analytics"].cursor() as cursor:
            assert not erasing.is_left(request)
            cursor.execute(f"DELETE FROM analytics_{name} WHERE organization_id = %s", [person(901)])
    assert erasing.is_left(request)
    assert erasing.erase(request) == {"analytics_member": 1, "analytics_group": 1}
    assert not erasing.is_left(request)


@pytest.mark.django_db
def test_what_is_remembered_of_who_counted_before_a_withdrawal_makes_room():
    make_partitions()
    for user in range(1, 20):
        values = {"event_metadata": {"app": "web" if user < 12 else "till"}}
        activity(user, DAY, **values)
        feature(user, DAY, **values)
        endpoint(user, DAY, **values)
    roll_up()

    def remembered():
        for asked in ({}, {"app": "web"}):
            for report in (ACTIVE_USERS, FEATURES, ENDPOINTS):
                report.shown(filters(**asked))
        return cache()._contents.keys()

    before = {*remembered()}
    TelemetryUser.objects.create(pseudonym=person(1), state=State.DENIED)
    assert {*remembered()} - before == set()
