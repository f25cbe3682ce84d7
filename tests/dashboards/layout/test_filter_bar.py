"""The filter bar: what it accepts, what it says, and which parameters its links keep."""

import re
from html import unescape

import pytest
from django.test import Client

from consent.models import Organization
from tests.dashboards.conftest import feature_used, people, pseudonym, requested, signed_in
from tests.support.pages import one_line

PAGE = "/dashboards/active-users/"


def text(client: Client, address: str, status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status
    return one_line(response)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("range=never", "“range” must be one of: 7d, 30d, 90d, 12m, custom"),
        ("range=custom&from=2026-13-01", "“from” must be a date"),
        ("deployment=moon", "“deployment” must be one of"),
        ("org=somebody@example.org", "“org” must be the label or pseudonym of a known organization"),
        ("metric=sum", "“metric” must be one of"),
        ("sort=password", "“sort” must be a column"),
    ],
)
def test_an_invalid_filter_is_named_and_nothing_is_shown(staff: Client, query: str, said: str) -> None:
    page = text(staff, f"{PAGE}?{query}", status=400)

    assert said in page
    assert "somebody@example.org" not in page
    assert "data-figure" not in page


def test_the_scope_says_what_is_shown(staff: Client) -> None:
    page = text(staff, f"{PAGE}?range=custom&from=2026-10-19&to=2026-11-15&internal=1&deployment=cloud")

    assert "19 Oct to 15 Nov 2026 (UTC)" in page
    assert "compared with 21 Sep to 18 Oct, same weekdays" in page
    assert "opted-in users, cloud, internal use included" in page
    assert "counts under 5 hidden" in page


def test_exports_carry_the_filters(staff: Client) -> None:
    page = text(staff, f"{PAGE}?range=7d&metric=wau&deployment=self_hosted")

    for format_name in ("csv", "json"):
        assert (
            "/api/reports/daily-active-users?range=7d&amp;deployment=self-hosted&amp;metric=wau"
            f"&amp;format={format_name}" in page
        )


def test_links_of_the_navigation_carry_the_filters(staff: Client) -> None:
    page = text(staff, f"{PAGE}?range=7d&deployment=cloud&metric=wau")

    assert "/dashboards/retention/?range=7d&amp;deployment=cloud" in page


def test_an_organization_is_chosen_by_label_or_by_the_start_of_its_pseudonym(staff: Client) -> None:
    Organization.objects.create(pseudonym=pseudonym("acme"), label="Acme")

    for asked in ("Acme", "acme", pseudonym("acme"), pseudonym("acme")[:8]):
        assert f'<option value="{pseudonym("acme")}" selected>' in text(staff, f"{PAGE}?org={asked}")


def test_above_fifty_organizations_the_list_becomes_a_search_field(staff: Client) -> None:
    Organization.objects.bulk_create(
        Organization(pseudonym=pseudonym(str(i)), label=f"Customer {i}") for i in range(51)
    )

    page = text(staff, f"{PAGE}?org={pseudonym('7')}")

    assert '<datalist id="organizations">' in page
    assert 'id="org" class="org" type="search" name="org"' in page
    assert 'value="Customer 7"' in page


def test_up_to_fifty_organizations_are_a_list(staff: Client) -> None:
    Organization.objects.bulk_create(
        Organization(pseudonym=pseudonym(str(i)), label=f"Customer {i}") for i in range(50)
    )

    page = text(staff, f"{PAGE}?org={pseudonym('7')}")

    assert "<datalist" not in page
    assert f'<option value="{pseudonym("7")}" selected>Customer 7' in page


def test_presets_keep_the_other_filters_and_custom_starts_with_the_current_dates(staff: Client) -> None:
    page = text(staff, "/dashboards/features/?range=7d&deployment=cloud&sort=name&rows=all&nonsense=1")

    presets = page.partition('aria-label="Date range"')[2].partition("</div>")[0]
    assert 'href="?range=90d&amp;deployment=cloud&amp;sort=name"' in presets
    assert re.search(r'"\?range=custom&amp;from=\d{4}-\d\d-\d\d&amp;to=\d{4}-\d\d-\d\d&amp;dep', presets)
    assert re.findall(r'aria-current="true"\s*>\s*([^<]+?)\s*<', presets) == ["7 days"]


