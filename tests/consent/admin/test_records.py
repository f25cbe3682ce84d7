"""The admin's records: who looked at whom, policies, and what each group may do."""

from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from consent.decisions.recording import record_decision
from consent.gate import barrier
from consent.models import (
    Decision,
    Key,
    Method,
    Organization,
    PolicyVersion,
    State,
    SubjectKind,
    SubjectView,
    TelemetryUser,
)
from consent.pseudonyms import pseudonym
from tests.support.pages import one_line
from tests.support.second_connection import held

pytestmark = pytest.mark.django_db(transaction=True)

USER, ACME = pseudonym("user", "jane"), pseudonym("organization", "acme")


@pytest.fixture(autouse=True)
def _subjects() -> None:
    for kind, subject in ((SubjectKind.USER, USER), (SubjectKind.ORGANIZATION, ACME)):
        record_decision(kind=kind, subject=subject, state=State.GRANTED, actor="test", method=Method.API)


def member(client: Client, group: str) -> Client:
    person = User.objects.create_user(f"one of the {group}", is_staff=True)
    person.groups.add(Group.objects.get(name=group))
    client.force_login(person)
    return client


def page(name: str, *arguments: object) -> str:
    return reverse(f"admin:consent_{name}", args=arguments)


def views() -> list[tuple[str, str, str]]:
    return list(SubjectView.objects.order_by("id").values_list("subject_kind", "subject", "page"))


# --- Who looked at whom -----------------------------------------------------------------------------
def test_the_page_of_a_subject_is_noted(admin_client: Client) -> None:
    admin_client.get(page("telemetryuser_change", TelemetryUser.objects.get().pk))
    admin_client.get(page("organization_change", Organization.objects.get().pk))
    admin_client.get(page("organization_history", Organization.objects.get().pk))
    assert views() == [
        ("user", USER, "account"),
        ("organization", ACME, "account"),
        ("organization", ACME, "history"),
    ]
    assert set(SubjectView.objects.values_list("viewed_by", flat=True)) == {"admin"}


def test_a_decision_is_a_page_of_its_subject(admin_client: Client) -> None:
    admin_client.get(page("decision_change", Decision.objects.get(subject=USER).pk))
    assert views() == [("user", USER, "decision")]


@pytest.mark.parametrize(
    ("name", "narrowed", "shown"),
    [
        ("telemetryuser", {"q": USER}, "list"),
        ("telemetryuser", {"q": USER[:9]}, "list"),
        ("telemetryuser", {"state__exact": "denied"}, "list"),
        ("decision", {"q": USER}, "decisions"),
        ("decision", {"state__exact": "denied"}, "decisions"),
    ],
)
def test_a_list_of_one_subject_is_a_view_of_it(
    admin_client: Client, name: str, narrowed: dict[str, str], shown: str
) -> None:
    """Nine digits of a pseudonym find a user as well as all 32 do, so that search is recorded, too."""
    for raw, state in (("jane", State.DENIED), ("joe", State.GRANTED)):
        subject = pseudonym("user", raw)
        record_decision(kind=SubjectKind.USER, subject=subject, state=state, actor="t", method=Method.API)
    assert admin_client.get(page(f"{name}_changelist"), narrowed).status_code == 200
    assert views() == [("user", USER, shown)]


def test_one_is_not_hidden_among_a_few(admin_client: Client) -> None:
    """A list narrowed by `?pseudonym__in=` to two subjects shows both, so both views are recorded."""
    joe = pseudonym("user", "joe")
    record_decision(kind=SubjectKind.USER, subject=joe, state=State.DENIED, actor="t", method=Method.API)
    admin_client.get(page("telemetryuser_changelist"), {"pseudonym__in": f"{USER},{joe}"})
    assert sorted(views()) == sorted([("user", USER, "list"), ("user", joe, "list")])


@pytest.mark.parametrize(("others", "noted"), [(3, 4), (4, 0)])
def test_four_of_a_list_are_looked_for_and_five_are_looked_through(
    admin_client: Client, others: int, noted: int
) -> None:
    for number in range(others):
        subject = pseudonym("user", f"joe {number}")
        record_decision(
            kind=SubjectKind.USER, subject=subject, state=State.GRANTED, actor="t", method=Method.API
        )
    admin_client.get(page("telemetryuser_changelist"), {"state__exact": "granted"})
    assert len(views()) == noted


