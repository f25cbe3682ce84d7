"""An organization that is marked as internal, or no longer, is so in reports of its past too."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from analytics.demo import seeding
from analytics.erasure.run import carry_out
from analytics.heartbeats.totals import totals
from analytics.models import FeatureUsage, Group, InternalUse, Member
from analytics.reports.active_users import active_users_report
from analytics.reports.features import features_report
from analytics.reports.retention import retention_report
from analytics.rollups import sealing
from analytics.rollups.building import build
from analytics.rollups.building.marks import marked_days
from analytics.self_check.run import check_figures
from consent.decisions.recording import record_decision, register_organization
from consent.decisions.tombstones import ask_for_erasure
from consent.models import Method, Organization, State, SubjectKind
from consent.pseudonyms import pseudonym
from postgres import locks
from tests.support.events import feature, filters
from tests.support.otlp import a_key, post, span, traces
from tests.support.rolling import roll_up
from tests.support.second_connection import held

pytestmark = pytest.mark.django_db(transaction=True)

ACME = pseudonym("organization", "acme")
NOW = timezone.now()
TODAY = NOW.date()
PEOPLE = range(1, 7)


def days_ago(days: int):
    return TODAY - timedelta(days=days)


@pytest.fixture(autouse=True)
def _acme_and_others() -> None:
    """Six people of Acme on three days, and six of another organization on the first of them."""
    register_organization(pseudonym=ACME, label="Acme", deployment_type="cloud")
    for days in (3, 2, 1):
        for number in PEOPLE:
            feature(number, days_ago(days), organization_id=ACME)
    for number in PEOPLE:
        feature(100 + number, days_ago(3))
    feature("anon:" + "0" * 27, days_ago(2), organization_id=ACME)
    roll_up()


def admin() -> Client:
    client = Client()
    user, _ = User.objects.get_or_create(username="officer", is_staff=True, is_superuser=True)
    client.force_login(user)
    return client


def mark(is_internal: bool) -> str:
    """Change it in the admin; returns what the page says."""
    row = Organization.objects.get(pseudonym=ACME)
    form = {"label": row.label, "deployment_type": row.deployment_type} | (
        {"is_internal": "on"} if is_internal else {}
    )
    page = admin().post(reverse("admin:consent_organization_change", args=[row.pk]), form, follow=True)
    row.refresh_from_db()
    assert row.is_internal == is_internal
    return page.text


def people(**more: object) -> list[int]:
    """Active people three, two and one day ago."""
    report = active_users_report(filters(TODAY, range="7d", **more))
    days = {day.day: day.total for day in report.days}
    return [days[days_ago(ago)] for ago in (3, 2, 1)]


def uses(**more: object) -> int:
    return sum(row.uses for row in features_report(filters(TODAY, range="7d", **more)).rows)


def cohort() -> int:
    """How many people were first seen within the range."""
    return sum(row.users for row in retention_report(filters(TODAY, range="30d")).cohorts)


def test_it_is_marked_later_and_leaves_reports_of_its_past() -> None:
    assert (people(), uses(), cohort()) == ([12, 6, 6], 25, 12)

    assert "3 days are counted again" in mark(True)

    assert marked_days() == [days_ago(1), days_ago(2), days_ago(3)]
    build.roll_up()
    assert (people(), uses(), cohort()) == ([6, 0, 0], 6, 6)
    assert (people(internal="1"), uses(internal="1")) == ([12, 6, 6], 25)
    assert people(org=ACME) == [0, 0, 0]


def test_it_is_internal_no_longer_and_comes_back_with_its_first_days() -> None:
    first_seen = set(Member.objects.exclude(first_seen_at=None).values_list("person", "first_seen_at"))
    mark(True)
    build.roll_up()
    assert "3 days are counted again" in mark(False)
    build.roll_up()
    assert (people(), uses(), cohort()) == ([12, 6, 6], 25, 12)
    assert (
        set(Member.objects.exclude(first_seen_at=None).values_list("person", "first_seen_at")) == first_seen
    )
    assert "3 days are counted again" in mark(True)
    build.roll_up()
    assert people() == [6, 0, 0]


def test_first_days_from_before_the_rows_that_are_kept_move_along() -> None:
    """The rows of that day were dropped, and its people came back since."""
    early = NOW - timedelta(days=400)
    Member.objects.filter(user_id=f"{1:032x}").update(first_seen_at=early)
    mark(True)
    build.roll_up()
    moved = Member.objects.get(first_seen_at=early)
    assert Group.objects.get(pk=moved.group_id).is_internal
    mark(False)
    build.roll_up()
    assert Member.objects.filter(first_seen_at=early).count() == 1
    assert cohort() == 11


def test_what_arrived_while_it_was_marked_is_others_use_once_it_is_not() -> None:
    mark(True)
    record_decision(
        kind=SubjectKind.ORGANIZATION, subject=ACME, state=State.GRANTED, actor="t", method=Method.API
    )
    record_decision(
        kind=SubjectKind.USER, subject=pseudonym("user", "jane"), state=State.GRANTED, actor="t",
        method=Method.API,
    )  # fmt: skip
    sent = span(
        at=timezone.now(), attributes={"user.id": "jane", "organization.id": "acme", "feature.name": "x"}
    )
    assert post(Client(), "/v1/traces", traces(sent), a_key()[0]).status_code == 200
    assert FeatureUsage.objects.get(feature_name="x").is_internal
    build.roll_up()
    assert uses() == 6
    assert "4 days are counted again" in mark(False)
    build.roll_up()
    assert uses() == 26
    assert FeatureUsage.objects.get(feature_name="x").is_internal  # as it arrived


def test_events_that_said_so_themselves_before_stay_internal() -> None:
    feature(1, days_ago(1), organization_id=ACME, is_internal=True, name="own")
    roll_up()
    for is_internal in (True, False):
        mark(is_internal)
        build.roll_up()
        assert "own" not in [row.feature for row in features_report(filters(TODAY, range="7d")).rows]
    assert (uses(), uses(internal="1")) == (25, 26)


def test_an_organization_that_always_was_has_no_day_to_count_again() -> None:
    other = pseudonym("organization", "ours")
    Organization.objects.create(pseudonym=other, is_internal=True)
    for number in PEOPLE:
        feature(200 + number, days_ago(2), organization_id=other, is_internal=True)
    roll_up()
    assert InternalUse.objects.get().organization_id == other
    assert marked_days() == []
    assert people() == [12, 6, 6]


def test_a_change_that_nobody_told_of_is_noticed_by_the_next_run() -> None:
    Organization.objects.filter(pseudonym=ACME).update(is_internal=True)
    assert build.roll_up().days == 3
    assert people() == [6, 0, 0]


def test_the_service_that_registers_organizations_does_the_same() -> None:
    register_organization(pseudonym=ACME, is_internal=True)
    assert marked_days() == [days_ago(1), days_ago(2), days_ago(3)]
    register_organization(pseudonym=ACME, label="Another label")
    register_organization(pseudonym=ACME, is_internal=False)
    build.roll_up()
    assert people() == [12, 6, 6]


def test_while_a_day_is_being_built_the_page_does_not_wait_and_the_job_does_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("analytics.rollups.building.reclassifying.PATIENCE", "100ms")
    with held(locks.TAKE_SHARED, locks.ROLL_UP_BUILD, database="analytics"):
        assert "Its past days are counted again in the background" in mark(True)
    assert people() == [12, 6, 6]
    build.roll_up()
    assert people() == [6, 0, 0]


def test_sealed_days_keep_what_they_said() -> None:
    sealing.seal([days_ago(3)])
    before = people()
    assert "2 days are counted again" in mark(True)
    build.roll_up()
    assert (before, people()) == ([12, 6, 6], [12, 0, 0])


def test_the_self_check_and_the_numbers_sent_agree() -> None:
    mark(True)
    build.roll_up()
    assert " 0 differences" in check_figures()
    assert totals(NOW - timedelta(days=9), NOW)["active_users"] == 6
    mark(False)
    build.roll_up()
    assert " 0 differences" in check_figures()
    assert totals(NOW - timedelta(days=9), NOW)["active_users"] == 12


def test_an_internal_organization_can_be_erased() -> None:
    mark(True)
    ask_for_erasure(kind=SubjectKind.ORGANIZATION, pseudonym=ACME, actor="test", method=Method.ADMIN)
    assert carry_out() == "Erased 1 subjects."
    build.roll_up()
    assert people(internal="1") == [6, 0, 0]


def test_demo_data_leaves_none_behind() -> None:
    seeding.seed(days=3, events=300, people=20, now=NOW)
    assert InternalUse.objects.exists()
    seeding.remove()
    build.roll_up()
    assert not InternalUse.objects.exists()
