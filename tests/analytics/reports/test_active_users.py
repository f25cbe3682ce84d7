"""Active users: distinct people, by day, 7 and 28 days, and by deployment type."""

from datetime import timedelta

import pytest

from analytics.report_days import report_today
from analytics.reports.active_users import active_users_report
from analytics.reports.cells import Compared
from consent.models import Organization, State, TelemetryUser
from tests.support.events import (
    activity,
    ago,
    at,
    counts_for_somebody,
    crowd,
    endpoint,
    feature,
    filters,
    make_partitions,
    person,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_up")]


@pytest.fixture(autouse=True)
def _months(db):
    make_partitions()


def day_of(report, day, metric="dau"):
    return next(one for one in report.series[metric] if one.day == day)


def test_an_event_of_any_table_makes_somebody_active_once():
    activity(1, ago(1))
    activity(1, ago(1))
    feature(2, ago(1))
    endpoint(3, ago(1))
    endpoint("anon:" + "1" * 27, ago(1))
    feature(4, ago(1), is_internal=True)
    assert day_of(active_users_report(filters()), ago(1))[1:] == (3, 3, 0, 0, True)
    assert day_of(active_users_report(filters(internal="1")), ago(1)).total == 4
    assert day_of(active_users_report(filters(activity="login")), ago(1)).total == 1


def test_somebody_on_two_deployment_types_is_once_in_the_total():
    activity(1, ago(2))
    feature(1, ago(2), deployment_type="self-hosted")
    assert day_of(active_users_report(filters()), ago(2))[1:5] == (1, 1, 1, 0)
    only = active_users_report(filters(deployment="self-hosted"))
    assert next(day for day in only.days if day.day == ago(2))[1:5] == (1, 0, 1, 0)


def test_a_window_ends_on_its_day_and_is_no_sum():
    activity(1, ago(10))
    activity(1, ago(9))
    activity(2, ago(4))
    report = active_users_report(filters())
    assert [day_of(report, ago(n), "wau").total for n in (10, 4, 3, 2)] == [1, 2, 2, 1]
    assert day_of(report, ago(0), "mau").total == 2
    assert day_of(report, ago(0), "wau").complete is False


def test_today_is_left_out_of_headlines():
    for user in range(1, 4):
        activity(user, ago(0))
    activity(9, ago(1))
    report = active_users_report(filters(range="7d"))
    assert report.yesterday == Compared(1, 0)
    assert (report.wau.value, report.period_users.value, report.users_so_far) == (1, 1, 4)
    assert report.average.value == pytest.approx(1 / 6)
    assert report.highest.day == ago(1)


def test_stickiness_is_the_mean_day_over_28_days():
    activity(1, ago(1))
    activity(1, ago(2))
    activity(2, ago(28))
    assert active_users_report(filters()).stickiness.value == pytest.approx(3 / 28 / 2)


def test_days_are_of_the_report_time_zone(settings):
    settings.REPORT_TIME_ZONE = "America/New_York"
    activity(1, at(ago(1), 4.5))  # there, 23:30 of the day before
    report = active_users_report(filters())
    assert (day_of(report, ago(2)).total, day_of(report, ago(1)).total) == (1, 0)


def test_who_withdrew_leaves_the_count_at_once():
    activity(1, ago(1))
    activity(2, ago(1))
    activity(3, ago(1), organization_id=person(77))
    TelemetryUser.objects.create(pseudonym=person(1), state=State.DENIED)
    Organization.objects.create(pseudonym=person(77), state=State.DENIED)
    assert day_of(active_users_report(filters()), ago(1)).total == 1


def test_the_real_clock_needs_no_help():
    activity(1, report_today() - timedelta(days=1))
    assert active_users_report(filters(today=report_today())).yesterday.value == 1


QUESTIONS = [
    {},
    {"range": "7d", "deployment": "self-hosted"},
    {"range": "90d", "internal": "1", "activity": "login"},
    {"from": "2026-09-01", "to": "2026-10-11", "org": person(901)},
]


def test_every_number_equals_counting_by_hand():
    events = crowd(1)
    for query in QUESTIONS:
        asked = filters(**{name + "_" * (name == "from"): value for name, value in query.items()})
        report = active_users_report(asked)
        own = [
            event
            for event in events
            if counts_for_somebody(event, asked)
            and (asked.activity == "any" or (event[0], event[6]) == ("activity", "login"))
        ]
        for metric, width in (("dau", 1), ("wau", 7), ("mau", 28)):
            series = {"now": report.series[metric], "before": report.previous_series[metric]}
            for day in series["now"] + series["before"]:
                span = (day.day - timedelta(days=width - 1), day.day)
                shown = day.only(asked.deployment) if asked.deployment else day
                assert shown.total == len({e[1] for e in own if span[0] <= e[2].date() <= span[1]})
        complete = asked.complete
        assert report.period_users.value == len(
            {e[1] for e in own if complete.first <= e[2].date() <= complete.last}
        )


def test_each_headline_is_compared_with_its_own_earlier_day():
    for user, day in ((1, 1), (2, 8), (3, 8), (4, 36), (5, 36), (6, 36), (7, 40)):
        activity(user, ago(day))
    report = active_users_report(filters())
    assert report.yesterday == Compared(1, 2), "a week earlier"
    assert report.wau == Compared(1, 4), "five weeks earlier: of 36 to 42 days ago"
    assert report.mau == Compared(3, 4)
    assert report.period_users == Compared(3, 4)
    assert report.average == Compared(3 / 29, 4 / 29)


def test_without_compare_nothing_is_said_of_the_period_before():
    activity(1, ago(1))
    report = active_users_report(filters(compare="0"))
    headlines = (report.yesterday, report.wau, report.mau, report.average, report.period_users)
    assert {headline.before for headline in headlines} == {None}
    assert report.stickiness == Compared(1 / 28, None)
    assert set(map(len, report.previous_series.values())) == {0}


def test_of_today_alone_there_are_no_headlines():
    activity(1, ago(0))
    report = active_users_report(filters(from_=ago(0).isoformat()))
    assert (report.days[0].total, report.users_so_far, report.highest) == (1, 1, None)
    headlines = (report.yesterday, report.wau, report.mau, report.average, report.stickiness)
    assert {headline.value for headline in (*headlines, report.period_users)} == {None}


def test_stickiness_is_of_the_deployment_type_asked_for():
    activity(1, ago(1))
    activity(2, ago(2), deployment_type="self-hosted")
    activity(2, ago(3), deployment_type="self-hosted")
    only = active_users_report(filters(deployment="self-hosted", metric="mau"))
    assert only.stickiness.value == pytest.approx(2 / 28)
    assert (only.highest.total, only.metric) == (1, "mau")
    assert (only.mau.value, only.period_users.value) == (1, 1)
    assert active_users_report(filters(deployment="unknown")).users_so_far == 0
