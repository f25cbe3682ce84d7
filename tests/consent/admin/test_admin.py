"""The admin's pages: raw ids vanish, decisions have reasons, keys are shown once."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from consent.gate import barrier
from consent.keys import KeyRefused, authenticate, issue_key
from consent.models import Decision, ErasureRequest, Key, Organization, State, TelemetryUser
from consent.pseudonyms import pseudonym
from tests.support.pages import one_line
from tests.support.second_connection import held

RAW = "customer-4711"
Capture = Callable[..., Any]


def organization(raw: str = RAW, **fields: Any) -> Organization:
    return Organization.objects.create(pseudonym=pseudonym("organization", raw), **fields)


def telemetry_user(raw: str = RAW) -> TelemetryUser:
    return TelemetryUser.objects.create(pseudonym=pseudonym("user", raw))


def changelist(row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_changelist")


def act(client: Client, action: str, row: Any, **fields: str) -> HttpResponse:
    """Choose an action; with a `reason`, as the confirmation page sends it."""
    confirmed = {"confirmed": "yes"} if fields else {}
    body = {"action": action, "_selected_action": row.pk, **confirmed, **fields}
    return client.post(changelist(row), body, follow=True)


def test_an_action_asks_for_a_reason_first(admin_client: Client) -> None:
    row = organization(label="Acme")
    page = act(admin_client, "grant", row)
    assert "Acme" in page.text
    assert 'name="reason"' in page.text
    assert not Decision.objects.exists()


def test_without_a_reason_nothing_is_recorded(admin_client: Client) -> None:
    page = act(admin_client, "grant", organization(), reason="  ")
    assert "This field is required" in page.text
    assert not Decision.objects.exists()


@pytest.mark.parametrize("text", ["jane@example.com wrote", "from 203.0.113.77", "card 4111 1111 1111 1111"])
def test_a_reason_holds_nothing_personal(admin_client: Client, text: str) -> None:
    """The reason is kept for good, in a log that nobody can change."""
    row = organization(label="Acme")
    assert "would be stored for good: leave it out" in act(admin_client, "deny", row, reason=text).text
    address = reverse("admin:consent_organization_change", args=[row.pk])
    form = {"label": "Acme", "deployment_type": "cloud", "reason": text}
    assert "leave it out" in admin_client.post(address, form).text
    assert "leave it out" in admin_client.post(address, {"label": text, "deployment_type": "unknown"}).text
    erasing = {"kind": "organization", "raw_id": RAW, "reason": text}
    assert "leave it out" in admin_client.post(reverse("admin:consent_erasurerequest_add"), erasing).text
    assert not Decision.objects.exists()
    assert not ErasureRequest.objects.exists()


@pytest.mark.parametrize(
    ("action", "state"), [("grant", State.GRANTED), ("deny", State.DENIED), ("unset", State.UNSET)]
)
def test_an_organizations_decision_is_recorded_with_who_and_why(
    admin_client: Client, action: str, state: State
) -> None:
    row = organization()
    act(admin_client, action, row, reason="Signed the agreement")
    decision = Decision.objects.get()
    assert (decision.state, decision.subject, decision.subject_kind) == (state, row.pseudonym, "organization")
    assert (decision.actor, decision.method, decision.reason) == ("admin", "admin", "Signed the agreement")
    row.refresh_from_db()
    assert row.state == state


def test_one_action_decides_for_each_selected_row(admin_client: Client) -> None:
    rows = [organization("one"), organization("two")]
    body = {
        "action": "deny",
        "_selected_action": [row.pk for row in rows],
        "confirmed": "yes",
        "reason": "Asked",
    }
    page = admin_client.post(changelist(rows[0]), body, follow=True)
    assert "Recorded for 2: opted out." in page.text
    assert Decision.objects.count() == 2


def test_a_user_can_be_denied_but_never_granted(admin_client: Client) -> None:
    row = telemetry_user()
    for action in ("grant", "unset"):
        act(admin_client, action, row, reason="Would be nice")
    assert not Decision.objects.exists()
    act(admin_client, "deny", row, reason="Asked by telephone")
    assert Decision.objects.get().state == State.DENIED


def test_a_states_field_cannot_be_posted(admin_client: Client) -> None:
    row = organization()
    address = reverse("admin:consent_organization_change", args=[row.pk])
    admin_client.post(
        address, {"label": "New", "deployment_type": "unknown", "state": "granted", "pseudonym": "x"}
    )
    row.refresh_from_db()
    assert (row.label, row.state, row.pseudonym) == ("New", State.UNSET, pseudonym("organization", RAW))


def in_flight(row: Any) -> Any:
    """A request that has the subject's events and has not ended."""
    lock = "SELECT pg_advisory_xact_lock_shared(%s, %s)"
    return held(lock, [barrier.LOCK_SPACE, barrier.bucket(row.pseudonym)], database="analytics")


