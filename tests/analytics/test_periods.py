"""Report days, and the questions that reports are asked."""

from datetime import UTC, date, datetime, timedelta

import pytest

from analytics import periods
from analytics.reports.filters import FilterError, ReportFilters
from tests.analytics.factories import TODAY, filters


def test_a_day_of_the_report_zone_begins_at_its_own_midnight(settings):
    settings.REPORT_TIME_ZONE = "America/New_York"
    assert periods.day_starts_at(date(2026, 11, 17)) == datetime(2026, 11, 17, 5, tzinfo=UTC)
    assert periods.report_today(datetime(2026, 11, 17, 4, 59, tzinfo=UTC)) == date(2026, 11, 16)


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_days_of_the_clock_change_are_shorter_and_longer(settings, day, hours):
    settings.REPORT_TIME_ZONE = "Europe/Berlin"
    since, until = periods.bounds(day, day)
    assert until - since == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("range_", "days", "shift"), [("7d", 7, 7), ("30d", 30, 35), ("90d", 90, 91), ("12m", 364, 364)]
)
def test_presets_end_today_and_are_compared_with_the_same_weekdays(range_, days, shift):
    asked = filters(range=range_)
    assert (asked.last, asked.length) == (TODAY, days)
    assert asked.previous.first == asked.first - timedelta(days=shift)
    assert asked.previous.first.weekday() == asked.first.weekday()
    assert asked.complete.last == TODAY - timedelta(days=1)
    assert asked.previous_complete.last == asked.complete.last - timedelta(days=shift)


def test_from_and_to_alone_make_a_custom_range():
    asked = filters(from_="2026-10-01", to="2026-10-31")
    assert (asked.range, asked.first, asked.last) == ("custom", date(2026, 10, 1), date(2026, 10, 31))
    assert asked.complete.length == 31
    assert filters(range="custom", from_="2026-11-01").last == TODAY


def test_both_spellings_of_self_hosted_are_one():
    assert filters(deployment="self_hosted") == filters(deployment="self-hosted")


def test_empty_parameters_count_as_left_out():
    names = ("range", "from", "to", "deployment", "org", "internal", "compare", "activity", "metric", "sort")
    assert ReportFilters.from_query(dict.fromkeys(names, ""), today=TODAY) == filters()


@pytest.mark.parametrize(
    ("parameter", "query"),
    [
        ("range", {"range": "31d"}),
        ("from", {"range": "custom"}),
        ("from", {"range": "custom", "from": "yesterday"}),
        ("from", {"from": "2026-02-30"}),
        ("from", {"from": "20261101"}),
        ("from", {"from": "2026-11-02", "to": "2026-11-01"}),
        ("from", {"from": "2025-10-01", "to": "2026-11-05"}),
        ("from", {"from": "0001-01-01", "to": "0001-01-05"}),
        ("to", {"from": "2026-11-01", "to": "2026-11-18"}),
        ("deployment", {"deployment": "on-premises"}),
        ("org", {"org": "acme@example.com"}),
        ("org", {"org": "A" * 32}),
        ("internal", {"internal": "yes"}),
        ("compare", {"compare": "2"}),
        ("activity", {"activity": "logins"}),
        ("definition", {"definition": "30d"}),
        ("metric", {"metric": "yau"}),
        ("sort", {"sort": "name; DROP TABLE"}),
    ],
)
def test_what_cannot_be_used_is_refused_by_name_and_never_repeated(parameter, query):
    with pytest.raises(FilterError) as caught:
        ReportFilters.from_query(query, today=TODAY)
    assert caught.value.parameter == parameter
    assert f"“{parameter}”" in str(caught.value)
    for value in query.values():
        assert value not in str(caught.value) or value in ("custom", "2026-11-01")


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"range": "12m", "deployment": "unknown", "compare": "0", "sort": "-p95"},
        {"from": "2026-10-01", "to": "2026-10-03", "org": "a" * 32, "internal": "1", "metric": "mau"},
        {"activity": "login", "definition": "login_window"},
    ],
)
def test_an_address_made_of_filters_asks_the_same(query):
    asked = ReportFilters.from_query(query, today=TODAY)
    assert ReportFilters.from_query(asked.query(), today=TODAY) == asked


def test_the_scope_says_what_is_asked():
    words = filters(deployment="cloud", activity="login").scope_text
    assert words.startswith("19 Oct to 17 Nov 2026, days of UTC · today is not over")
    assert "5 weeks earlier" in words
    assert "Cloud" in words
    assert "sign-ins only" in words
