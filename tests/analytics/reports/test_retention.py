"""Retention: who came back, of those who could have."""

from datetime import UTC, datetime, timedelta

import pytest

from analytics.reports.retention import retention_report
from analytics.reports.retention_counts import cohort_weeks
from tests.support.events import (
    TODAY,
    activity,
    ago,
    at,
    counts_for_somebody,
    crowd,
    feature,
    filters,
    make_partitions,
    person,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_up")]
NOW = datetime(2026, 11, 17, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _months(db):
    make_partitions()


def report_of(**query):
    return retention_report(filters(**query), now=NOW)


def test_the_ledger_counts_who_came_back_on_days_1_to_7():
    activity(1, ago(20))
    feature(1, ago(13))  # day 7
    activity(2, ago(20))
    activity(2, ago(12))  # day 8
    activity(3, ago(20))
    activity(3, at(ago(20), 20))  # the same day
    activity(4, ago(7))  # day 7 is today
    activity(4, ago(6))
    activity(5, ago(8))  # day 7 was yesterday
    assert report_of().headline == (5, 1, 4, 1, 0.25)


def test_who_was_there_before_the_range_is_not_new():
    activity(1, ago(60))
    activity(1, ago(20))
    report = report_of()
    assert report.headline.new_users == 0
    assert report.previous.new_users == 1


def test_first_seen_is_a_persons_and_not_the_segments():
    activity(1, ago(40), deployment_type="cloud")
    activity(1, ago(20), deployment_type="self-hosted")
    activity(2, ago(20), deployment_type="self-hosted")
    activity(2, ago(18), deployment_type="cloud")
    assert report_of(deployment="self-hosted").headline[:4] == (1, 0, 1, 0)
    assert report_of().headline[:4] == (1, 0, 1, 1)


def test_login_window_counts_hours_from_the_first_sign_in_to_the_second():
    activity(1, at(ago(20), 10))
    activity(1, at(ago(20), 10.5))  # half an hour later: counts
    activity(2, at(ago(20), 10))
    activity(2, at(ago(13), 10))  # to the minute seven days later: counts
    activity(3, at(ago(20), 10))
    activity(3, at(ago(13), 10.1))
    activity(4, at(ago(7), 15))  # its 168 hours are over at this very moment
    activity(5, at(ago(7), 15.1))
    activity(5, at(ago(6), 15))
    feature(6, ago(20))
    assert report_of(definition="login_window").headline[:4] == (5, 1, 4, 2)


def test_the_curve_asks_of_each_day_only_who_could_have_been_there():
    activity(1, ago(3))
    activity(1, ago(1))
    activity(2, ago(2))
    curve = report_of().curve
    assert [(day.n, day.eligible, day.on_day, day.on_or_after) for day in curve[:3]] == [
        (1, 2, 0, 1),
        (2, 1, 1, 1),
        (3, 0, 0, 0),
    ]


def test_weekly_cohorts_stop_at_the_present_and_mark_what_is_open():
    monday = TODAY - timedelta(days=TODAY.weekday() + 14)
    activity(1, monday)
    activity(1, monday + timedelta(days=8))
    activity(2, monday + timedelta(days=6))
    (row, *_) = report_of().cohorts
    assert (row.week_start, row.users, row.mature, row.retained) == (monday, 2, 2, 0)
    assert [(cell.users, cell.share, cell.open) for cell in row.cells] == [
        (2, 1.0, False),
        (1, 0.5, False),
        (0, 0.0, True),
    ]


def test_averages_weigh_cohorts_by_size_and_leave_open_weeks_out():
    monday = TODAY - timedelta(days=TODAY.weekday() + 14)
    for user in (1, 2, 3):
        activity(user, monday)
    activity(1, monday + timedelta(days=7))
    activity(4, monday + timedelta(days=7))
    assert report_of().averages[:3] == [1.0, pytest.approx(1 / 3), None]


def test_every_number_equals_counting_by_hand():
    events = crowd(4, people=60, events=500, days=80)
    for query in ({}, {"range": "90d", "activity": "login"}, {"org": person(902), "internal": "1"}):
        check_every_number(query, events)


def check_every_number(query, events):
    asked = filters(**query)
    everything = filters(**{name: value for name, value in query.items() if name != "org"})
    days: dict[int, set] = {}
    inside: dict[int, set] = {}
    for event in events:
        if asked.activity == "login" and (event[0], event[6]) != ("activity", "login"):
            continue
        if counts_for_somebody(event, everything):
            days.setdefault(event[1], set()).add(event[2].date())
        if counts_for_somebody(event, asked):
            inside.setdefault(event[1], set()).add(event[2].date())
    new = {user: min(seen) for user, seen in days.items() if min(seen) in inside.get(user, ())}
    own = {user: first for user, first in new.items() if asked.first <= first <= asked.last}

    def came(user, low, high):
        return any(low <= (day - new[user]).days <= high for day in inside[user])

    mature = [user for user, first in own.items() if first + timedelta(days=7) < TODAY]
    report = retention_report(asked, now=NOW)
    assert report.headline[:4] == (
        len(own),
        len(own) - len(mature),
        len(mature),
        sum(came(user, 1, 7) for user in mature),
    )
    for day in report.curve:
        could = [user for user, first in own.items() if first + timedelta(days=day.n) < TODAY]
        assert day.eligible == len(could)
        assert day.on_day == sum(came(user, day.n, day.n) for user in could)
        assert day.on_or_after == sum(
            any((seen - new[user]).days >= day.n for seen in inside[user] if seen < TODAY) for user in could
        )
    for row in report.cohorts:
        of_week = [user for user, first in new.items() if 0 <= (first - row.week_start).days < 7]
        assert row.users == len(of_week)
        for cell in row.cells:
            low = row.week_start + timedelta(weeks=cell.week)
            assert cell.users == sum(
                any(0 <= (day - low).days < 7 for day in inside[user]) for user in of_week
            )


# --- borders ------------------------------------------------------------------------------------

MONDAY = TODAY - timedelta(days=TODAY.weekday())


def on(today, **query):
    moment = datetime(today.year, today.month, today.day, 15, tzinfo=UTC)
    return retention_report(filters(today=today, **query), now=moment)


def test_on_a_monday_last_week_is_over_and_this_one_has_begun():
    activity(1, MONDAY - timedelta(days=7))
    activity(1, MONDAY - timedelta(days=1))
    activity(2, MONDAY)
    last, this = on(MONDAY).cohorts
    assert (last.week_start, this.week_start) == (MONDAY - timedelta(days=7), MONDAY)
    assert [(cell.week, cell.users, cell.open) for cell in last.cells] == [(0, 1, False), (1, 0, True)]
    assert [(cell.week, cell.users, cell.open) for cell in this.cells] == [(0, 1, True)]
    assert last.open, "day 7 of whoever was first seen last Monday is today"
    assert (last.mature, this.mature) == (0, 0)


def test_on_a_sunday_the_week_is_still_open():
    sunday = MONDAY - timedelta(days=1)
    activity(1, sunday - timedelta(days=20))
    *_, last, this = on(sunday).cohorts
    assert [(row.users, row.open) for row in (last, this)] == [(0, False), (0, True)]
    assert this.cells[0].open


def test_cohorts_begin_twelve_weeks_back_or_with_the_range_and_are_53_at_most():
    def weeks(**query):
        return cohort_weeks(filters(**query))

    assert (len(weeks(range="7d")), weeks(range="7d")[-1]) == (12, MONDAY)
    assert weeks(from_="2026-08-24")[0].isoformat() == "2026-08-24"  # 13 weeks
    assert len(weeks(range="12m")) == 53
    assert len(weeks(from_="2025-10-14")) == 53
    assert {monday.weekday() for monday in weeks(range="90d")} == {0}


def test_the_first_cohort_is_the_first_with_somebody():
    activity(1, MONDAY - timedelta(weeks=11))
    activity(2, MONDAY - timedelta(weeks=12) + timedelta(days=6))
    assert [row.users for row in report_of().cohorts] == [1, *[0] * 11]
    assert len(report_of().cohorts[0].cells) == 12


def test_the_period_before_has_a_ledger_only_when_it_is_asked_for():
    activity(1, ago(40))
    activity(1, ago(33))
    assert report_of().previous == (1, 0, 1, 1, 1.0)
    assert report_of().rate == (None, 1.0)
    assert report_of(compare="0").previous is None
    assert report_of(compare="0").rate == (None, None)


def test_the_curve_ends_on_day_28_and_later_goes_on():
    activity(1, ago(29))
    activity(2, ago(29))
    activity(2, ago(1))  # day 28
    activity(3, ago(60))
    activity(3, ago(20))  # day 40
    curve = on(TODAY, range="90d").curve
    assert len(curve) == 28
    assert curve[-1][:4] == (28, 3, 1, 2)
    assert curve[-1].on_or_after_rate == pytest.approx(2 / 3)


def test_sign_ins_make_cohorts_of_their_own():
    feature(1, ago(20))
    activity(1, ago(19))
    activity(1, ago(18))
    report = report_of(definition="login_window")
    assert report.headline[:4] == (1, 0, 1, 1)
    assert [row.users for row in report.cohorts][:1] == [1]
    assert report_of(activity="login").headline.new_users == 1
    assert report_of().curve[0].on_day == 1


def test_the_last_cohort_of_a_past_range_is_its_whole_week():
    """The range ends on a Wednesday; whoever came first on the Friday is of the cohort, not of the range."""
    monday = ago(22)
    assert monday.weekday() == 0
    activity(1, monday)
    activity(2, monday + timedelta(days=2))
    activity(3, monday + timedelta(days=4))
    activity(3, monday + timedelta(days=5))
    to = monday + timedelta(days=2)
    report = report_of(from_=(monday - timedelta(days=7)).isoformat(), to=to.isoformat())
    assert (report.cohorts[-1].week_start, report.cohorts[-1].users) == (monday, 3)
    assert (report.cohorts[-1].mature, report.cohorts[-1].retained) == (3, 1)
    assert (report.headline.new_users, report.headline.retained) == (2, 0)
    assert (report.curve[0].eligible, report.curve[0].on_day) == (2, 0)
