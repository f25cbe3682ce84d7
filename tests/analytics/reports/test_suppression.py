"""Suppression: no number about few people is shown, and none can be found by subtracting shown ones."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.reports.active_users import ActiveDay, ActiveUsersReport
from analytics.reports.cells import DESERTED, Compared, Withheld
from analytics.reports.endpoints import (
    EndpointDay,
    EndpointReport,
    EndpointRow,
    EndpointsReport,
    LatencyCell,
    StatusRow,
)
from analytics.reports.features import (
    ActionRow,
    DeploymentRow,
    FeatureDay,
    FeatureReport,
    FeatureRow,
    FeaturesReport,
)
from analytics.reports.retention import (
    CohortCell,
    CohortRow,
    CurveDay,
    Headline,
    RetentionReport,
)
from analytics.reports.suppression import (
    suppress_active_users,
    suppress_endpoint,
    suppress_endpoints,
    suppress_feature,
    suppress_features,
    suppress_retention,
)
from analytics.reports.suppression.rules import apart, compared, few, measured, part, parts_of
from tests.support.events import TODAY, ago, filters

THRESHOLD = 5
people = st.one_of(st.integers(0, 9), st.integers(0, 400))


def is_few(number):
    return 0 < number < THRESHOLD


def shown(cells):
    return [cell for cell in cells if isinstance(cell, int)]


# --- rules --------------------------------------------------------------------------------------


@given(st.lists(people, min_size=1, max_size=8))
def test_parts_of_a_shown_total_leave_no_small_rest(parts):
    total = sum(parts)
    marks = parts_of(total, parts)
    assert all(mark is Withheld.FEW for part, mark in zip(parts, marks, strict=True) if is_few(part))
    hidden = [part for part, mark in zip(parts, marks, strict=True) if mark]
    if is_few(total) or not hidden:
        return
    rest = total - sum(part for part, mark in zip(parts, marks, strict=True) if not mark)
    assert len(hidden) > 1, "one hidden part is the total minus the others"
    assert rest >= THRESHOLD, "the hidden parts together are a small group, and their size is known"


@given(st.lists(people, min_size=1, max_size=8), st.integers(0, 10))
def test_overlapping_parts_leave_no_small_rest_either(parts, overlap):
    total = max(max(parts), sum(parts) - overlap)
    marks = parts_of(total, parts)
    visible = sum(part for part, mark in zip(parts, marks, strict=True) if not mark)
    if any(marks) and not is_few(total) and visible:
        assert total - visible >= THRESHOLD


@given(st.lists(st.one_of(st.just(0), st.integers(5, 400)), min_size=1, max_size=8))
def test_nothing_is_hidden_without_need(groups):
    assert not any(parts_of(sum(groups), groups))


def test_the_threshold_is_a_setting(settings):
    settings.SUPPRESS_BELOW = 3
    assert few(2)
    assert not few(3)
    assert str(Withheld.FEW) == "<3"


# --- active users -------------------------------------------------------------------------------


@st.composite
def active_days(draw, length=9):
    days = []
    for number in range(length):
        parts = [draw(people) for _ in range(3)]
        total = max(max(parts), sum(parts) - draw(st.integers(0, 3)))
        days.append(ActiveDay(ago(length - 1 - number), total, *parts, complete=number < length - 1))
    return days


def active_report(days, **query):
    asked = replace(filters(**query), first=days[0].day)
    previous = [day._replace(day=day.day - asked.shift) for day in days]
    totals = [day.total for day in days if day.complete]
    return ActiveUsersReport(
        filters=asked,
        series=dict.fromkeys(("dau", "wau", "mau"), days),
        previous_series=dict.fromkeys(("dau", "wau", "mau"), previous),
        yesterday=Compared(days[-2].total, 3),
        wau=Compared(days[-2].total, previous[-2].total),
        mau=Compared(days[-2].total, previous[-2].total),
        average=Compared(sum(totals) / len(totals)),
        highest=max(days[:-1], key=lambda day: day.total),
        stickiness=Compared(0.5, 0.5),
        period_users=Compared(max(totals)),
        users_so_far=max(day.total for day in days),
        stickiness_days=(tuple(totals), tuple(totals)),
        history={metric: [*previous, *days] for metric in ("dau", "wau", "mau")},
        published=True,
    )


@given(active_days(), st.sampled_from(["", "cloud", "self-hosted", "unknown"]))
def test_no_day_of_active_users_shows_or_gives_away_few(days, deployment):
    whole = suppress_active_users(active_report(days))
    for exact, day in zip(days, whole.days, strict=True):
        assert not any(is_few(number) for number in shown(day[1:5]))
        if isinstance(day.total, int):
            parts = shown(day[2:5])
            if len(parts) < 3:
                assert len(parts) < 2 or 0 in parts or exact.total - sum(parts) >= THRESHOLD
                assert day.total - sum(parts) >= THRESHOLD
    part = suppress_active_users(active_report(days, deployment=deployment))
    if deployment:
        for narrow, day in zip(part.days, whole.days, strict=True):
            assert narrow.total == getattr(day, deployment.replace("-", "_")), (
                "a filter shows what the split hides"
            )
    for headline in (part.yesterday, part.wau, part.mau, part.period_users):
        assert not any(is_few(number) for number in shown(headline))
    if any(isinstance(day.total, Withheld) for day in part.days if day.complete):
        assert part.average.value is Withheld.HIDDEN


@pytest.mark.parametrize(("complete", "shown_as"), [(20, 22), (17, 17), (22, 22), (3, Withheld.FEW)])
def test_the_period_does_not_tell_how_few_are_new_today(complete, shown_as):
    day = ActiveDay(ago(1), 9, 9, 0, 0, complete=True)
    report = active_report([day, day._replace(day=ago(0), complete=False)])
    report = replace(report, period_users=Compared(complete), users_so_far=22)
    assert suppress_active_users(report).period_users.value == shown_as


@given(active_days())
def test_stickiness_goes_when_one_of_its_days_is_few(days):
    report = suppress_active_users(active_report(days))
    if any(is_few(day.total) for day in days[:-1]):
        assert report.stickiness == Compared(Withheld.HIDDEN, Withheld.HIDDEN)


# --- features -----------------------------------------------------------------------------------


def feature_row(users, *, repeat=0, before=0, complete=None, name="a"):
    complete = users if complete is None else complete
    change = complete / before - 1 if before else None
    return FeatureRow(
        name, users, users * 3, users / 500, repeat, 2, change, before, before / 500, [users, 1], complete
    )


@given(people, people, people, people)
def test_a_feature_of_few_shows_nothing_but_its_name(users, repeat, before, complete):
    row = feature_row(users, repeat=min(repeat, users), before=before, complete=min(complete, users))
    report = FeaturesReport(
        filters=filters(), rows=[row], active_users=500, days=[ago(1), ago(0)], published=True
    )
    (after,) = suppress_features(report).rows
    assert after.complete_users == 0
    if is_few(users):
        assert after.users is Withheld.FEW
        assert not shown([after.uses, after.repeat_users, after.actions, after.previous_users, *after.trend])
        assert all(isinstance(cell, Withheld) for cell in (after.share, after.change, after.uses_per_user))
        return
    assert after.users == users
    if isinstance(after.repeat_users, int):
        assert not is_few(after.repeat_users)
        assert not is_few(users - after.repeat_users)
    assert after.trend[1] is Withheld.FEW
    if isinstance(after.change, float):
        told = round((after.change + 1) * before)  # for whoever knows the change and the previous number
        assert not is_few(users - told)


@pytest.mark.parametrize(("complete", "told"), [(20, 22), (17, 17), (22, 22)])
def test_a_change_does_not_tell_how_few_are_new_today(complete, told):
    """22 users, of whom 2 came only today: a change computed without them would reveal them."""
    row = feature_row(22, before=10, complete=complete)
    report = FeaturesReport(
        filters=filters(), rows=[row], active_users=500, days=[ago(1), ago(0)], published=True
    )
    (after,) = suppress_features(report).rows
    assert after.change == pytest.approx(told / 10 - 1)


def test_the_place_of_a_hidden_row_tells_nothing():
    rows = [feature_row(users, name=name) for users, name in ((4, "b"), (1, "c"), (3, "a"), (9, "d"))]
    report = FeaturesReport(
        filters=filters(sort="-uses"), rows=rows, active_users=99, days=[ago(1), ago(0)], published=True
    )
    assert [row.feature for row in suppress_features(report).rows] == ["d", "a", "b", "c"]


@given(st.lists(people, min_size=8, max_size=8), st.lists(people, min_size=1, max_size=4), st.integers(0, 9))
def test_the_days_and_actions_of_a_feature_add_up_to_nothing_hidden(by_day, by_action, new_today):
    days = [FeatureDay(ago(7 - number), users, users * 2, number < 7) for number, users in enumerate(by_day)]
    complete_users = max(by_day[:7])
    so_far = max(complete_users, by_day[7], *by_action) + min(new_today, by_day[7])
    uses = sum(day.uses for day in days)
    report = FeatureReport(
        filters=replace(filters(range="7d"), first=ago(7)),
        feature="a",
        days=days,
        previous=[],
        actions=[ActionRow(str(number), users, users) for number, users in enumerate(by_action)],
        deployments=[DeploymentRow("cloud", so_far), DeploymentRow("unknown", 0)],
        users_so_far=so_far,
        uses_so_far=uses,
        users=Compared(complete_users),
        uses=Compared(uses - days[-1].uses),
        share=Compared(0.5),
        repeat_users=Compared(0),
        active_users=500,
        active_users_so_far=500,
        published=True,
    )
    after = suppress_feature(report)
    assert not any(is_few(day.users) for day in after.days if isinstance(day.users, int))
    if isinstance(after.users.value, int) and isinstance(after.users_so_far, int):
        assert not is_few(after.users_so_far - after.users.value)
    for exact, day in zip(days, after.days, strict=True):
        assert isinstance(day.uses, Withheld) == (is_few(exact.users) or is_few(so_far))


# --- endpoints ----------------------------------------------------------------------------------


def endpoint_row(users, name="/a"):
    requests = users * 10 + 1
    return EndpointRow(
        name, "GET", requests, 1, 0.1, 5.0, 4.0, 9.0, 9.9, users, 8.0, 0.1, (9.0,), (users,), (users, users)
    )


def endpoints(rows, days):
    total = endpoint_row(max([*(row.users for row in rows), *(day.users for day in days)]), "")
    headline = endpoint_row(max(day.users for day in days if day.complete), "")
    return EndpointsReport(
        filters=filters(range="7d"),
        rows=rows,
        total=total,
        headline=headline,
        previous=headline,
        days=days,
        previous_days=[],
        published=True,
    )


@given(st.lists(people, min_size=1, max_size=6), st.lists(people, min_size=4, max_size=4))
def test_no_endpoint_of_few_is_shown_or_found(by_row, by_day):
    rows = [endpoint_row(users, f"/{number}") for number, users in enumerate(by_row)]
    days = [
        EndpointDay(ago(3 - n), users * 2, 0, 1.0, 2.0, 3.0, users, n < 3) for n, users in enumerate(by_day)
    ]
    report = endpoints(rows, days)
    after = suppress_endpoints(report)
    by_name = {row.endpoint: row for row in after.rows}
    hidden = []
    for row in rows:
        now = by_name[row.endpoint]
        if is_few(row.users):
            assert now.users is Withheld.FEW
        if isinstance(now.users, Withheld):
            hidden.append(row.users)
            assert all(isinstance(cell, Withheld) for cell in (*now[2:9], *now[10:12], *now.trend))
        assert (now.trend_users, now.compared_users) == ((), (0, 0))
    if is_few(report.days[-1].users) or is_few(report.total.users - report.headline.users):
        assert after.headline.requests == after.total.requests, "the difference would be today's few"


def test_an_endpoint_without_identified_users_is_shown():
    days = [EndpointDay(ago(1), 9, 0, 1.0, 2.0, 3.0, 9, True)]
    after = suppress_endpoints(endpoints([endpoint_row(0), endpoint_row(9, "/b")], days))
    assert {row.endpoint: row.requests for row in after.rows} == {"/a": 1, "/b": 91}


# --- retention ----------------------------------------------------------------------------------


@st.composite
def cohort(draw, week):
    users = draw(people)
    mature = draw(st.integers(0, users))
    retained = draw(st.integers(0, mature))
    cells = [
        CohortCell(k, came, came / users if users else None, k == week)
        for k, came in enumerate([users, *(draw(st.integers(0, users)) for _ in range(week))])
    ]
    monday = date(2026, 11, 16) - timedelta(weeks=week)
    rate = retained / mature if mature else None
    return CohortRow(monday, users, cells, mature, retained, rate, mature < users)


@st.composite
def retention(draw):
    rows = [draw(cohort(week)) for week in (3, 2, 1, 0)]
    new, mature, retained = (
        sum(getattr(row, name) for row in rows) for name in ("users", "mature", "retained")
    )
    eligible = sorted((draw(st.integers(0, new)) for _ in range(6)), reverse=True)
    curve = []
    later = new
    for n, number in enumerate(eligible, 1):
        later = draw(st.integers(0, min(number, later)))
        on_day = draw(st.integers(0, later))
        curve.append(CurveDay(n, number, on_day, later, 0.1, 0.2))
    headline = Headline(new, new - mature, mature, retained, retained / mature if mature else None)
    asked = filters(from_="2026-10-26", to=TODAY.isoformat())
    return RetentionReport(
        filters=asked, headline=headline, previous=headline, curve=curve, cohorts=rows, averages=[]
    )


@given(retention())
def test_no_part_of_retention_shows_or_gives_away_few(report):
    after = suppress_retention(report)
    ledger = after.headline
    assert not any(is_few(number) for number in shown(ledger))
    if isinstance(ledger.new_users, int) and isinstance(ledger.mature, int):
        assert not is_few(ledger.new_users - ledger.mature)
    if isinstance(ledger.mature, int) and isinstance(ledger.retained, int):
        assert not is_few(ledger.mature - ledger.retained)
    if isinstance(ledger.retained, Withheld):
        assert not isinstance(ledger.rate, float)
    chain = shown([ledger.new_users, ledger.mature, *(day.eligible for day in after.curve)])
    assert not any(is_few(abs(a - b)) for a in chain for b in chain)
    laters = shown([day.on_or_after for day in after.curve])
    assert not any(is_few(abs(a - b)) for a in laters for b in laters)
    for row in after.cohorts:
        if isinstance(row.users, Withheld):
            assert not shown([row.mature, row.retained, *(cell.users for cell in row.cells)])
            continue
        for cell in row.cells:
            assert isinstance(cell.users, Withheld) or not (
                is_few(cell.users) or is_few(row.users - cell.users)
            )


@given(retention())
def test_weekly_cohorts_do_not_add_up_to_a_hidden_one(report):
    after = suppress_retention(report)
    pairs = (("users", "new_users"), ("mature", "mature"), ("retained", "retained"))
    for column, of_headline in pairs:
        total = getattr(after.headline, of_headline)
        cells = [getattr(row, column) for row in after.cohorts]
        if isinstance(total, int) and any(isinstance(cell, Withheld) for cell in cells):
            assert not is_few(total - sum(shown(cells)))


def test_a_cohort_that_came_back_to_the_last_one_is_not_shown_as_such():
    """Twelve of thirteen came back: who knows thirteen could name the one who did not."""
    report = RetentionReport(
        filters=filters(),
        headline=Headline(13, 0, 13, 12, 12 / 13),
        previous=None,
        curve=[],
        cohorts=[],
        averages=[],
    )
    assert suppress_retention(report).headline == (13, 0, 13, Withheld.HIDDEN, Withheld.HIDDEN)


@pytest.mark.parametrize("number", [0, 5, 80])
def test_none_and_enough_are_shown_as_they_are(number):
    report = RetentionReport(
        filters=filters(),
        headline=Headline(number, 0, number, 0, None),
        previous=None,
        curve=[],
        cohorts=[],
        averages=[],
    )
    assert suppress_retention(report).headline[:4] == (number, 0, number, 0)


# --- rules, one by one --------------------------------------------------------------------------

FEW, HIDDEN = Withheld.FEW, Withheld.HIDDEN


@pytest.mark.parametrize(
    ("number", "whole", "shown_as"),
    [
        (0, 20, 0),
        (4, 20, FEW),
        (5, 20, 5),
        (15, 20, 15),
        (16, 20, HIDDEN),
        (20, 20, 20),
        (HIDDEN, 20, HIDDEN),
        (9, FEW, HIDDEN),
        (DESERTED, 20, FEW),
    ],
)
def test_the_rest_of_a_part_is_not_few_either(number, whole, shown_as):
    assert part(number, whole) == shown_as


def test_numbers_are_apart_by_nothing_or_by_enough():
    assert apart(10, [10, 15, 5])
    assert not apart(10, [10, 14])
    assert not apart(10, [6])


@pytest.mark.parametrize(
    ("people", "shown_as"),
    [
        (Compared(5, 5), Compared(0.5, 0.6)),
        (Compared(4, 5), Compared(HIDDEN, 0.6)),
        (Compared(5, 4), Compared(0.5, HIDDEN)),
        (Compared(FEW, None), Compared(HIDDEN, 0.6)),
        (Compared(0, HIDDEN), Compared(0.5, HIDDEN)),
    ],
)
def test_a_measure_is_hidden_with_its_people(people, shown_as):
    assert measured(Compared(0.5, 0.6), people) == shown_as


def test_two_counts_are_each_on_their_own():
    assert compared(Compared(4, 5)) == Compared(FEW, 5)
    assert compared(Compared(5, 4)) == Compared(5, FEW)
    assert compared(Compared(Withheld.GONE, None)) == Compared(Withheld.GONE, None)


def test_the_smallest_others_are_hidden_first_and_nobody_hides_nobody():
    assert parts_of(40, [4, 10, 6, 0, 20]) == [FEW, None, HIDDEN, None, None]
    assert parts_of(26, [2, 2, 0, 22]) == [FEW, FEW, None, HIDDEN]
    assert parts_of(28, [3, 2, 0, 23]) == [FEW, FEW, None, None]
    assert parts_of(20, [4, 10]) == [FEW, HIDDEN], "also where six others are in no part"


# --- days ---------------------------------------------------------------------------------------


def feature_days(*users):
    last = len(users) - 1
    return [FeatureDay(ago(last - n), number, number, n < last) for n, number in enumerate(users)]


# --- the period before, sealed days, the overview -----------------------------------------------


def feature_report(**changes):
    report = FeatureReport(
        filters=filters(range="7d"),
        feature="a",
        days=feature_days(9, 20, 9),
        previous=feature_days(4, 20, 3),
        actions=[],
        deployments=[],
        users_so_far=30,
        uses_so_far=38,
        users=Compared(20, 24),
        uses=Compared(29, 24),
        share=Compared(0.5, 0.6),
        repeat_users=Compared(18, 20),
        active_users=40,
        active_users_so_far=50,
        published=True,
    )
    return replace(report, **changes)


def test_the_days_of_the_period_before_hide_few_people_too():
    shown_days = suppress_feature(feature_report()).previous
    assert [(day.users, day.uses) for day in shown_days] == [(FEW, HIDDEN), (20, 20), (FEW, HIDDEN)]
    few_before = suppress_feature(feature_report(users=Compared(20, 4))).previous
    assert {day.users for day in few_before} == {HIDDEN}


def test_the_headlines_of_a_feature_hide_few_people_and_what_is_theirs():
    after = suppress_feature(feature_report(users=Compared(20, 4)))
    assert (after.users, after.uses, after.share) == (
        Compared(20, FEW),
        Compared(29, HIDDEN),
        Compared(0.5, HIDDEN),
    )
    assert suppress_feature(feature_report()).repeat_users == Compared(HIDDEN, HIDDEN), "but two; but four"
    assert suppress_feature(feature_report(repeat_users=Compared(15, 19))).repeat_users == Compared(15, 19)


def test_today_of_few_is_in_the_headlines_of_a_feature():
    after = suppress_feature(
        feature_report(days=feature_days(9, 20, 3), users_so_far=22, repeat_users_so_far=7)
    )
    assert (after.users.value, after.uses.value, after.repeat_users.value) == (22, 38, 7)
    assert (after.share.value, after.active_users) == (22 / 50, 50)
    assert (after.repeat_users_so_far, after.active_users_so_far) == (0, 0)


def test_features_of_sealed_days_are_in_the_order_of_uses():
    rows = [feature_row(users, name=name) for users, name in ((9, "b"), (20, "a"), (30, "c"))]
    asked = filters(TODAY, ago(20))
    report = suppress_features(
        FeaturesReport(filters=asked, rows=rows, active_users=99, days=[ago(1), ago(0)], published=True)
    )
    assert [(row.feature, row.uses) for row in report.rows] == [("c", 90), ("a", 60), ("b", 27)]
    assert {row.users for row in report.rows} == {row.share for row in report.rows} == {Withheld.GONE}
    assert report.active_users is Withheld.GONE


def test_endpoints_hide_the_few_of_the_period_before():
    days = [EndpointDay(ago(1), 90, 0, 1.0, 2.0, 3.0, 9, True)]
    before = [EndpointDay(ago(8), 40, 0, 1.0, 2.0, 3.0, users, True) for users in (4, 9)]
    report = replace(
        endpoints([endpoint_row(9)._replace(compared_users=(9, 4))], days),
        previous=endpoint_row(4, ""),
        previous_days=before,
    )
    after = suppress_endpoints(report)
    assert (after.previous.users, after.previous.requests) == (FEW, HIDDEN)
    assert {day.users for day in after.previous_days} == {FEW, HIDDEN}, "few in all"
    assert {day.p95_ms for day in after.previous_days} == {HIDDEN}
    assert (after.rows[0].previous_p95_ms, after.rows[0].change) == (HIDDEN, HIDDEN)
    few_now = replace(report, rows=[endpoint_row(9)._replace(compared_users=(4, 9))])
    assert suppress_endpoints(few_now).rows[0].change is HIDDEN
    assert suppress_endpoints(few_now).rows[0].previous_p95_ms == 8.0


def test_the_trend_of_an_endpoint_hides_days_of_few():
    days = [EndpointDay(ago(1), 9, 0, 1.0, 2.0, 3.0, 9, True)]
    row = endpoint_row(9)._replace(trend=(9.0, 8.0), trend_users=(4, 5))
    assert suppress_endpoints(endpoints([row], days)).rows[0].trend == (HIDDEN, 8.0)


def test_a_hidden_day_hides_its_latency():
    days = [EndpointDay(ago(3 - n), 90, 0, 1.0, 2.0, 3.0, users, True) for n, users in enumerate((4, 9, 20))]
    report = EndpointReport(
        filters=filters(range="7d"),
        endpoint="/a",
        method="GET",
        total=endpoint_row(30),
        headline=endpoint_row(30),
        previous=None,
        days=days,
        previous_days=[],
        statuses=[StatusRow("2xx", 270)],
        latency=[LatencyCell(day.day, 3, 90) for day in days],
        published=True,
    )
    after = suppress_endpoint(report)
    assert [day.users for day in after.days] == [FEW, 9, 20]
    assert [cell.day for cell in after.latency] == [day.day for day in days[1:]]
    assert after.statuses == report.statuses


# --- headlines that must agree with their days --------------------------------------------------


def split_report(**query):
    """Ten days. A week before the last complete one, few users of unknown type also hide the self-hosted."""
    days = [ActiveDay(ago(9 - n), 26, 20, 6, 0, complete=n < 9) for n in range(10)]
    days[1] = days[1]._replace(total=33, self_hosted=9, unknown=4)
    report = active_report(days, **query)
    return replace(report, yesterday=Compared(6, 9), stickiness_days=((6,) * 28, (6,) * 28))


def test_yesterday_is_compared_as_its_day_a_week_earlier_is_shown():
    after = suppress_active_users(split_report(deployment="self-hosted"))
    assert after.days[1].total is HIDDEN
    assert after.yesterday == Compared(6, HIDDEN)
    assert after.highest.total == 6, "the hidden day is not the highest"
    assert after.average.value is HIDDEN
    assert suppress_active_users(split_report()).yesterday == Compared(26, 33)


def test_stickiness_of_a_deployment_type_needs_all_of_its_days():
    hidden = suppress_active_users(split_report(deployment="self-hosted"))
    assert hidden.stickiness.value is HIDDEN
    assert suppress_active_users(split_report()).stickiness == Compared(0.5, 0.5)


def test_stickiness_goes_with_the_people_of_its_28_days():
    days = [ActiveDay(ago(1), 4, 4, 0, 0, True), ActiveDay(ago(0), 9, 9, 0, 0, False)]
    of_each = dict.fromkeys(("dau", "wau", "mau"), days)
    report = replace(
        split_report(), series=of_each, history=of_each, previous_series={metric: [] for metric in of_each}
    )
    after = suppress_active_users(report)
    assert (after.mau.value, after.stickiness.value) == (FEW, HIDDEN)


def plain_cohort(monday, users, came):
    cells = [CohortCell(0, users, 1.0, False), CohortCell(1, came, came / users, False)]
    return CohortRow(monday, users, cells, users, 0, 0.0, False)


def test_a_cohort_that_touches_the_range_is_a_part_of_its_headline():
    sunday = date(2026, 11, 1)
    rows = [
        plain_cohort(date(2026, 10, 26) + timedelta(weeks=n), users, 5) for n, users in enumerate((6, 4, 30))
    ]
    report = RetentionReport(
        filters=filters(from_=sunday.isoformat(), to="2026-11-15"),
        headline=Headline(40, 0, 40, 0, 0.0),
        previous=Headline(4, 0, 4, 0, 0.0),
        curve=[],
        cohorts=rows,
        averages=[0.9] * 12,
    )
    after = suppress_retention(report)
    assert [row.users for row in after.cohorts] == [HIDDEN, FEW, 30]
    assert after.previous == (FEW, HIDDEN, HIDDEN, HIDDEN, HIDDEN)
    assert after.averages[:3] == [1.0, 5 / 30, None], "of what is shown"
    later = replace(report, filters=filters(from_="2026-11-02", to="2026-11-15"))
    assert suppress_retention(later).cohorts[0].users == 6