def test_looking_for_one_who_is_not_recorded_is_noted_too(admin_client: Client) -> None:
    nobody = pseudonym("user", "nobody")
    admin_client.get(page("telemetryuser_changelist"), {"q": nobody})
    assert views() == [("user", nobody, "list")]


def test_finding_by_raw_id_is_noted_and_leaves_the_id_nowhere(admin_client: Client) -> None:
    answer = admin_client.post(page("telemetryuser_find"), {"raw_id": "jane"}, follow=True)
    assert all("jane" not in address for address, _ in answer.redirect_chain)
    assert views() == [("user", USER, "account")]


def test_saving_is_no_view(admin_client: Client) -> None:
    address = page("organization_change", Organization.objects.get().pk)
    assert admin_client.post(address, {"deployment_type": "unknown", "label": "North"}).status_code == 302
    assert views() == []


def test_lists_of_everybody_are_no_view_of_one(admin_client: Client) -> None:
    for name in ("telemetryuser", "organization", "decision"):
        admin_client.get(page(f"{name}_changelist"))
    assert views() == []


def test_who_is_not_let_in_has_not_looked(client: Client) -> None:
    member(client, "analysts")
    assert client.get(page("telemetryuser_change", TelemetryUser.objects.get().pk)).status_code == 403
    assert views() == []


def test_the_account_of_views_cannot_be_changed(admin_client: Client) -> None:
    admin_client.get(page("telemetryuser_change", TelemetryUser.objects.get().pk))
    row = SubjectView.objects.get()
    assert admin_client.post(page("subjectview_change", row.pk), {"page": "x"}).status_code == 403
    with pytest.raises(Exception, match="append-only"):
        row.delete()


# --- Groups -----------------------------------------------------------------------------------------
READ = ("organization", "telemetryuser", "decision", "policyversion", "key", "subjectview")
MAY_SEE = {
    "analysts": set(),
    "consent managers": {"organization", "telemetryuser", "decision", "policyversion", "key"},
    "privacy officers": {"organization", "telemetryuser", "decision", "policyversion", "subjectview"},
}


@pytest.mark.parametrize("group", MAY_SEE)
def test_what_each_group_may_see(client: Client, group: str) -> None:
    member(client, group)
    seen = {name for name in READ if client.get(page(f"{name}_changelist")).status_code == 200}
    assert seen == MAY_SEE[group]
    assert client.get(reverse("dashboards:overview")).status_code == 200


@pytest.mark.parametrize(
    ("group", "may"), [("analysts", False), ("consent managers", True), ("privacy officers", False)]
)
def test_who_may_decide(client: Client, group: str, may: bool) -> None:
    member(client, group)
    for name, model in (("organization", Organization), ("telemetryuser", TelemetryUser)):
        body = {
            "action": "deny",
            "_selected_action": model.objects.get().pk,
            "confirmed": "y",
            "reason": "Asked",
        }
        client.post(page(f"{name}_changelist"), body)
        assert model.objects.get().state == (State.DENIED if may else State.GRANTED)


@pytest.mark.parametrize("group", MAY_SEE)
def test_no_group_grants_for_a_user_nor_deletes_nor_makes_keys(client: Client, group: str) -> None:
    member(client, group)
    user = TelemetryUser.objects.get()
    record_decision(kind=SubjectKind.USER, subject=USER, state=State.DENIED, actor="t", method=Method.API)
    body = {"action": "grant", "_selected_action": user.pk, "confirmed": "y", "reason": "I know better"}
    client.post(page("telemetryuser_changelist"), body)
    assert TelemetryUser.objects.get().state == State.DENIED
    assert client.post(page("telemetryuser_delete", user.pk), {"post": "yes"}).status_code == 403
    assert client.post(page("key_add"), {"name": "k", "scopes": ["ingest"]}).status_code == 403
    assert not Key.objects.exists()


