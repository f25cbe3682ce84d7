"""Windows that reach into a dropped month stay exact: the sets they need live a month longer than rows."""

import uuid
from datetime import UTC, date, datetime

import pytest
from django.db import transaction

from analytics import partitions
from analytics.erasure import run as erasure
from analytics.models import Group, Member, RollUp
from analytics.reports.active_users import active_users_report
from analytics.reports.retention import retention_report
from analytics.reports.sealed_days import last_sealed_day
from analytics.storage import pruning
from consent.decisions.recording import record_decision
from consent.decisions.tombstones import ask_for_erasure
from consent.models import ErasureRequest, Method, State, SubjectKind
from tests.support.events import activity, feature, filters, person
from tests.support.rolling import roll_up

pytestmark = pytest.mark.django_db
TODAY, NOW = date(2025, 11, 25), datetime(2025, 11, 25, 15, tzinfo=UTC)
LATE, EARLY = date(2025, 9, 25), date(2025, 9, 2)
AFTER = date(2025, 10, 3)
USER, CUSTOMER, OTHER = (uuid.uuid5(uuid.NAMESPACE_OID, name).hex for name in ("user", "customer", "other"))


@pytest.fixture(autouse=True)
def _september_is_gone(db, settings):
    """Seven people late in September, of whom the last is of another customer; the first came again."""
    settings.EVENT_RETENTION_MONTHS = 1
    partitions.ensure(partitions.Month(2025, 9), partitions.Month(2025, 12))
    for user in (1, USER, *range(3, 8)):
        activity(user, LATE, organization_id=OTHER if user == 7 else CUSTOMER)
    activity(8, EARLY)
    activity(1, AFTER, organization_id=CUSTOMER)
    roll_up()
    prune(NOW)


def prune(now):
    with transaction.atomic(using="analytics"):
        pruning.prune(now=now)


def windows(day=AFTER, **query):
    """Everybody of the 28 and of the 7 days that end on a day, exact."""
    asked = filters(TODAY, last_sealed_day(), from_="2025-10-01", to="2025-10-31", **query)
    series = active_users_report(asked).series
    return [next(one.total for one in series[metric] if one.day == day) for metric in ("mau", "wau")]


def erase(kind, pseudonym):
    ask_for_erasure(kind=kind, pseudonym=pseudonym, actor="test", method=Method.COMMAND)
    erasure.carry_out()
    return ErasureRequest.objects.get()


def test_windows_that_reach_back_are_as_they_were():
    assert [windows(date(2025, 10, day)) for day in (1, 2, 3, 22, 23)] == [
        [7, 7],
        [7, 0],
        [7, 1],
        [7, 0],
        [1, 0],
    ]
    assert windows(org=OTHER) == [1, 0]


def test_a_withdrawal_reaches_them():
    record_decision(kind=SubjectKind.USER, subject=USER, state=State.DENIED, actor="t", method=Method.COMMAND)
    assert windows() == [6, 1]


@pytest.mark.parametrize(
    ("kind", "name", "left"), [(SubjectKind.USER, USER, 6), (SubjectKind.ORGANIZATION, CUSTOMER, 1)]
)
def test_an_erasure_reaches_them_and_leaves_no_name(kind, name, left):
    request = erase(kind, name)
    assert request.state == ErasureRequest.Stage.DONE
    assert windows()[0] == left
    assert not Member.objects.filter(user_id=name).exists()
    assert not Group.objects.filter(organization_id=name).exists()


def test_late_events_of_the_days_after_reach_them():
    activity(30, date(2025, 10, 1))
    activity(3, date(2025, 10, 1), organization_id=CUSTOMER)
    roll_up()
    assert windows() == [8, 3]


def test_only_what_windows_need_is_kept_and_no_longer_than_they_need_it():
    def kept():
        people = RollUp.objects.exclude(kind__in=("uses", "requests", "latency")).order_by("day", "kind")
        return [(day, kind) for day, kind in people.values_list("day", "kind") if day < date(2025, 10, 1)]

    assert kept() == [(LATE, "active"), (LATE, "login")]
    assert not Member.objects.filter(user_id=person(8)).exists(), (
        "only seen 28 days before the first open day"
    )
    assert Member.objects.filter(user_id=USER).exists()
    prune(datetime(2025, 12, 2, tzinfo=UTC))
    assert kept() == []
    assert not Member.objects.exclude(user_id=None).exists()


def test_whoever_is_in_such_a_set_only_is_new_when_they_come_back():
    feature(USER, date(2025, 11, 3), organization_id=CUSTOMER)
    feature(1, date(2025, 11, 3), organization_id=CUSTOMER)
    roll_up()
    asked = filters(TODAY, last_sealed_day(), from_="2025-11-01", to="2025-11-10")
    assert retention_report(asked, now=NOW).headline.new_users == 1
