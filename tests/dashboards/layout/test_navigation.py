"""The navigation: one current link; links keep the filters, except those into the admin."""

from collections.abc import Mapping
from datetime import date

from django.http import HttpRequest
from django.test import Client, RequestFactory

from analytics.reports.filters import ReportFilters
from dashboards.layout.navigation import navigation


def addresses(query: Mapping[str, str], *, with_filters: bool) -> dict[str, str]:
    request: HttpRequest = RequestFactory().get("/dashboards/pipeline/", query)
    filters = ReportFilters.from_query(query, today=date(2026, 11, 30), last_sealed=None)
    groups = navigation(request, filters if with_filters else None)
    return {link.section: link.address for group in groups for link in group.links}


def test_filters_are_kept_from_page_to_page_but_not_into_the_admin() -> None:
    links = addresses({"range": "7d", "internal": "1", "metric": "wau", "sort": "users"}, with_filters=True)
    assert links["retention"] == "/dashboards/retention/?range=7d&internal=1"
    assert links["consent"] == "/admin/"


def test_a_page_without_filters_hands_on_those_it_was_given_and_nothing_else() -> None:
    links = addresses({"range": "7d", "period": "30d", "deployment": ""}, with_filters=False)
    assert links["overview"] == "/dashboards/?range=7d"
    assert addresses({}, with_filters=False)["overview"] == "/dashboards/"


def test_each_page_marks_its_own_link_and_no_other(staff: Client) -> None:
    for page in ("features/", "features/export/", "pipeline/", "endpoints/detail/"):
        markup = staff.get(f"/dashboards/{page}").content.decode()
        current = markup.partition('id="nav"')[2].partition("</nav>")[0].split('aria-current="page"')
        assert len(current) == 2
        assert current[0].rpartition('href="')[2].startswith(f"/dashboards/{page.split('/')[0]}/")
