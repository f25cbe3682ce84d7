"""What a report is asked for: parameters, periods, and the words and addresses made of them."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from analytics.reports.filters import ReportFilters
from analytics.reports.parameters import PARAMETERS, SORTS, FilterError
from analytics.reports.sorting import ENDPOINT_COLUMNS, FEATURE_COLUMNS
from consent.registry.dimensions import TAKEN
from consent.registry.registry import current_registry
from dashboards.api.documents import question_of
from dashboards.api.exports import EXPORTS
from tests.support.events import TODAY, filters


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
    assert ReportFilters.from_query(dict.fromkeys(names, ""), today=TODAY, last_sealed=None) == filters()


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
        ReportFilters.from_query(query, today=TODAY, last_sealed=None)
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
    asked = ReportFilters.from_query(query, today=TODAY, last_sealed=None)
    assert ReportFilters.from_query(asked.query(), today=TODAY, last_sealed=None) == asked


@pytest.mark.parametrize(
    ("query", "dates", "shift"),
    [
        ({}, "19 Oct to 17 Nov 2026", "5 weeks earlier"),
        ({"range": "7d"}, "11 Nov to 17 Nov 2026", "1 week earlier"),
        ({"from": "2026-11-02", "to": "2026-11-09"}, "2 Nov to 9 Nov 2026", "2 weeks earlier"),
        ({"from": "2026-11-02", "to": "2026-11-02"}, "2 Nov 2026", "1 week earlier"),
        ({"from": "2025-12-31", "to": "2026-01-01"}, "31 Dec 2025 to 1 Jan 2026", "1 week earlier"),
    ],
)
def test_the_range_and_the_period_before_in_words(query, dates, shift):
    asked = ReportFilters.from_query(query, today=TODAY, last_sealed=None)
    assert (asked.dates_label, asked.shift_label) == (dates, shift)
    assert asked.range_label == ({"7d": "Last 7 days", "30d": "Last 30 days"}.get(asked.range) or dates)


# --- borders ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "length"),
    [
        ({"from": "2026-11-17"}, 1),  # today alone
        ({"from": "2025-10-14", "to": "2026-11-17"}, 400),
        ({"from": "2000-01-01", "to": "2000-01-01"}, 1),
        ({"range": "7d", "from": "2020-01-01"}, 7),  # a preset has its own days
    ],
)
def test_the_longest_and_the_earliest_ranges_are_answered(query, length):
    asked = ReportFilters.from_query(query, today=TODAY, last_sealed=None)
    assert asked.length == length


@pytest.mark.parametrize(
    "query", [{"from": "2025-10-13", "to": "2026-11-17"}, {"from": "1999-12-31", "to": "2000-01-02"}]
)
def test_one_day_more_is_refused(query):
    with pytest.raises(FilterError, match="less than 400 days"):
        ReportFilters.from_query(query, today=TODAY, last_sealed=None)


@pytest.mark.parametrize("value", ["1", "true", "TRUE"])
def test_flags_are_numbers_or_words(value):
    assert filters(internal=value).include_internal
    assert not filters().include_internal
    assert filters().compare
    assert not filters(compare={"1": "0"}.get(value, "False")).compare


def test_links_to_other_pages_carry_what_every_page_understands():
    asked = filters(range="7d", org="a" * 32, deployment="cloud", compare="0", internal="1", sort="-users")
    pairs = f"range=7d&deployment=cloud&org={'a' * 32}&internal=1&compare=0"
    assert replace(asked, metric="mau").navigation_querystring == pairs
    assert filters().navigation_querystring == ""


def test_today_is_part_of_the_range_but_of_no_complete_day():
    assert filters(from_="2026-11-10").includes_today
    assert not filters(from_="2026-11-10", to="2026-11-16").includes_today
    assert filters(from_="2026-11-17").complete.length == 0


@pytest.mark.parametrize(
    ("last_sealed", "sealed_until", "compare"),
    [
        (None, None, True),
        (date(2026, 10, 11), None, True),  # the day before the period before
        (date(2026, 10, 12), None, False),  # that period's first day
        (date(2026, 11, 1), None, False),
        (date(2026, 11, 2), date(2026, 11, 2), False),  # the range's first day
        (date(2026, 11, 10), date(2026, 11, 10), False),
    ],
)
def test_sealed_days_of_the_range_are_named_and_none_is_compared_with(last_sealed, sealed_until, compare):
    asked = filters(TODAY, last_sealed, from_="2026-11-02")
    assert asked.previous.first == date(2026, 10, 12)
    assert (asked.sealed_until, asked.compare) == (sealed_until, compare)
    assert not filters(TODAY, last_sealed, from_="2026-11-02", compare="0").compare


def test_a_range_keeps_its_days_that_are_not_sealed():
    asked = filters(TODAY, date(2026, 11, 16), from_="2026-11-02")
    assert (asked.unsealed.first, asked.unsealed.length) == (TODAY, 1)
    assert [asked.is_sealed(date(2026, 11, day)) for day in (16, 17)] == [True, False]
    assert asked.reaches_sealed
    with pytest.raises(FilterError, match="2026-11-18 or later"):
        _ = filters(TODAY, TODAY, from_="2026-11-02").unsealed


def test_of_one_organization_and_of_internal_use_sealed_days_keep_nothing():
    sealed = date(2026, 11, 5)
    assert filters(TODAY, sealed, from_="2026-11-02").countable.first == date(2026, 11, 2)
    for one in ({"org": "a" * 32}, {"internal": "1"}):
        assert filters(TODAY, sealed, from_="2026-11-02", **one).countable.first == date(2026, 11, 6)


def test_columns_that_rows_are_sorted_by_can_be_asked_for():
    assert {*FEATURE_COLUMNS, *ENDPOINT_COLUMNS, "name", "endpoint"} <= SORTS


def test_dimensions_are_read_in_the_registrys_order_and_written_again():
    asked = filters(platform="{none}", app="web", unknown="x", app_version="")
    assert asked.dimensions == (("app", "web"), ("platform", ""))
    assert asked.query() == {"app": "web", "platform": "{none}"}
    assert filters(**asked.query()) == asked
    assert asked.navigation_querystring == "app=web&platform=%7Bnone%7D"
    assert asked.complete.dimensions == asked.previous.dimensions == asked.dimensions


def test_a_filter_by_dimensions_leaves_sealed_days_out():
    sealed = TODAY - timedelta(days=10)
    assert filters(last_sealed=sealed, app="web").countable.first == sealed + timedelta(days=1)
    assert filters(last_sealed=sealed).countable.first < sealed


def test_no_dimension_has_the_name_of_a_parameter():
    exports = {name for export in EXPORTS.values() for name in export.extra}
    pages = {"endpoint", "method", "rows", "print", "period"}
    told = {*question_of(filters()), "sealed_until"} - {*current_registry().dimensions}
    assert {*PARAMETERS, *exports, *pages, *told, "by", "format", "step", "window"} <= TAKEN
