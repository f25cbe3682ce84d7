"""The tags and filters of templates: words for times, what is hidden, links that carry filters."""

from datetime import date, timedelta
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from django.test import RequestFactory
from django.utils import timezone

from analytics.reports.cells import Compared, Withheld
from analytics.reports.filters import ReportFilters
from dashboards import numbers
from dashboards.templatetags import candid
from dashboards.views.reports.overview_rows import CoveragePart

TODAY = date(2026, 11, 30)


def filters(**query: str) -> ReportFilters:
    return ReportFilters.from_query(query, today=TODAY, last_sealed=None)


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (None, numbers.NO_DATA),
        (0, numbers.NO_DATA),
        (0.418, "418 ms"),
        (59.9, "59.90 s"),
        (60, "1 min"),
        (1080, "18 min"),
    ],
)
def test_a_duration_is_in_the_unit_that_reads_well(length: float | None, words: str) -> None:
    assert candid.duration(None if length is None else timedelta(seconds=length)) == words


def test_a_minute_that_is_not_over_is_the_last_minute() -> None:
    now = timezone.now()
    assert candid.ago(now - timedelta(seconds=110)) == "in the last minute"
    assert candid.ago(now - timedelta(minutes=2)).replace("\xa0", " ") == "2 minutes ago"


def test_exactly_at_the_limit_is_not_above_it() -> None:
    assert not candid.is_above(0.01, 0.01)
    assert candid.is_above(0.0101, 0.01)
    assert not candid.is_above(Withheld.HIDDEN, 0.01)
    assert not candid.is_above(None, 0.01)


def test_a_share_without_its_sign_keeps_what_is_hidden() -> None:
    assert candid.percent_bare(0.442) == "44"
    assert "hidden" in candid.percent_bare(Withheld.HIDDEN)
    assert candid.is_hidden(Withheld.GONE)
    assert not candid.is_hidden(0)


def test_a_change_is_of_two_values_or_of_a_comparison() -> None:
    assert candid.change(110, 100) == candid.change(Compared(110, 100))
    assert "10" in candid.change_of(0.1)
    assert candid.change_of(0.1, good="up") != candid.change_of(0.1, good="down")
    assert "svg" not in candid.change_of(Withheld.HIDDEN)


def test_a_line_is_drawn_unless_most_of_its_days_are_hidden() -> None:
    hidden, gone = Withheld.HIDDEN, Withheld.GONE
    assert "<svg" in candid.row_sparkline([1, 2, hidden, hidden])
    assert candid.row_sparkline([1, hidden, hidden]) == f'<span class="muted">{escaped(hidden)}</span>'
    assert candid.row_sparkline([gone, hidden, gone]) == f'<span class="muted">{escaped(gone)}</span>'
    assert candid.row_sparkline([gone, hidden]) == f'<span class="muted">{escaped(hidden)}</span>'


def escaped(mark: Withheld) -> str:
    return str(mark).replace("<", "&lt;")


def test_the_bar_of_a_consent_row_has_no_length_where_a_part_is_hidden() -> None:
    part = CoveragePart("Opted in", "in", "", 30, 0.75)
    few = CoveragePart("Opted out", "out", "k2", Withheld.HIDDEN, None)
    assert "Too few to draw" in candid.share_of_parts([part, few])
    assert 'aria-label="30 opted in"' in candid.share_of_parts([part])


def test_a_route_may_break_and_is_escaped() -> None:
    assert candid.breakable("/a-b/<i>") == "/<wbr>a-<wbr>b/<wbr>&lt;i&gt;"


@pytest.mark.parametrize(
    ("asked", "address", "order"),
    [
        ("", "?sort=users", "descending"),  # the page's own order
        ("?sort=-users", "?sort=users", "descending"),
        ("?sort=users", "?sort=-users", "ascending"),
        ("?sort=name&range=7d", "?sort=-users&range=7d", ""),
    ],
)
def test_a_column_head_turns_the_order_round(asked: str, address: str, order: str) -> None:
    request = RequestFactory().get(f"/dashboards/features/{asked}")
    context = {"request": request, "filters": SimpleNamespace(sort=request.GET.get("sort", ""))}
    head = candid.sort_head(context, "users", "Users", default="-users")
    assert (head["address"], head["order"]) == (address, order)


def test_links_to_other_reports_carry_the_filters_and_quote_what_they_name() -> None:
    plain, asked = {"filters": filters()}, {"filters": filters(range="7d", sort="users", metric="wau")}
    assert candid.report_address(plain, "features") == "/dashboards/features/"
    assert candid.report_address(asked, "retention") == "/dashboards/retention/?range=7d"
    assert candid.report_address(asked, "feature", "a b?c") == "/dashboards/features/a%20b%3Fc/?range=7d"
    address = candid.report_address(plain, "endpoint", endpoint="/a/{id}&b", method="GET")
    assert address == "/dashboards/endpoints/detail/?endpoint=%2Fa%2F%7Bid%7D%26b&method=GET"


@pytest.mark.parametrize("name", ["..", "a/../b", "./a", "a//b", "/a", "a/", "detail"])
def test_a_name_that_cannot_stand_in_a_path_stands_in_the_query(name: str) -> None:
    asked = {"filters": filters(range="7d")}
    query = urlencode({"feature": name}, safe="")
    assert candid.feature_address(asked, name) == f"/dashboards/features/detail/?{query}&range=7d"
    assert candid.feature_address(asked, "a/b..c/d.") == "/dashboards/features/a/b..c/d./?range=7d"
