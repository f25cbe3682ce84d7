"""Installations and sessions."""

from datetime import timedelta

import pytest

from analytics.reports import installation_counts
from analytics.reports.cells import Compared, Withheld
from analytics.reports.installations import installations_report, version_key
from analytics.reports.sessions import sessions_report
from analytics.reports.suppression import suppress_installations, suppress_sessions
from analytics.rollups.reading.reader import ReportTimedOut
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
        feature(1, ago(1), name="page_view", event_metadata={"page.path": "/rare"})  # six times by one
    report = suppress_sessions(sessions_report(filters()))
    assert [tuple(page) for page in report.pages] == [
        ("/projects/{id}", 6, 6),
        ("/rare", Withheld.FEW, Withheld.HIDDEN),
    ]


# --- borders ------------------------------------------------------------------------------------

MOMENT = timedelta(microseconds=1)


def at_midnight(days):
    return at(ago(days), 0)


@pytest.mark.parametrize(
    ("heard", "ledger"),  # new, active, gone quiet, total; of 30 days of which today is not over
    [
        ([at_midnight(29)], (1, 0, 1, 1)),
        ([at_midnight(29) - MOMENT], (0, 0, 0, 1)),
        ([at_midnight(29) - MOMENT, at_midnight(7)], (0, 1, 0, 1)),
        ([at_midnight(29) - MOMENT, at_midnight(7) - MOMENT], (0, 0, 1, 1)),
        ([at_midnight(0) - MOMENT], (1, 1, 0, 1)),
        ([at_midnight(0)], (0, 0, 0, 0)),  # today
        ([at_midnight(40), at_midnight(0)], (0, 0, 0, 1)),
    ],
)
def test_the_ledger_has_borders(heard, ledger):
    installation(1, heard)
    report = installations_report(filters())
    assert (report.new.value, report.active.value, report.gone_quiet.value, report.total) == ledger
    assert report.long_quiet == ledger[3] - ledger[1] - ledger[2]


def test_kinds_are_those_of_active_installations_most_first():
    installation(1, [ago(8)], platform="beos")
    for number, platform in enumerate(("linux", "windows", "linux", "amiga", "")):
        installation(number + 2, [ago(7)], platform=platform, architecture="arm64", release_channel="beta")
    report = installations_report(filters(range="7d"))
    assert [row[:2] for row in report.platforms] == [
        ("linux", 2),
        ("Not reported", 1),
        ("amiga", 1),
        ("windows", 1),
    ]
    assert [tuple(row) for row in report.architectures] == [("arm64", 5, 1.0, 0)]
    assert [row.kind for row in report.channels] == ["beta"]
    assert report.platforms[0].share == 0.4


def test_what_installations_were_a_week_before_is_told_unless_left_out():
    installation(1, [ago(8), ago(1)], deployment_type="self-hosted")
    installation(2, [ago(8)], deployment_type="nonsense")
    installation(3, [ago(1)], version="2.0", deployment_type="cloud")
    report = installations_report(filters(range="7d"))
    assert (report.active, report.on_newest) == (Compared(2, 2), Compared(0.5, 0.0))
    assert {row.kind: (row.installations, row.previous) for row in report.deployments} == {
        "Cloud": (1, 0),
        "Self-hosted": (1, 1),
    }
    alone = installations_report(filters(range="7d", compare="0"))
    assert (alone.active, alone.on_newest, alone.deployments[0].previous) == (
        Compared(2, None),
        Compared(0.5, None),
        None,
    )
    assert installations_report(filters(range="7d", deployment="unknown")).days[0].total == 1


def test_versions_without_numbers_are_oldest_and_builds_do_not_count():
    mixed = ["1.0+7", "10.0", "", "1.2", "dev", "1.0"]
    assert sorted(mixed, key=version_key) == ["", "dev", "1.0", "1.0+7", "1.2", "10.0"]


def test_six_versions_need_no_older_ones():
    for number in range(6):
        installation(number + 1, [ago(1)], version=f"1.{number}")
    report = installations_report(filters())
    assert report.shown_versions == [f"1.{number}" for number in range(6)]
    assert report.days[-2].versions == (1,) * 6


def test_a_report_that_reads_rows_has_a_time_limit(monkeypatch):
    """However slow the machine: no other statement takes a second, and this one never ends within it."""
    slow = installation_counts.LEDGER.replace("WHERE {where}", "WHERE pg_sleep(60) IS NOT NULL AND {where}")
    monkeypatch.setattr(installation_counts, "LEDGER", slow)
    monkeypatch.setattr(installation_counts, "TIMEOUT_SECONDS", 1)
    installation(1, [ago(1)])
    with pytest.raises(ReportTimedOut):
        installations_report(filters())


# --- sessions -----------------------------------------------------------------------------------


def test_headlines_of_sessions_are_of_complete_days_and_compared():
    activity(1, at(ago(0), 9), session="today")
    activity(1, at(ago(1), 9), session="a")
    activity(2, at(ago(8), 9), session="b")
    activity(3, at(ago(8), 9), session="c")
    report = sessions_report(filters(range="7d"))
    assert (report.users, report.sessions) == (Compared(1, 2), Compared(1, 2))
    assert report.sign_ins_per_user == Compared(1.0, 1.0)
    assert sessions_report(filters(range="7d", compare="0")).sessions == Compared(1, None)
    assert sessions_report(filters(from_=ago(0).isoformat())).sessions.value == 0


def test_ten_pages_at_most_the_most_viewed_first():
    for number in range(11):
        for _ in range(2 if number == 10 else 1):
            feature(1, ago(0), name="page_view", event_metadata={"page.path": f"/{number:02}"})
    pages = sessions_report(filters()).pages
    assert [page.path for page in pages] == ["/10", *(f"/{number:02}" for number in range(9))]
