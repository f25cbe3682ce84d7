"""Account reports: granted by API, command and admin, until the organization takes them back."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from consent.decisions.account_reports import organizations_with_account_reports
from consent.keys import issue_key
from consent.models import Decision, Organization, State
from consent.policies import publishing
from consent.pseudonyms import pseudonym

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("unspent")]

ACME = pseudonym("organization", "acme")


@pytest.fixture
def key() -> str:
    return issue_key(name="app", scopes=["consent"])[0]


def put(key: str, address: str = "/api/consent/organization", **body: Any) -> Any:
    headers = {"authorization": f"Bearer {key}", "X-Organization-Id": "acme"}
    if address.endswith("user"):
        headers = {"authorization": f"Bearer {key}", "X-User-Id": "jane"}
    return Client().put(address, json.dumps(body), "application/json", headers=headers)


def allowed() -> bool:
    return organizations_with_account_reports() == {ACME}


def test_an_organization_grants_account_reports_by_the_api(key: str) -> None:
    answer = put(key, state="granted", level="account").json()
    assert (answer["state"], answer["level"], answer["changed"]) == ("granted", "account", True)
    assert put(key, state="granted", level="account").json()["changed"] is False
    assert allowed()
    assert Decision.objects.get().level == "account"
    out = StringIO()
    call_command("verify_consent_log", stdout=out)
    assert "1 decisions, all as they were recorded." in out.getvalue()


def test_opting_in_grants_no_account_reports(key: str) -> None:
    assert put(key, state="granted").json()["level"] == "detailed"
    assert put(key, state="granted", level="detailed").json()["changed"] is False
    assert not organizations_with_account_reports()


def test_repeating_a_grant_without_a_level_changes_nothing(key: str) -> None:
    put(key, state="granted", level="account")
    answer = put(key, state="granted").json()
    assert (answer["level"], answer["changed"]) == ("account", False)
    assert allowed()


@pytest.mark.parametrize(
    ("taken_back", "level"),
    [
        ({"state": "granted", "level": "detailed"}, "detailed"),
        ({"state": "denied"}, "base"),
        ({"state": "unset"}, "base"),
    ],
)
def test_account_reports_end_at_once(key: str, taken_back: dict[str, str], level: str) -> None:
    put(key, state="granted", level="account")
    answer = put(key, **taken_back).json()
    assert (answer["level"], answer["changed"]) == (level, True)
    assert not organizations_with_account_reports()
    assert put(key, state="granted").json()["level"] == "detailed"
    assert not organizations_with_account_reports()


def test_a_material_change_ends_account_reports(key: str) -> None:
    put(key, state="granted", level="account")
    publishing.publish(text="Another text.", version="", editorial=False, actor="test")
    assert not organizations_with_account_reports()
    assert put(key, state="granted").json()["level"] == "detailed"
    assert not organizations_with_account_reports()


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("/api/consent/user", {"state": "granted", "level": "account"}),
        ("/api/consent/organization", {"state": "denied", "level": "account"}),
        ("/api/consent/organization", {"state": "granted", "level": "everything"}),
        ("/api/consent/organization", {"state": "granted", "level": None}),
    ],
)
def test_a_level_that_cannot_be_granted_is_refused(key: str, address: str, body: dict[str, Any]) -> None:
    answer = put(key, address, **body)
    assert (answer.status_code, answer.json()["error"]["parameter"]) == (400, "level")
    assert not Decision.objects.exists()


def test_the_command_grants_account_reports() -> None:
    call_command("set_consent", "granted", organization="acme", level="account", stdout=StringIO())
    assert allowed()
    call_command("set_consent", "granted", organization="acme", level="detailed", stdout=StringIO())
    assert not organizations_with_account_reports()
    with pytest.raises(CommandError, match="--level belongs to a grant by an organization alone"):
        call_command("set_consent", "granted", user="jane", level="account")


def test_an_admin_records_account_reports_and_their_end(admin_client: Client) -> None:
    acme, other = (
        Organization.objects.create(pseudonym=name) for name in (ACME, pseudonym("organization", "o"))
    )
    form = {"_selected_action": [acme.pk], "confirmed": "1", "reason": "letter of 3 May"}
    admin_client.post("/admin/consent/organization/", form | {"action": "grant_account"})
    assert allowed()
    form["_selected_action"] = [acme.pk, other.pk]
    admin_client.post("/admin/consent/organization/", form | {"action": "end_account"})
    assert not organizations_with_account_reports()
    acme.refresh_from_db()
    other.refresh_from_db()
    assert (acme.state, other.state) == (State.GRANTED, State.UNSET)


def test_the_privacy_page_says_what_account_reports_are() -> None:
    page = Client().get("/privacy/").content.decode()
    assert "account reports" in page
    assert "totals" in Client().get("/privacy/?format=json").json()["account_reports"]