def test_migrating_again_gives_back_what_a_group_lacks_and_takes_nothing() -> None:
    from django.contrib.auth.models import Permission

    from telemetry_site.groups import make_groups

    group = Group.objects.get(name="privacy officers")
    group.permissions.remove(Permission.objects.get(codename="view_decision"))
    group.permissions.add(Permission.objects.get(codename="view_key"))
    make_groups()
    names = set(group.permissions.values_list("codename", flat=True))
    assert {"view_decision", "view_key"} <= names


def test_only_who_may_publish_sees_the_page_and_the_button(client: Client) -> None:
    member(client, "consent managers")
    assert client.get(page("policyversion_publish")).status_code == 403
    assert page("policyversion_publish") not in client.get(page("policyversion_changelist")).text
    client.logout()
    member(client, "privacy officers")
    assert page("policyversion_publish") in client.get(page("policyversion_changelist")).text


def test_the_admin_is_told_of_publishing_that_is_not_certain(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(barrier, "WAIT", "100ms")
    member(client, "privacy officers")
    lock = "SELECT pg_advisory_xact_lock_shared(%s, %s)"
    with held(lock, [barrier.LOCK_SPACE, 0], database="analytics"):
        answer = publish(client, text="What we collect.")
    assert "Published, but events in flight could not be ruled out" in answer
    assert PolicyVersion.objects.filter(version="2").exists()


def test_a_version_that_is_named_is_that_version(client: Client) -> None:
    member(client, "privacy officers")
    answer = publish(client, text="What we collect.", version=" 2026-11 ", editorial="on")
    assert "Published version 2026-11." in answer
    assert "Grants stale" not in answer


# --- Policies ---------------------------------------------------------------------------------------
def publish(client: Client, **fields: str) -> str:
    return client.post(page("policyversion_publish"), fields, follow=True).text


@pytest.mark.parametrize(
    ("group", "may"), [("analysts", False), ("consent managers", False), ("privacy officers", True)]
)
def test_who_may_publish(client: Client, group: str, may: bool) -> None:
    member(client, group)
    publish(client, text="What we collect.")
    assert PolicyVersion.objects.filter(version="2", published_by=f"one of the {group}").exists() == may


def test_publishing_says_whom_it_asks_again_and_does(client: Client) -> None:
    member(client, "privacy officers")
    asked = one_line(client.get(page("policyversion_publish")))
    assert "1 user has opted in, and 1 organization has. After a material version" in asked
    answer = publish(client, text="What we collect.\r\nAnd why.")
    assert (
        "Published version 2. Grants stale until they are given again: 1 by users, 1 by organizations."
        in answer
    )
    assert TelemetryUser.objects.get().state == State.STALE
    assert PolicyVersion.objects.get(version="2").text == "What we collect.\nAnd why."


def test_a_refusal_is_shown_with_its_changes(client: Client, settings: LazySettings, tmp_path: Path) -> None:
    member(client, "privacy officers")
    settings.EVENT_RETENTION_MONTHS = 36
    answer = publish(client, text="What we collect.", editorial="on")
    assert "this is not an editorial change" in answer
    assert "events are kept for 36 months instead of 12" in answer
    assert PolicyVersion.objects.count() == 1


def test_broken_files_are_shown_mistake_by_mistake(
    client: Client, settings: LazySettings, tmp_path: Path
) -> None:
    path = tmp_path / "more.toml"
    path.write_text("[surprise]\n")
    settings.COLLECTED_FILE = str(path)
    member(client, "privacy officers")
    assert "unknown section &#x27;surprise&#x27;" in client.get(page("policyversion_publish")).text
    assert "nothing was published" in publish(client, text="What we collect.")


def test_a_policy_can_be_read_and_not_changed(client: Client) -> None:
    member(client, "privacy officers")
    policy = PolicyVersion.objects.get()
    assert policy.text.splitlines()[0] in client.get(page("policyversion_change", policy.pk)).text
    assert client.post(page("policyversion_change", policy.pk), {"text": "x"}).status_code == 403
    assert client.post(page("policyversion_add"), {"text": "x"}).status_code == 403
