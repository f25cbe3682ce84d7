"""What holds for every page: the security policy, no inline code, one heading, tables beside plots."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.dashboards.conftest import days_ago, feature_used, people, requested, signed_in
from tests.support.pages import one_line

PAGES = [
    "/dashboards/",
    "/dashboards/active-users/",
    "/dashboards/active-users/?range=12m&metric=mau",
    "/dashboards/features/",
    "/dashboards/features/export/",
    "/dashboards/endpoints/",
    "/dashboards/endpoints/detail/?endpoint=/api/things/{id}&method=GET",
    "/dashboards/errors/",
    "/dashboards/timings/",
    "/dashboards/retention/",
    "/dashboards/installations/",
    "/dashboards/pipeline/",
    "/dashboards/first-event/",
]


@pytest.fixture
def busy(staff: Client) -> Client:
    """Staff, on a server that has events."""
    for days in range(20):
        everyone = people(8 + days)
        signed_in(*everyone, at=days_ago(days))
        feature_used(*everyone, at=days_ago(days))
        requested(*everyone, at=days_ago(days), ms=50 + days)
    told = {"error.type": "KeyError", "duration_ms": 12.5, "memory_mb": 64}
    feature_used(*people(8), feature="render", action="failed", metadata=told)
    return staff


@pytest.mark.parametrize("page", PAGES)
def test_no_page_has_inline_code_or_style(busy: Client, page: str) -> None:
    markup = busy.get(page).content.decode()

    assert not re.search(r"<[^>]+\sstyle=", markup)
    assert not re.search(r"<[^>]+\son\w+=", markup)
    assert "<style" not in markup
    for script in re.findall(r"<script[^>]*>", markup):
        assert "src=" in script or 'type="application/json"' in script


@pytest.mark.parametrize("page", PAGES)
def test_every_page_comes_with_the_policy(busy: Client, page: str) -> None:
    policy = busy.get(page)["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("page", PAGES)
def test_every_page_has_one_heading_a_skip_link_and_names_for_its_panels(busy: Client, page: str) -> None:
    markup = busy.get(page).content.decode()

    assert len(re.findall(r"<h1\b", markup)) == 1
    assert '<a class="skip" href="#main">' in markup
    ids = re.findall(r'\sid="([^"]+)"', markup)
    assert len(ids) == len(set(ids))
    for named in re.findall(r'aria-labelledby="([^"]+)"', markup):
        assert named in ids


@pytest.mark.parametrize("page", [page for page in PAGES if "first" not in page and "pipeline" not in page])
def test_every_plot_has_its_table(busy: Client, page: str) -> None:
    markup = busy.get(page).content.decode()

    assert markup.count("<table") >= markup.count("data-figure=")


def test_figures_travel_as_plain_lists(busy: Client) -> None:
    markup = busy.get("/dashboards/active-users/").content.decode()

    assert '"bdata"' not in markup
    assert "var(--series-1)" in markup


def test_the_theme_comes_from_the_cookie(busy: Client) -> None:
    busy.cookies["candid_theme"] = "dark"

    assert '<html lang="en" data-theme="dark">' in one_line(busy.get("/dashboards/pipeline/"))


def test_an_unknown_theme_is_left_out(busy: Client) -> None:
    busy.cookies["candid_theme"] = '"><script>'

    assert '<html lang="en">' in one_line(busy.get("/dashboards/pipeline/"))


@pytest.mark.django_db
def test_the_admin_carries_our_name_and_leads_back(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root", password="root-root"))

    markup = client.get("/admin/").content.decode()

    assert '<a href="/admin/">Candid</a>' in markup
    assert '<a href="/dashboards/">Dashboards</a>' in markup


def test_an_unknown_address_has_a_page_of_ours(client: Client, settings: object) -> None:
    response = client.get("/nowhere/")

    assert response.status_code == 404
    assert "There is no page at this address" in response.content.decode()


@pytest.mark.django_db
def test_an_error_has_a_page_of_ours(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("dashboards.views.pipeline.queries.traffic_last", broken)
    staff.raise_request_exception = False

    response = staff.get("/dashboards/pipeline/")

    assert response.status_code == 500
    assert "Something went wrong on our side" in response.content.decode()


def test_a_bad_request_has_a_page_of_ours(client: Client) -> None:
    response = client.get("/dashboards/", headers={"host": "elsewhere.example"})

    assert response.status_code == 400
    assert "This request could not be understood" in response.content.decode()


@pytest.mark.django_db
def test_a_form_without_its_token_has_a_page_of_ours() -> None:
    response = Client(enforce_csrf_checks=True).post("/accounts/login/", {"username": "mira"})

    assert response.status_code == 403
    assert "Its security token is missing or too old" in response.content.decode()
