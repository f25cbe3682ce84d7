"""Feature adoption: users, their share of active people, uses, and who came back."""

import pytest

from analytics.reports.cells import Compared
from analytics.reports.features import feature_report, features_report
from tests.support.events import activity, ago, counts_for_somebody, crowd, feature, filters, make_partitions

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_up")]
NOBODY = "anon:" + "0" * 27


@pytest.fixture(autouse=True)
def _months(db):
    make_partitions()


def test_users_uses_share_and_return():
    for day in (3, 3, 5):
        feature(1, ago(day), action="started")
    feature(2, ago(3), action="stopped")
    feature(NOBODY, ago(3))
    activity(3, ago(2))
    activity(4, ago(2))
    (row,) = features_report(filters()).rows
    assert (row.feature, row.users, row.uses, row.share) == ("timer", 2, 5, 0.5)
    assert (row.repeat_users, row.actions, row.uses_per_user) == (1, 2, 2.5)
    assert row.trend[-6:] == [1, 0, 2, 0, 0, 0]


def test_today_so_far_counts_in_rows_but_not_in_comparisons():
    for user in (1, 2, 3):
        feature(user, ago(0))
    feature(1, ago(1))
    feature(1, ago(36))
    feature(2, ago(35))  # the counterpart of today
    (row,) = features_report(filters()).rows
    assert (row.users, row.complete_users, row.previous_users, row.change) == (3, 1, 1, 0.0)


def test_a_share_is_of_the_same_segment():
    feature(1, ago(1), deployment_type="self-hosted")
    activity(2, ago(1), deployment_type="self-hosted")
    activity(3, ago(1))
    (row,) = features_report(filters(deployment="self-hosted")).rows
    assert row.share == 0.5


def test_a_feature_of_nobody_is_shown_with_its_uses():
    feature(NOBODY, ago(1))
    (row,) = features_report(filters()).rows
    assert (row.users, row.uses, row.uses_per_user) == (0, 1, None)


def test_a_feature_in_detail():
    for day in (1, 2, 36):
        feature(1, ago(day))
    feature(1, ago(0), action="stopped", deployment_type="self-hosted")
    feature(2, ago(0), action="stopped", deployment_type="self-hosted")
    report = feature_report(filters(), "timer")
    assert report.users == Compared(1, 1)
    assert report.uses == Compared(2, 1)
    assert (report.users_so_far, report.uses_so_far) == (2, 4)
    assert [(row.action, row.users, row.uses) for row in report.actions] == [
        ("started", 1, 2),
        ("stopped", 2, 2),
    ]
    assert [row.users for row in report.deployments] == [1, 2, 0]
    assert [(day.users, day.uses, day.complete) for day in report.days[-2:]] == [(1, 1, True), (2, 2, False)]
    assert report.previous[-2].uses == 1


def test_an_unknown_feature_is_none():
    feature(1, ago(1))
    assert feature_report(filters(), "no such thing") is None


def test_every_number_equals_counting_by_hand():
    events = crowd(3)
    for query in ({}, {"range": "90d", "internal": "1"}, {"deployment": "cloud", "compare": "0"}):
        check_every_number(filters(**query), events)


def check_every_number(asked, events):
    inside = [event for event in events if asked.first <= event[2].date() <= asked.last]
    active = {event[1] for event in inside if counts_for_somebody(event, asked)}
    for row in features_report(asked).rows:
        own = [event for event in inside if (event[0], event[6]) == ("feature", row.feature)]
        mine = [event for event in own if counts_for_somebody(event, asked)]
        users = {event[1] for event in mine}
        assert row.users == len(users)
        assert row.share == len(users) / len(active)
        assert row.uses == sum(
            1
            for event in own
            if (asked.include_internal or not event[5]) and asked.deployment in ("", event[3])
        )
        days = {(event[1], event[2].date()) for event in mine}
        assert row.repeat_users == sum(1 for user in users if sum(one == user for one, _ in days) > 1)


def test_what_was_used_in_the_period_before_alone_is_listed_nowhere_and_found_by_name():
    feature(1, ago(36))
    feature(2, ago(1), name="other")
    assert [row.feature for row in features_report(filters()).rows] == ["other"]
    assert feature_report(filters(), "timer").users == Compared(0, 1)
    assert feature_report(filters(compare="0"), "timer") is None


def test_without_compare_nothing_is_said_of_the_period_before():
    feature(1, ago(1))
    feature(1, ago(36))
    asked = filters(compare="0")
    (row,) = features_report(asked).rows
    assert (row.change, row.previous_users, row.previous_share) == (None, None, None)
    report = feature_report(asked, "timer")
    assert (report.previous, report.users, report.uses) == ([], Compared(1), Compared(1))
    assert (report.share, report.repeat_users) == (Compared(1.0), Compared(0))


def test_of_today_alone_only_rows_are_told():
    feature(1, ago(0))
    activity(2, ago(0))
    asked = filters(from_=ago(0).isoformat())
    (row,) = features_report(asked).rows
    assert (row.users, row.share, row.complete_users, row.change) == (1, 0.5, 0, None)
    assert feature_report(asked, "timer").share == Compared(None, None)


def test_rows_of_as_many_users_are_in_the_order_of_names():
    for name in ("c", "a", "b"):
        feature(1, ago(1), name=name)
    feature(2, ago(1), name="z")
    feature(3, ago(1), name="z")
    assert [row.feature for row in features_report(filters()).rows] == ["z", "a", "b", "c"]


def test_shares_and_returns_are_of_complete_days_and_of_the_period_before():
    for day in (0, 1, 2, 36, 37):
        feature(1, ago(day))
    activity(2, ago(1))
    activity(3, ago(36))
    activity(4, ago(0))
    report = feature_report(filters(), "timer")
    assert (report.share, report.repeat_users, report.active_users) == (
        Compared(0.5, 0.5),
        Compared(1, 1),
        2,
    )
    assert (report.repeat_users_so_far, report.active_users_so_far) == (1, 3)
    (row,) = features_report(filters()).rows
    assert (row.previous_share, row.share) == (0.5, pytest.approx(1 / 3))


def test_actions_are_of_the_range_and_most_used_first():
    feature(1, ago(36), action="old")
    for action, times in (("b", 2), ("a", 2), ("c", 3)):
        for _ in range(times):
            feature(1, ago(1), action=action)
    report = feature_report(filters(), "timer")
    assert [(row.action, row.users, row.uses) for row in report.actions] == [
        ("c", 1, 3),
        ("a", 1, 2),
        ("b", 1, 2),
    ]
    assert features_report(filters()).rows[0].actions == 3
    assert [row.users for row in feature_report(filters(deployment="cloud"), "timer").deployments] == [
        1,
        0,
        0,
    ]


def test_shares_are_of_everybody_active_whatever_activity_is_asked_for():
    """Nine people use the feature, seven of them sign in: of the seven, nine would be a share of 1.29."""
    for user in range(1, 10):
        feature(user, ago(3))
    for user in range(1, 8):
        activity(user, ago(3))
    (any_row,) = features_report(filters()).rows
    report = features_report(filters(activity="login"))
    assert (report.rows[0].share, report.active_users) == (any_row.share, 9) == (1.0, 9)
