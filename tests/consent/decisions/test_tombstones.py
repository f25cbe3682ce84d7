"""Asking for an erasure in the admin, and what a tombstone refuses."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from analytics.models import FeatureUsage
from consent.decisions import tombstones
from consent.models import ErasureRequest, Method, SubjectKind, SubjectView, Tombstone
from consent.pseudonyms import pseudonym
from tests.support.otlp import a_key, grant, post, span, traces

pytestmark = pytest.mark.django_db

ADD = "admin:consent_erasurerequest_add"
LIST = "admin:consent_erasurerequest_changelist"
FORM = {"kind": "user", "raw_id": "customer-4711", "reason": "Asked by letter"}


def staff(*permissions: str) -> Client:
    user = User.objects.create_user("officer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def test_an_officer_types_the_raw_id_and_it_is_kept_nowhere() -> None:
    client = staff("request_erasure", "view_erasurerequest")
    assert "Erase for good" in client.get(reverse(ADD)).text
    page = client.post(reverse(ADD), FORM, follow=True)
    request = ErasureRequest.objects.get()
    assert (request.kind, request.pseudonym) == ("user", pseudonym("user", "customer-4711"))
    assert (request.actor, request.method, request.reason) == ("officer", "admin", "Asked by letter")
    assert Tombstone.objects.get().until == request.until
    shown = client.get(reverse("admin:consent_erasurerequest_change", args=[request.pk])).text
    assert "not yet" in shown
    assert "customer-4711" not in page.text + shown + str(page.redirect_chain)


@pytest.mark.parametrize("missing", ["reason", "raw_id", "kind"])
def test_nothing_is_erased_without_all_of_them(missing: str) -> None:
    page = staff("request_erasure", "view_erasurerequest").post(reverse(ADD), FORM | {missing: " "})
    assert page.status_code == 200
    assert not ErasureRequest.objects.exists()


def test_seeing_the_list_is_not_asking() -> None:
    client = staff(
        "view_erasurerequest", "add_erasurerequest", "change_erasurerequest", "delete_erasurerequest"
    )
    assert client.get(reverse(LIST)).status_code == 200
    assert client.post(reverse(ADD), FORM).status_code == 403
    assert not ErasureRequest.objects.exists()


def test_who_looks_at_the_erasures_of_one_subject_is_noted() -> None:
    client = staff("view_erasurerequest")
    jane = pseudonym("user", "jane")
    request = tombstones.ask_for_erasure(
        kind=SubjectKind.USER, pseudonym=jane, actor="test", method=Method.API
    )
    client.get(reverse(LIST))
    assert not SubjectView.objects.exists()
    assert client.get(reverse(LIST), {"q": jane}).status_code == 200
    client.get(reverse("admin:consent_erasurerequest_change", args=[request.pk]))
    views = SubjectView.objects.order_by("id").values_list("viewed_by", "subject_kind", "subject", "page")
    assert list(views) == [("officer", "user", jane, "erasures"), ("officer", "user", jane, "erasure")]


# --- What a tombstone refuses ----------------------------------------------------------------------
NOW = datetime.now(UTC).replace(microsecond=0)


def send(client: Client, key: str, number: int, at: datetime, **who: str) -> bool:
    """Send an event dated `at`. Returns whether it is stored."""
    before = FeatureUsage.objects.count()
    attributes: dict[str, Any] = {name.replace("_", "."): raw for name, raw in who.items()}
    event = span(number, at=at, attributes=attributes | {"feature.name": "export"})
    assert post(client, "/v1/traces", traces(event), key).status_code == 200
    return FeatureUsage.objects.count() > before


@pytest.mark.parametrize(
    ("kind", "raw"),
    [(SubjectKind.USER, "u1"), (SubjectKind.ORGANIZATION, "o1")],
    ids=["user", "organization"],
)
def test_what_is_dated_up_to_the_tombstone_is_refused_and_later_events_are_not(
    client: Client, kind: SubjectKind, raw: str
) -> None:
    grant(user="u1", organization="o1")
    key, _ = a_key()
    who = {"user_id": "u1", "organization_id": "o1"}
    assert send(client, key, 1, NOW - timedelta(hours=1), **who)
    request = tombstones.ask_for_erasure(
        kind=kind, pseudonym=pseudonym(kind, raw), actor="test", method=Method.API, until=NOW
    )
    assert not send(client, key, 2, NOW - timedelta(hours=1), **who)
    assert not send(client, key, 3, request.until, **who)
    assert send(client, key, 4, request.until + timedelta(microseconds=1), **who)


def test_an_erased_users_session_is_refused_without_the_user_too(client: Client) -> None:
    grant(user="u1", organization="o1")
    key, _ = a_key()
    who = {"session_id": "s1", "organization_id": "o1"}
    assert send(client, key, 1, NOW, **who)
    anonymous = FeatureUsage.objects.get().user_id
    tombstones.raise_tombstones(Tombstone.Kind.ANONYMOUS, [anonymous], NOW, user=pseudonym("user", "u1"))
    assert not send(client, key, 2, NOW, **who)
    assert send(client, key, 3, NOW + timedelta(seconds=1), **who)
    assert send(client, key, 4, NOW, **who | {"session_id": "s2"})


def test_a_tombstones_time_only_grows() -> None:
    now = timezone.now()
    for until in (now, now - timedelta(days=1)):
        tombstones.raise_tombstones(Tombstone.Kind.USER, ["a" * 32], until)
    assert tombstones.erased_until("a" * 32) == now
    assert tombstones.erased_until("b" * 32) is None


# --- Asked for more than once -----------------------------------------------------------------------
def ask(until: datetime, *, is_withdrawal: bool = False, **more: Any) -> ErasureRequest:
    fields = {"kind": SubjectKind.USER, "pseudonym": "a" * 32, "actor": "t", "method": Method.API} | more
    return tombstones.ask_for_erasure(until=until, is_withdrawal=is_withdrawal, **fields)


def test_asked_again_while_it_waits_it_is_the_same_request_up_to_the_later_time() -> None:
    first = ask(NOW, is_withdrawal=True)
    again = ask(NOW + timedelta(days=1), is_withdrawal=True)
    assert (again.pk, again.until, again.is_withdrawal) == (first.pk, NOW + timedelta(days=1), True)
    earlier = ask(NOW)
    assert (earlier.pk, earlier.until) == (first.pk, NOW + timedelta(days=1))
    assert ErasureRequest.objects.get().is_withdrawal is False  # asked for by itself, too
    assert ask(NOW, is_withdrawal=True).is_withdrawal is False


def test_asked_again_once_it_runs_it_is_another_request() -> None:
    first = ask(NOW)
    ErasureRequest.objects.update(state=ErasureRequest.Stage.RUNNING)
    assert ask(NOW).pk != first.pk
    assert ask(NOW, kind=SubjectKind.ORGANIZATION).pk != first.pk
    assert ErasureRequest.objects.count() == 3


def test_who_asked_and_why_are_cut_to_what_is_held() -> None:
    request = ask(NOW, actor="a" * 200, reason="r" * 600)
    assert (request.actor, request.reason) == ("a" * 150, "r" * 500)


def test_the_latest_tombstone_of_a_name_counts() -> None:
    for days, user in ((2, ""), (3, "b" * 32), (1, "c" * 32)):
        tombstones.raise_tombstones(Tombstone.Kind.USER, ["a" * 32], NOW + timedelta(days=days), user=user)
    assert tombstones.erased_until("a" * 32) == NOW + timedelta(days=3)
