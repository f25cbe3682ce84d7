"""A small group is shown as <5, and its size is nowhere in what the browser receives."""

import json
import re

import pytest
from django.test import Client

from tests.dashboards.conftest import NOBODY, days_ago, feature_used, people, requested, signed_in
from tests.support.pages import one_line

FIGURE = re.compile(r'<script id="figure-[\w-]+" type="application/json">(.*?)</script>', re.DOTALL)


def page_of(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return one_line(response)


def figure_of(page: str) -> dict[str, object]:
    found = FIGURE.search(page)
    assert found
    figure: dict[str, object] = json.loads(found[1])
    return figure


def row_of(page: str, name: str) -> str:
    """The table row with this name in its head."""
    rows = re.findall(r"<tr.*?</tr>", page, re.DOTALL)
    return next(row for row in rows if f"<code>{name}</code>" in row)


def test_a_feature_of_three_people_shows_no_count(staff: Client) -> None:
    signed_in(*people(40))
    feature_used(*people(20), feature="export")
    feature_used(*people(3), feature="secret_plan", at=days_ago(2))

    row = row_of(page_of(staff, "/dashboards/features/"), "secret_plan")

    assert "&lt;5" in row
    assert not re.search(r">\s*3\s*<", row)
    assert 'class="v"' not in row  # no bar whose length could be measured
    assert "<path" not in row  # and no line


def test_a_feature_of_three_people_is_in_no_figure(staff: Client) -> None:
    signed_in(*people(40))
    feature_used(*people(20), feature="export")
    for days, users in ((2, 3), (3, 8), (4, 9), (5, 10)):
        feature_used(*people(users), feature="secret_plan", at=days_ago(days))

    figure = figure_of(page_of(staff, "/dashboards/features/secret_plan/"))

    values = [value for trace in figure["data"] for value in trace["y"]]  # type: ignore[attr-defined]
    assert 10 in values
    assert 3 not in values
    assert None in values


@pytest.mark.parametrize("page", ["/dashboards/features/", "/dashboards/features/secret_plan/"])
def test_if_all_is_hidden_the_page_says_so_and_draws_no_empty_axes(staff: Client, page: str) -> None:
    feature_used(*people(1), feature="secret_plan", at=days_ago(0))

    shown = page_of(staff, page)

    assert "Too few people to draw" in shown
    assert not FIGURE.search(shown)
    assert "&lt;5" in shown


def test_the_overview_of_one_person_says_fewer_and_not_a_hidden_share(staff: Client) -> None:
    feature_used(*people(1), feature="timer", at=days_ago(0))

    shown = page_of(staff, "/dashboards/")

    assert re.search(r"&lt;5</span></b><span class=\"unit\">use <code>timer</code>", shown)


def test_a_day_of_three_active_people_shows_no_count(staff: Client) -> None:
    signed_in(*people(3), at=days_ago(2))
    signed_in(*people(30), at=days_ago(1))

    page = page_of(staff, "/dashboards/active-users/?range=7d")
    values = [value for trace in figure_of(page)["data"] for value in trace["y"]]  # type: ignore[attr-defined]

    assert "&lt;5" in page
    assert 3 not in values
    assert 30 in values
    assert ">3<" not in page


def test_requests_of_three_named_people_are_hidden(staff: Client) -> None:
    requested(*people(3), endpoint="/named", ms=123)
    requested(*people(9), endpoint="/busy", ms=45)

    row = next(row for row in page_of(staff, "/dashboards/endpoints/").split("<tr") if "named</code>" in row)

    assert "&lt;5" in row
    assert "123 ms" not in row


def test_an_endpoint_of_three_named_people_shows_neither_their_number_nor_their_time(staff: Client) -> None:
    requested(*people(3), endpoint="/named", ms=123, at=days_ago(2))

    page = page_of(staff, "/dashboards/endpoints/detail/?endpoint=/named&method=GET")

    day = next(row for row in page.split("<tr") if f"{days_ago(2):%-d %b}</" in row)
    assert day.count("hidden") == 5
    assert "123 ms" not in page
    assert 123 not in [y for trace in figure_of(page)["data"] for y in trace["y"]]  # type: ignore[attr-defined]


def test_requests_without_any_named_user_are_shown(staff: Client) -> None:
    requested(*[NOBODY] * 3, endpoint="/unnamed", ms=20)

    page = page_of(staff, "/dashboards/endpoints/")

    assert "none named" in page
    assert "<b>20 ms</b>" in page


def test_sessions_of_few_people_are_hidden_and_those_of_many_are_shown(staff: Client) -> None:
    def panel() -> str:
        page = page_of(staff, "/dashboards/active-users/?range=7d")
        return page.partition('aria-labelledby="h-sessions"')[2].partition("</section>")[0]

    signed_in(*people(3))
    assert "Median duration" in panel()
    assert "&lt;5" in panel()
    signed_in(*people(30))
    assert '<td class="num">30</td>' in panel()  # people who signed in
    assert '<td class="num">1.1</td>' in panel()  # 33 sign-ins of 30 people
