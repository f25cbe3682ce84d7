"""Staff see the dashboards; the anonymous are sent to sign in, others are told why not."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from consent.keys import issue_key
from consent.models import Key, Scope

PAGES = [
    "/dashboards/",
    "/dashboards/active-users/",
    "/dashboards/features/",
    "/dashboards/features/export/",
    "/dashboards/endpoints/",
    "/dashboards/errors/",
    "/dashboards/timings/",
    "/dashboards/endpoints/detail/?endpoint=/api/things&method=GET",
    "/dashboards/retention/",
    "/dashboards/installations/",
    "/dashboards/pipeline/",
    "/dashboards/first-event/",
    "/dashboards/first-event/arrivals/",
]
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("page", PAGES)
def test_staff_see_every_page(staff: Client, page: str) -> None:
    assert staff.get(page).status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_the_anonymous_are_sent_to_sign_in(client: Client, page: str) -> None:
    response = client.get(page)

    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/?next=/dashboards/")


@pytest.mark.parametrize("page", PAGES)
def test_accounts_that_are_not_staff_are_told(guest: Client, page: str) -> None:
    response = guest.get(page)

    assert response.status_code == 403
    assert "Only staff can see the dashboards" in response.content.decode()


def test_signing_in_leads_back_to_the_page_with_its_filters(client: Client) -> None:
    address = client.get("/dashboards/features/?range=7d&sort=name")["Location"]
    assert address == "/accounts/login/?next=/dashboards/features/%3Frange%3D7d%26sort%3Dname"
    User.objects.create_user("mira", password="mira-mira", is_staff=True)

    entered = client.post(
        "/accounts/login/",
        {"username": "mira", "password": "mira-mira", "next": "/dashboards/features/?range=7d"},
    )

    assert entered["Location"] == "/dashboards/features/?range=7d"


def test_signing_in_leads_to_no_other_website(client: Client) -> None:
    User.objects.create_user("mira", password="mira-mira", is_staff=True)

    entered = client.post(
        "/accounts/login/", {"username": "mira", "password": "mira-mira", "next": "https://example.org/"}
    )

    assert entered["Location"] == "/dashboards/"


def test_who_is_signed_in_is_not_asked_again(staff: Client) -> None:
    assert staff.get("/accounts/login/")["Location"] == "/dashboards/"


def test_staff_without_a_permission_are_told_that_it_is_missing(staff: Client) -> None:
    response = staff.post("/dashboards/first-event/")

    assert response.status_code == 403
    assert "lacks the permission" in response.content.decode()
    assert "not a staff account" not in response.content.decode()


def test_nobody_else_makes_a_key(client: Client, guest: Client) -> None:
    assert client.post("/dashboards/first-event/").status_code == 302
    assert guest.post("/dashboards/first-event/").status_code == 403
    assert not Key.objects.exists()


@pytest.mark.parametrize("page", PAGES)
def test_a_key_opens_no_page(client: Client, page: str) -> None:
    key, _ = issue_key(name="all", scopes=list(Scope))

    assert client.get(page, headers={"authorization": f"Bearer {key}"}).status_code == 302


def test_an_account_that_was_switched_off_sees_nothing(staff: Client) -> None:
    User.objects.update(is_active=False)

    assert staff.get("/dashboards/pipeline/").status_code == 302


@pytest.mark.parametrize("page", [page for page in PAGES if page != "/dashboards/first-event/"])
def test_reports_are_read_only(staff: Client, page: str) -> None:
    assert staff.post(page).status_code == 405


def test_the_root_leads_to_the_dashboards(client: Client) -> None:
    assert client.get("/")["Location"] == "/dashboards/"
    assert client.get("/favicon.ico")["Location"].endswith("mark.svg")


def test_signing_in_and_out(client: Client) -> None:
    User.objects.create_user("mira", password="mira-mira", is_staff=True)

    entered = client.post("/accounts/login/", {"username": "mira", "password": "mira-mira"})
    left = client.post("/accounts/logout/")

    assert entered["Location"] == "/dashboards/"
    assert left["Location"] == "/accounts/login/"
    assert client.get("/dashboards/").status_code == 302


def test_a_failed_sign_in_does_not_say_which_part_was_wrong(client: Client) -> None:
    response = client.post("/accounts/login/", {"username": "mira", "password": "no"})

    assert "The user name and password do not match an account" in response.content.decode()


def test_a_get_does_not_sign_out(staff: Client) -> None:
    assert staff.get("/accounts/logout/").status_code == 405


def test_pages_are_not_kept_by_caches(staff: Client) -> None:
    assert staff.get("/dashboards/pipeline/")["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("page", ["/dashboards/", "/dashboards/features/", "/dashboards/pipeline/"])
def test_a_page_can_be_asked_for_its_head(staff: Client, page: str) -> None:
    assert staff.head(page).status_code == 200