@pytest.mark.django_db(transaction=True)
def test_the_admin_is_told_of_a_barrier_that_was_not_reached(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(barrier, "WAIT", "100ms")
    row = organization()
    names = (pseudonym("organization", f"other {number}") for number in range(99))
    free = next(name for name in names if barrier.bucket(name) != barrier.bucket(row.pseudonym))
    other = Organization.objects.create(pseudonym=free)
    with in_flight(row):
        page = act(admin_client, "deny", row, reason="Asked")
        assert "Recorded for 1: opted out" in act(admin_client, "deny", other, reason="Asked").text
        assert "Recorded for 1: opted in" in act(admin_client, "grant", other, reason="Asked").text
    assert "events in flight could not be ruled out. Record the decision again" in " ".join(page.text.split())
    assert "Recorded for" not in page.text
    row.refresh_from_db()
    assert row.state == State.DENIED
    assert "Recorded for 1" in act(admin_client, "deny", row, reason="Asked").text


@pytest.mark.parametrize(
    ("kind", "make"), [("organization", organization), ("telemetryuser", telemetry_user)]
)
def test_a_raw_id_is_found_by_post_and_never_in_an_address(
    admin_client: Client, kind: str, make: Callable[[], Any]
) -> None:
    row = make()
    answer = admin_client.post(reverse(f"admin:consent_{kind}_find"), {"raw_id": RAW})
    assert answer.headers["Location"] == reverse(f"admin:consent_{kind}_change", args=[row.pk])


def test_an_unknown_raw_id_becomes_a_search_for_its_pseudonym(admin_client: Client) -> None:
    answer = admin_client.post(reverse("admin:consent_telemetryuser_find"), {"raw_id": RAW}, follow=True)
    address, _ = answer.redirect_chain[-1]
    assert address.endswith(f"?q={pseudonym('user', RAW)}")
    assert "No user with this id is recorded" in answer.text
    assert RAW not in answer.text + address


def test_the_search_box_takes_labels_and_pseudonyms(admin_client: Client) -> None:
    row = organization(label="Acme")
    organization("other", label="Other")
    for query in ("acm", row.pseudonym[:12]):
        page = admin_client.get(changelist(row), {"q": query}).text
        assert "Acme" in page
        assert "Other</a>" not in page


def test_the_list_offers_both_ways_of_finding(admin_client: Client) -> None:
    page = one_line(admin_client.get(reverse("admin:consent_telemetryuser_changelist")))
    assert re.search(r'<form method="post" action="[^"]*/telemetryuser/find/"', page)
    assert "takes pseudonyms only" in " ".join(page.split())


def test_an_organization_is_added_by_raw_id_and_kept_by_pseudonym(
    admin_client: Client, django_capture_on_commit_callbacks: Capture
) -> None:
    with django_capture_on_commit_callbacks(using="default", execute=True):
        answer = admin_client.post(
            reverse("admin:consent_organization_add"),
            {"raw_id": RAW, "label": "Acme", "deployment_type": "cloud", "reason": "Signed"},
            follow=True,
        )
    row = Organization.objects.get()
    assert (row.pseudonym, row.label, row.state) == (pseudonym("organization", RAW), "Acme", State.UNSET)
    assert RAW not in answer.text


def test_an_organization_is_added_once(admin_client: Client) -> None:
    organization()
    form = {"raw_id": RAW, "label": "Again", "deployment_type": "unknown"}
    page = admin_client.post(reverse("admin:consent_organization_add"), form)
    assert "already recorded" in page.text
    assert Organization.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_another_rule_for_an_organization_waits_for_events_in_flight(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(barrier, "WAIT", "100ms")
    row = organization()
    address = reverse("admin:consent_organization_change", args=[row.pk])
    notice = {"notice_since_0": "2026-11-02", "notice_since_1": "09:00"}
    forms: list[tuple[dict[str, str], bool]] = [
        ({"deployment_type": "cloud"}, True),
        ({"deployment_type": "cloud", "label": "North"}, False),
        ({"deployment_type": "cloud", "label": "North"} | notice, True),
    ]
    for changed, waits in forms:
        with in_flight(row):
            page = admin_client.post(address, {"reason": "As agreed"} | changed, follow=True).text
        assert ("Saved, but events in flight could not be ruled out" in page) is waits
        row.refresh_from_db()
        assert (row.deployment_type, row.label) == ("cloud", changed.get("label", ""))
    assert row.notice_since is not None


RULES = [
    ({"deployment_type": "cloud"}, "Deployment type: unknown → cloud"),
    ({"notice_since_0": "2026-11-02", "notice_since_1": "09:00"}, "none → 2026-11-02 09:00:00+00:00"),
]


@pytest.mark.parametrize(("changed", "recorded"), RULES, ids=["deployment type", "notice"])
def test_another_rule_for_an_organization_needs_a_reason_and_is_on_record(
    admin_client: Client, changed: dict[str, str], recorded: str
) -> None:
    row = organization(label="Acme")
    address = reverse("admin:consent_organization_change", args=[row.pk])
    form = {"label": "Acme", "deployment_type": "unknown"} | changed
    for reason in ("", "  "):
        refused = admin_client.post(address, form | {"reason": reason})
        assert "Say why: another rule may apply" in refused.text
    row.refresh_from_db()
    assert (row.deployment_type, row.notice_since) == ("unknown", None)

    admin_client.post(address, form | {"reason": "The contract of May"})

    row.refresh_from_db()
    assert (row.deployment_type, row.notice_since) != ("unknown", None)
    history = admin_client.get(reverse("admin:consent_organization_history", args=[row.pk])).text
    assert recorded in history
    assert "Reason: The contract of May" in history


def test_a_label_needs_no_reason(admin_client: Client) -> None:
    row = organization(label="Acme")
    address = reverse("admin:consent_organization_change", args=[row.pk])
    admin_client.post(address, {"label": "Acme North", "deployment_type": "unknown"})
    assert Organization.objects.get().label == "Acme North"
    history = admin_client.get(reverse("admin:consent_organization_history", args=[row.pk])).text
    assert "Label: Acme → Acme North" in history


def test_an_organization_is_not_added_under_another_rule_without_a_reason(admin_client: Client) -> None:
    form = {"raw_id": RAW, "label": "Acme", "deployment_type": "cloud"}
    assert "Say why" in admin_client.post(reverse("admin:consent_organization_add"), form).text
    assert not Organization.objects.exists()


def test_a_user_is_added_by_raw_id(admin_client: Client) -> None:
    admin_client.post(reverse("admin:consent_telemetryuser_add"), {"raw_id": RAW})
    assert TelemetryUser.objects.get().pseudonym == pseudonym("user", RAW)


def test_a_subjects_page_shows_its_account_and_offers_decisions(admin_client: Client) -> None:
    row = organization()
    act(admin_client, "grant", row, reason="Signed on Monday")
    page = admin_client.get(reverse("admin:consent_organization_change", args=[row.pk])).text
    assert "Signed on Monday" in page
    assert ">open<" in page
    assert re.findall(r'name="action" value="(\w+)"', page) == [
        "grant", "deny", "unset", "grant_account", "end_account"
    ]  # fmt: skip


def make_key(client: Client, **fields: Any) -> HttpResponse:
    form = {"name": "shop", "scopes": ["ingest", "consent"]} | fields
    return client.post(reverse("admin:consent_key_add"), form)


def key_text(page: HttpResponse) -> str:
    shown = re.search(r'id="new-key"[^>]* value="(cnd_[^"]+)"', page.text)
    assert shown, page.text
    return shown[1]


def test_a_new_key_works_and_is_shown_once(admin_client: Client) -> None:
    page = make_key(admin_client)
    text = key_text(page)
    assert "no-store" in page.headers["Cache-Control"]
    key = authenticate({"authorization": f"Bearer {text}"}, "consent")
    assert (key.name, key.scopes, key.organization) == ("shop", ["consent", "ingest"], "")
    for address in ("changelist", "change", "history"):
        arguments = [] if address == "changelist" else [key.pk]
        later = admin_client.get(reverse(f"admin:consent_key_{address}", args=arguments)).text
        assert text not in later
        assert key.digest not in later


@pytest.mark.parametrize("field", ["organization_raw_id", "organization_pseudonym"])
def test_a_key_is_bound_to_an_organization_by_id_or_pseudonym(admin_client: Client, field: str) -> None:
    subject = pseudonym("organization", RAW)
    page = make_key(admin_client, **{field: RAW if field == "organization_raw_id" else subject})
    assert Key.objects.get().organization == subject
    assert RAW not in page.text


def test_a_key_is_not_bound_to_two_organizations(admin_client: Client) -> None:
    page = make_key(admin_client, organization_raw_id=RAW, organization_pseudonym="0" * 32)
    assert "name two organizations" in page.text
    assert not Key.objects.exists()


def test_a_key_needs_a_scope(admin_client: Client) -> None:
    make_key(admin_client, scopes=[])
    assert not Key.objects.exists()


def test_only_a_keys_name_can_be_changed(admin_client: Client) -> None:
    _, key = issue_key(name="shop", scopes=["ingest"])
    address = reverse("admin:consent_key_change", args=[key.pk])
    admin_client.post(
        address, {"name": "till", "scopes": ["reports"], "digest": "0", "organization": "0" * 32}
    )
    after = Key.objects.get()
    assert (after.name, after.scopes, after.digest, after.organization) == (
        "till",
        ["ingest"],
        key.digest,
        "",
    )


def test_a_revoked_key_is_refused(admin_client: Client) -> None:
    text, key = issue_key(name="shop", scopes=["ingest"])
    act(admin_client, "revoke", key, reason="Leaked in a chat")
    with pytest.raises(KeyRefused):
        authenticate({"x-api-key": text}, "ingest")
    history = admin_client.get(reverse("admin:consent_key_history", args=[key.pk])).text
    assert "Revoked: Leaked in a chat" in history


@pytest.mark.parametrize("model", ["organization", "telemetryuser", "decision", "key"])
def test_nothing_is_deleted(admin_client: Client, model: str) -> None:
    rows = {
        "organization": organization(),
        "telemetryuser": telemetry_user(),
        "key": issue_key(name="k", scopes=["ingest"])[1],
    }
    act(admin_client, "deny", rows["organization"], reason="Asked")
    row = rows.get(model) or Decision.objects.get()
    assert (
        admin_client.post(
            reverse(f"admin:consent_{model}_delete", args=[row.pk]), {"post": "yes"}
        ).status_code
        == 403
    )
    act(admin_client, "delete_selected", row, reason="x")
    row.refresh_from_db()


def test_a_decision_cannot_be_changed(admin_client: Client) -> None:
    act(admin_client, "deny", organization(), reason="Asked")
    decision = Decision.objects.get()
    address = reverse("admin:consent_decision_change", args=[decision.pk])
    assert "Asked" in admin_client.get(address).text
    assert admin_client.post(address, {"state": "granted"}).status_code == 403


def staff(client: Client, *permissions: str) -> Client:
    person = User.objects.create_user("sam", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(person)
    return client


def test_who_may_only_look_may_not_decide(client: Client, db: None) -> None:
    row = organization()
    looking = staff(client, "view_organization", "view_key")
    act(looking, "deny", row, reason="Asked")
    assert not Decision.objects.exists()
    page = looking.get(reverse("admin:consent_organization_change", args=[row.pk])).text
    assert 'name="action"' not in page
    assert make_key(looking).status_code == 403


@pytest.mark.parametrize(
    "page",
    ["organization_add", "telemetryuser_add", "key_add", "erasurerequest_add", "policyversion_publish"],
)
def test_who_may_only_look_may_add_nothing(client: Client, db: None, page: str) -> None:
    every = Permission.objects.filter(codename__startswith="view_").values_list("codename", flat=True)
    looking = staff(client, *every)
    assert looking.get(reverse("admin:consent_decision_changelist")).status_code == 200
    assert looking.get(reverse(f"admin:consent_{page}")).status_code == 403
    form = {"kind": "user", "raw_id": RAW, "reason": "Asked", "name": "app"}
    assert looking.post(reverse(f"admin:consent_{page}"), form).status_code == 403
    assert not ErasureRequest.objects.exists()


def test_who_may_not_look_may_not_find(client: Client, db: None) -> None:
    outside = staff(client, "view_key")
    assert outside.post(reverse("admin:consent_organization_find"), {"raw_id": RAW}).status_code == 403


def test_pages_keep_to_the_content_security_policy(admin_client: Client) -> None:
    """No inline script, style or handler: `script-src 'self'; style-src 'self'`."""
    inline = r"<style|<script(?![^>]* (src|type=\"application/json\"))|\sstyle=|\son\w+="
    row = organization()
    act(admin_client, "deny", row, reason="Asked")
    pages = [act(admin_client, "grant", row), make_key(admin_client)]
    for model in ("organization", "telemetryuser", "decision", "key"):
        pages.append(admin_client.get(reverse(f"admin:consent_{model}_changelist")))
    for model in ("organization", "telemetryuser", "key"):
        pages.append(admin_client.get(reverse(f"admin:consent_{model}_add")))
    pages.append(admin_client.get(reverse("admin:consent_organization_change", args=[row.pk])))
    for name in ("policyversion_changelist", "policyversion_publish", "subjectview_changelist"):
        pages.append(admin_client.get(reverse(f"admin:consent_{name}")))
    for page in pages:
        assert page.status_code == 200
        assert not re.search(inline, page.text)


# --- Forms and their edge cases ---------------------------------------------------------------------
def test_a_key_for_websites_sends_events_only(admin_client: Client) -> None:
    page = make_key(admin_client, websites="https://app.example")
    assert "its only scope can be" in page.text
    assert "is not an origin" in make_key(admin_client, websites="app.example", scopes=["ingest"]).text
    assert not Key.objects.exists()
    page = make_key(admin_client, websites="https://b.example https://a.example", scopes=["ingest"])
    assert key_text(page).startswith("cnd_pub_")
    assert Key.objects.get().origins == ["https://a.example", "https://b.example"]


def test_a_key_may_name_its_organization_twice_if_it_is_the_same(admin_client: Client) -> None:
    subject = pseudonym("organization", RAW)
    make_key(admin_client, organization_raw_id=RAW, organization_pseudonym=f" {subject.upper()} ")
    assert Key.objects.get().organization == subject
    assert "32 hex digits" in make_key(admin_client, organization_pseudonym="abc").text


def test_a_keys_rate_is_kept_and_can_be_changed(admin_client: Client) -> None:
    make_key(admin_client, requests_per_second="5")
    key = Key.objects.get()
    assert key.requests_per_second == 5
    address = reverse("admin:consent_key_change", args=[key.pk])
    admin_client.post(address, {"name": "shop", "requests_per_second": "0"})
    assert Key.objects.get().requests_per_second == 0


def test_revoking_asks_for_a_reason_and_leaves_other_keys_alone(admin_client: Client) -> None:
    (_, key), (_, other) = (issue_key(name=name, scopes=["ingest"]) for name in ("shop", "till"))
    assert 'name="reason"' in act(admin_client, "revoke", key).text
    assert not Key.objects.exclude(revoked_at=None).exists()
    assert "Revoked 1." in act(admin_client, "revoke", key, reason="Leaked").text
    assert list(Key.objects.filter(revoked_at=None)) == [other]


def test_a_registration_keeps_a_decision_that_was_recorded_meanwhile(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = organization(label="Acme")
    save = Organization.save

    def a_decision_comes_first(self: Organization, *args: Any, **options: Any) -> None:
        Organization.objects.filter(pk=self.pk).update(state=State.DENIED)
        save(self, *args, **options)

    monkeypatch.setattr(Organization, "save", a_decision_comes_first)
    address = reverse("admin:consent_organization_change", args=[row.pk])
    admin_client.post(address, {"label": "North", "deployment_type": "unknown"})
    row.refresh_from_db()
    assert (row.label, row.state) == ("North", State.DENIED)


@pytest.mark.parametrize(("on_withdrawal", "erased"), [("erase", True), ("keep", False)])
def test_the_confirmation_page_says_that_a_denial_erases(
    admin_client: Client, settings: Any, on_withdrawal: str, erased: bool
) -> None:
    settings.ON_WITHDRAWAL = on_withdrawal
    row = organization()
    assert ("is erased within a day" in act(admin_client, "deny", row).text) is erased
    assert "is erased" not in act(admin_client, "unset", row).text


def test_finding_needs_a_post_with_an_id(admin_client: Client) -> None:
    find = reverse("admin:consent_telemetryuser_find")
    for answer in (admin_client.get(find, {"raw_id": RAW}), admin_client.post(find, {"raw_id": "  "})):
        assert answer.headers["Location"] == reverse("admin:consent_telemetryuser_changelist")
    row = telemetry_user()
    answer = admin_client.post(find, {"raw_id": f" {RAW} "})
    assert answer.headers["Location"].endswith(f"/{row.pk}/change/")


def test_an_erasures_state_and_receipt_are_shown(admin_client: Client) -> None:
    form = {"kind": "user", "raw_id": RAW, "reason": "Asked by letter"}
    admin_client.post(reverse("admin:consent_erasurerequest_add"), form)
    ErasureRequest.objects.update(
        state="done", receipt={"deleted": {"a": 1200, "b": 34}}, finished_at="2026-11-20T12:00Z"
    )
    page = admin_client.get(reverse("admin:consent_erasurerequest_changelist")).text
    assert "1,234" in page
    assert "Request" in page


def test_a_subject_that_is_erased_cannot_be_deleted_from_its_erasures(admin_client: Client) -> None:
    admin_client.post(
        reverse("admin:consent_erasurerequest_add"), {"kind": "user", "raw_id": RAW, "reason": "Asked"}
    )
    request = ErasureRequest.objects.get()
    for page in ("delete", "change"):
        address = reverse(f"admin:consent_erasurerequest_{page}", args=[request.pk])
        assert admin_client.post(address, {"post": "yes", "reason": "x"}).status_code == 403


def test_no_error_report_shows_a_raw_id(admin_client: Client) -> None:
    form = {"raw_id": RAW, "organization_raw_id": RAW, "kind": "user", "reason": "Asked", "name": "k"}
    for page in (
        "organization_find",
        "organization_add",
        "telemetryuser_add",
        "key_add",
        "erasurerequest_add",
    ):
        answer = admin_client.post(reverse(f"admin:consent_{page}"), form)
        assert answer.wsgi_request.sensitive_post_parameters == ("raw_id", "organization_raw_id")
