"""The report pages: their switches, their order, and what they say where there is nothing to show."""

import pytest
from django.test import Client

from tests.dashboards.conftest import days_ago, feature_used, people, requested, signed_in
from tests.support.pages import one_line


def page_of(client: Client, address: str) -> str:
    answer = client.get(f"/dashboards/{address}")
    assert answer.status_code == 200
    return one_line(answer)


def test_a_switch_changes_one_parameter_and_marks_the_current_one(staff: Client) -> None:
    page = page_of(staff, "retention/?range=7d&definition=login_window")

    assert 'href="?range=7d">Seen again' in page
    assert 'definition=login_window" aria-current="true">Signed in again' in page
    assert "measured from the first sign-in to the second" in page
    assert "Day 0 is the day" in page_of(staff, "retention/?range=7d")


@pytest.mark.parametrize(
    ("query", "heading", "definition"),
    [
        ("", "Users active each day", "at least one event of theirs that day"),
        ("?metric=wau", "Users active in the 7 days", "in the 7 days that end on the day"),
        ("?metric=mau&activity=login", "Users active in the 28 days", "at least one sign-in that day"),
    ],
)
def test_the_measure_is_named_and_defined(staff: Client, query: str, heading: str, definition: str) -> None:
    page = page_of(staff, f"active-users/{query}")

    assert heading in page
    assert definition in page


def test_nobody_is_said_only_when_nobody_was_there(staff: Client) -> None:
    assert "Nobody was active" in page_of(staff, "active-users/?range=7d")
    signed_in(*people(6), at=days_ago(10))  # in the earlier period alone
    assert "Nobody was active" not in page_of(staff, "active-users/?range=7d")


def test_yesterday_is_named_where_the_range_reaches_today(staff: Client) -> None:
    signed_in(*people(6), at=days_ago(40))
    first, last = (f"{days_ago(days):%Y-%m-%d}" for days in (45, 35))

    assert ">Yesterday<" in page_of(staff, "active-users/?range=7d")
    assert ">Last day of the range<" in page_of(staff, f"active-users/?range=custom&from={first}&to={last}")


def test_features_come_by_users_unless_sorted(staff: Client) -> None:
    feature_used(*people(6), feature="few")
    feature_used(*people(9), feature="many")

    page = page_of(staff, "features/?range=7d")

    assert page.index("<code>many</code>") < page.index("<code>few</code>")
    assert 'aria-sort="descending"><a href="?range=7d&amp;sort=users">Users' in page


def test_a_feature_is_shown_by_action_and_by_deployment(staff: Client) -> None:
    feature_used(*people(9), action="created")
    feature_used(*people(7, "other"), action="opened", deployment="self-hosted")

    page = page_of(staff, "features/export/?range=7d")

    assert '<th scope="row"><code>created</code></th>' in page
    assert '<th scope="row">Self-hosted</th>' in page
    assert 'class="v2"' in page
    assert '<p class="crumb"><a href="/dashboards/features/?range=7d">' in page


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("features/nothing/", "No use of this feature matches these filters"),
        ("endpoints/detail/?endpoint=/nothing&method=GET", "No requests match these filters"),
        ("features/", "No feature use matches these filters"),
        ("endpoints/", "No requests match these filters"),
    ],
)
def test_where_nothing_matches_the_page_says_so_and_offers_a_way_out(
    staff: Client, page: str, words: str
) -> None:
    divider = "&" if "?" in page else "?"

    shown = page_of(staff, f"{page}{divider}range=7d&deployment=cloud")

    assert words in shown
    assert " between " in shown
    assert ", cloud." in shown
    assert f'href="/dashboards/{page.partition("?")[0]}">Clear filters' in shown
    assert "data-figure" not in shown


def test_an_endpoint_shows_its_failures_apart(staff: Client) -> None:
    requested(*people(9))

    page = page_of(staff, "endpoints/detail/?endpoint=/api/things/{id}&method=GET&range=7d")

    assert "<h1><code>GET /api/things/{id}</code></h1>" in page
    assert '<a href="/dashboards/endpoints/?range=7d">Endpoint performance</a>' in page
    assert '<th scope="row">2xx</th>' in page


def test_an_endpoint_without_a_name_has_a_title(staff: Client) -> None:
    assert "<h1><code>Endpoint</code></h1>" in page_of(staff, "endpoints/detail/")


def test_largest_changes_are_shown_only_beside_another_period(staff: Client) -> None:
    feature_used(*people(110), at=days_ago(2))
    feature_used(*people(120), at=days_ago(9))

    assert 'id="h-changes"' in page_of(staff, "?range=7d&compare=1")
    assert 'id="h-changes"' not in page_of(staff, "?range=7d&compare=0")