def test_the_form_keeps_what_it_has_no_field_for(staff: Client) -> None:
    page = text(staff, f"{PAGE}?activity=login&metric=wau&rows=all&range=90d")

    for name, value in (("activity", "login"), ("metric", "wau"), ("rows", "all"), ("range", "90d")):
        assert f'<input type="hidden" name="{name}" value="{value}">' in page
    assert "sign-ins only" in page


@pytest.mark.parametrize("value", ['"><script>', "<b>"])
def test_what_an_address_contains_is_escaped_on_the_page(staff: Client, value: str) -> None:
    for page in ("features/", f"features/{value}/", "endpoints/detail/", "active-users/"):
        query = dict.fromkeys(("endpoint", "method", "org", "rows"), value)
        answer = staff.get(f"/dashboards/{page}", query)
        assert value not in answer.content.decode()


def test_the_scope_names_the_chosen_organization(staff: Client) -> None:
    Organization.objects.create(pseudonym=pseudonym("acme"), label="Acme")

    assert f"opted-in users, Acme ({pseudonym('acme')[:6]}), internal" in text(staff, f"{PAGE}?org=acme")
    assert f"opted-in users, {'e' * 6}, internal" in text(staff, f"{PAGE}?org={'e' * 32}")


def test_two_organizations_with_one_label_are_not_mixed_up(staff: Client) -> None:
    for name in ("a", "b"):
        Organization.objects.create(pseudonym=pseudonym(name), label="Acme")

    assert "fits more than one organization" in text(staff, f"{PAGE}?org=Acme", status=400)


def test_without_a_script_the_form_has_a_button_and_says_no_to_compare(staff: Client) -> None:
    page = text(staff, f"{PAGE}?compare=0&compare=0")

    assert 'type="submit">Apply</button>' in page
    assert '<input type="hidden" name="compare" value="0">' in page
    assert "same weekdays</span>" not in page


def test_tables_sort_by_link(staff: Client) -> None:
    feature_used(*people(6), feature="zoom")
    feature_used(*people(9), feature="apple")

    page = text(staff, "/dashboards/features/?sort=name")

    assert page.index("<code>apple</code>") < page.index("<code>zoom</code>")
    assert 'aria-sort="ascending"' in page
    assert "?sort=-name" in page


def test_a_days_table_is_short_until_all_is_asked_for(staff: Client) -> None:
    signed_in(*people(6))

    assert "Showing 14 of 90 days" in text(staff, f"{PAGE}?range=90d")
    whole = text(staff, f"{PAGE}?range=90d&rows=all").partition('aria-labelledby="h-table"')[2]
    assert whole.count('<th scope="row"') == 90


def test_endpoint_details_keep_their_endpoint_when_a_filter_changes(staff: Client) -> None:
    requested(*people(6))

    page = text(staff, "/dashboards/endpoints/detail/?endpoint=/api/things/{id}&method=GET")

    assert '<input type="hidden" name="endpoint" value="/api/things/{id}">' in page
    assert "endpoint=%2Fapi%2Fthings%2F%7Bid%7D" in page


@pytest.mark.parametrize(
    "page", ["active-users/", "features/", "features/export/", "endpoints/", "retention/", "installations/"]
)
def test_the_export_links_of_a_page_work_in_its_session(staff: Client, page: str) -> None:
    feature_used(*people(9))
    markup = text(staff, f"/dashboards/{page}?range=7d")

    links = [unescape(link) for link in re.findall(r'<a href="(/api/reports/[^"]+)" download', markup)]

    assert [staff.get(link)["Content-Type"].split(";")[0] for link in links] == [
        "text/csv",
        "application/json",
    ]


def test_the_export_of_one_feature_asks_for_that_feature(staff: Client) -> None:
    name = "a b/c&d"
    feature_used(*people(9), feature=name)
    feature_used(*people(9), feature="other")
    page = staff.get("/dashboards/features/a%20b/c&d/?range=7d&rows=all").content.decode()

    address = unescape(re.search(r'href="(/api/reports/[^"]*format=json)"', page)[1])
    rows = staff.get(address).json()["rows"]

    assert [row["feature"] for row in rows] == [name]


def test_installations_offer_only_the_filters_that_apply_to_them(staff: Client) -> None:
    page = staff.get("/dashboards/installations/?internal=1&deployment=cloud").content.decode()

    assert "Internal use" not in page
    assert "opted-in users" not in page
    assert "<span>installations, cloud</span>" in page
    assert '<input type="hidden" name="internal" value="1">' in page  # kept for the next page
