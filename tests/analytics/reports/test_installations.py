"""Installations and sessions."""

import pytest

from analytics.reports.cells import Compared, Withheld
from analytics.reports.installations import installations_report, version_key
from analytics.reports.sessions import sessions_report
from analytics.reports.suppression import suppress_installations, suppress_sessions
from tests.support.events import activity, ago, at, feature, filters, installation, make_partitions, person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_up")]


@pytest.fixture(autouse=True)
def _months(db):
    make_partitions()


def test_an_installation_is_active_for_seven_days_after_a_heartbeat():
    installation(1, [ago(10)])
    installation(2, [ago(7), ago(2)], version="1.1")
    report = installations_report(filters(range="7d"))
    assert [day.total for day in report.days] == [2, 2, 2, 1, 1, 1, 1]
    assert report.active == Compared(1, 1)
    assert report.days[-1].complete is False


def test_new_and_gone_quiet():
    installation(1, [ago(50), ago(20)])
    installation(2, [ago(3)])
    installation(3, [ago(50), ago(1)])
    report = installations_report(filters())
    assert (report.new.value, report.gone_quiet.value, report.active.value, report.total) == (1, 1, 2, 3)


def test_versions_follow_their_numbers():
    for number, version in enumerate(("2.9", "2.10", "2.2", "")):
        installation(number + 1, [ago(1)], version=version)
    report = installations_report(filters())
    assert [row.kind for row in report.versions] == ["2.10", "2.9", "2.2", "Not reported"]
    assert (report.newest_version, report.on_newest.value) == ("2.10", 0.25)
    assert version_key("3.0.0-beta2") > version_key("2.99")


def test_only_the_newest_versions_have_a_series_of_their_own():
    for number in range(8):
        installation(number + 1, [ago(1)], version=f"1.{number}")
    report = installations_report(filters())
    assert report.shown_versions == ["Older", "1.3", "1.4", "1.5", "1.6", "1.7"]
    assert report.days[-2].versions == (3, 1, 1, 1, 1, 1)


def test_deployment_is_the_one_filter_that_applies():
    installation(1, [ago(1)], deployment_type="cloud")
    installation(2, [ago(1)], deployment_type="self-hosted")
    assert installations_report(filters(deployment="cloud", org=person(5))).active.value == 1


def test_small_kinds_are_folded_until_none_is_small():
    for number in range(20):
        platform = "linux" if number < 11 else "windows" if number < 17 else "beos"
        installation(number + 1, [ago(1)], platform=platform)
    report = suppress_installations(installations_report(filters(compare="0")))
    assert [tuple(row[:2]) for row in report.platforms] == [("linux", 11), ("Other, 2 kinds", 9)]
    assert [tuple(row[:2]) for row in report.versions] == [("1.0", 20)]


def test_few_installations_show_nothing_but_that():
    installation(1, [ago(1)])
    report = suppress_installations(installations_report(filters()))
    assert (report.active.value, report.total, report.versions) == (Withheld.FEW, Withheld.FEW, [])
    assert {day.total for day in report.days} == {Withheld.HIDDEN}


def test_a_session_lasts_from_its_first_to_its_last_event():
    for minutes in (0, 10):
        activity(1, at(ago(1), 9 + minutes / 60), session="a", event_type="session_start")
    activity(2, at(ago(1), 9), session="b")
    activity(2, at(ago(1), 9.5), session="b", event_type="logout")
    activity(2, at(ago(1), 15), session="c")
    activity(3, at(ago(1), 9))
    report = sessions_report(filters())
    assert (report.sessions.value, report.users.value) == (3, 2)
    assert report.median_seconds.value == 600
    assert report.sign_ins_per_user.value == 1.5
    assert suppress_sessions(report).median_seconds.value is Withheld.HIDDEN


def test_top_pages_are_templates():
    for user in range(6):
        feature(user + 1, ago(1), name="page_view", event_metadata={"page.path": "/projects/{id}"})
    feature(1, ago(1), name="page_view", event_metadata={"page.path": "/rare"})
    report = suppress_sessions(sessions_report(filters()))
    assert [tuple(page) for page in report.pages] == [
        ("/projects/{id}", 6, 6),
        ("/rare", Withheld.FEW, Withheld.HIDDEN),
    ]
