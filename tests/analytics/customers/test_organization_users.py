"""The users of an organization by what they decided, on its page in the admin."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from analytics.customers import organization_users
from consent.decisions.recording import record_decision
from consent.models import Method, Organization, State, SubjectKind
from tests.support.events import activity, endpoint, feature, person
from tests.support.pages import one_line

pytestmark = pytest.mark.django_db(transaction=True)

ACME, OTHER = person(999), person(998)
LATELY = timezone.now() - timedelta(days=3)


def use(users: range, state: State | None = None) -> None:
    for number in users:
        feature(number, LATELY, organization_id=ACME)
        if state:
            record_decision(
                kind=SubjectKind.USER, subject=person(number), state=state, actor="t", method=Method.API
            )


def page(client: Client) -> dict[str, str]:
    """The numbers on an organization's page, by the words beside them."""
    organization, _ = Organization.objects.get_or_create(pseudonym=ACME)
    shown = one_line(client.get(reverse("admin:consent_organization_change", args=[organization.pk])))
    cells = re.findall(r'<th scope="row">([^<]+)</th> ?<td>([^<]+)</td>', shown)
    return {name: number.replace("&lt;", "<") for name, number in cells}


def test_users_are_counted_once_by_what_they_decided(admin_client: Client) -> None:
    use(range(1, 8), State.GRANTED)
    use(range(11, 16), State.DENIED)
    use(range(21, 27))
    activity(1, LATELY, organization_id=ACME)
    endpoint("anon:" + "f" * 27, LATELY, organization_id=ACME)
    feature(31, LATELY, organization_id=OTHER)
    feature(32, timezone.now() - timedelta(days=40), organization_id=ACME)
    assert page(admin_client) == {
        "Not decided": "6",
        "Opted in": "7",
        "Opted out": "5",
        "To be asked again": "0",
        "All": "18",
    }


def test_few_are_hidden_and_cannot_be_found_by_subtraction(admin_client: Client) -> None:
    use(range(1, 10), State.GRANTED)
    use(range(11, 17))
    use(range(21, 23), State.DENIED)
    assert page(admin_client) == {
        "Not decided": "hidden",
        "Opted in": "9",
        "Opted out": "<5",
        "To be asked again": "0",
        "All": "17",
    }


def test_an_organization_of_few_has_no_number(admin_client: Client) -> None:
    use(range(1, 4), State.GRANTED)
    shown = page(admin_client)
    assert (shown["Opted in"], shown["All"]) == ("<5", "<5")


def test_what_takes_too_long_is_said(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(organization_users, "USERS", "SELECT pg_sleep(5)::text || %s || %s")
    monkeypatch.setattr(organization_users, "TIMEOUT", "20ms")
    organization = Organization.objects.create(pseudonym=ACME)
    shown = admin_client.get(reverse("admin:consent_organization_change", args=[organization.pk])).text
    assert "counting takes longer than a page can wait" in shown


def test_each_kind_of_event_counts_for_exactly_so_many_days() -> None:
    now = timezone.now()
    since = now - timedelta(days=organization_users.DAYS)
    for number in range(1, 6):
        feature(number, since, organization_id=ACME)
        endpoint(10 + number, LATELY, organization_id=ACME)
        activity(20 + number, LATELY, organization_id=ACME)
        feature(30 + number, since - timedelta(microseconds=1), organization_id=ACME)
    users = organization_users.count_users(ACME, now=now)
    assert users
    assert users.total == 15
