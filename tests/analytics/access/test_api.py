"""The rights of access and erasure over HTTP: for whom, with which key, and that they are carried out."""

import json
import uuid
from datetime import datetime
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from analytics.access import api
from analytics.erasure import receipts
from analytics.models import FeatureUsage
from consent.keys import issue_key
from consent.models import ErasureRequest
from consent.pseudonyms import pseudonym
from tests.consent.api.test_api import ask
from tests.support.away import away
from tests.support.events import activity, feature, person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("unspent")]

JANE, ACME = pseudonym("user", "jane-4711"), pseudonym("organization", "acme")
GLOBEX = pseudonym("organization", "globex")
EXPORT, ERASURE = "/api/privacy/export", "/api/privacy/erasure"
NOTHING = str(uuid.UUID(int=7))


@pytest.fixture
def key() -> str:
    return issue_key(name="app", scopes=["consent"])[0]


@pytest.fixture
def acme_key() -> str:
    return issue_key(name="acme's", scopes=["consent"], organization_pseudonym=ACME)[0]


def exported(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200
    found: dict[str, Any] = json.loads(b"".join(answer.streaming_content))
    return found


# --- Access -------------------------------------------------------------------------------------------
def test_an_export_holds_this_users_rows_and_nobody_elses(key: str) -> None:
    now = timezone.now()
    feature(JANE, now, name="export")
    feature(person(1), now, name="import")

    answer = ask(key, "post", EXPORT, {"user_id": "jane-4711"})
    found = exported(answer)

    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["Cache-Control"] == "private, no-store"
    assert [row["feature_name"] for row in found["analytics_feature_usage"]] == ["export"]
    assert "jane-4711" not in json.dumps(found)


def test_somebody_unknown_gets_an_export_without_rows(key: str) -> None:
    found = exported(ask(key, "post", EXPORT, X_User_Id="nobody"))

    assert found.pop("about")["kind"] == "user"
    assert not any(found.values())


def test_a_bound_key_exports_its_organization(acme_key: str) -> None:
    feature(JANE, timezone.now(), organization_id=ACME)
    feature(JANE, timezone.now(), organization_id=GLOBEX)

    found = exported(ask(acme_key, "post", EXPORT, X_Organization_Id="acme"))

    assert {row["organization_id"] for row in found["analytics_feature_usage"]} == {ACME}


def test_a_database_that_is_away_is_503_and_not_half_an_answer(
    key: str,
) -> None:
    with away("analytics"):
        answer = ask(key, "post", EXPORT, X_User_Id="jane-4711")

    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert "127.0.0.1" not in answer.content.decode()


# --- Erasure ------------------------------------------------------------------------------------------
def test_an_erasure_is_answered_at_once_and_leaves_a_receipt(key: str) -> None:
    feature(JANE, timezone.now())
    feature(person(1), timezone.now())
    activity(JANE, timezone.now())

    asked = ask(key, "post", ERASURE, {"user_id": "jane-4711"})
    assert (asked.status_code, asked.json()["state"], asked.json()["receipt"]) == (202, "waiting", None)
    address = asked["Location"]
    assert address == f"{ERASURE}/{asked.json()['id']}"
    assert ErasureRequest.objects.get().actor == "app"
    call_command("erase", user="jane-4711", yes=True)

    done = ask(key, "get", address).json()
    assert (done["state"], done["kind"], done["id"]) == ("done", "user", asked.json()["id"])
    request = ErasureRequest.objects.get()
    moments = [done[name] for name in ("asked_at", "erased_up_to", "finished_at")]
    assert [datetime.fromisoformat(moment) for moment in moments] == [
        request.asked_at,
        request.until,
        request.finished_at,
    ]
    assert done["receipt"]["deleted"]["analytics_feature_usage"] == 1
    assert receipts.verify(done["receipt"])["subject"] == JANE
    assert set(FeatureUsage.objects.values_list("user_id", flat=True)) == {person(1)}


def test_asked_for_twice_it_is_one_erasure(key: str) -> None:
    first, second = (ask(key, "post", ERASURE, X_User_Id="jane-4711").json() for _ in range(2))

    assert first["id"] == second["id"]
    assert ErasureRequest.objects.count() == 1


def test_each_address_has_a_limit_of_its_own(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.PrivacyView, "most", 1)
    answers = [ask(key, "post", ERASURE, X_User_Id="jane-4711").status_code for _ in range(3)]

    assert set(answers) == {202, 429}
    assert ask(key, "get", f"{ERASURE}/{NOTHING}").status_code == 404


@pytest.mark.parametrize("address", [EXPORT, ERASURE])
@pytest.mark.parametrize("body", [None, {}, {"user_id": ""}, {"user_id": "j", "organization_id": "a"}, []])
def test_exactly_one_subject_must_be_named(key: str, acme_key: str, address: str, body: Any) -> None:
    """Even with a key bound to an organization: an empty body must not erase it."""
    for shown in (key, acme_key):
        assert ask(shown, "post", address, body).status_code == 400
    assert ErasureRequest.objects.count() == 0


@pytest.mark.parametrize("address", [EXPORT, ERASURE])
def test_a_bound_key_is_refused_others_in_the_same_words(acme_key: str, address: str) -> None:
    feature(JANE, timezone.now(), organization_id=GLOBEX)
    for header in ("X-User-Id", "X-Organization-Id"):
        answers = [
            ask(acme_key, "post", address, **{header: name})
            for name in ("jane-4711", "globex", "nobody", "nothing")
        ]
        assert {answer.status_code for answer in answers} == {403}
        assert len({answer.content for answer in answers}) == 1
    assert ErasureRequest.objects.count() == 0


@pytest.mark.parametrize(
    ("method", "address"), [("post", EXPORT), ("post", ERASURE), ("get", f"{ERASURE}/{NOTHING}")]
)
def test_without_the_scope_it_is_403_whoever_is_named(method: str, address: str) -> None:
    other = issue_key(name="other", scopes=["ingest", "reports"])[0]
    answers = [ask(other, method, address, X_User_Id=name) for name in ("jane-4711", "nobody", "")]

    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.content for answer in answers}) == 1


def test_erasures_of_others_and_guessed_ones_are_answered_alike(key: str, acme_key: str) -> None:
    own = ask(acme_key, "post", ERASURE, X_Organization_Id="acme").json()["id"]
    globex = ask(key, "post", ERASURE, X_Organization_Id="globex").json()["id"]
    jane = ask(key, "post", ERASURE, X_User_Id="jane-4711").json()["id"]

    guessed = [globex, jane, NOTHING, "1", "x" * 40, own[:-1]]
    answers = [ask(acme_key, "get", f"{ERASURE}/{erasure}") for erasure in guessed]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert ask(acme_key, "get", f"{ERASURE}/{own}").json()["kind"] == "organization"
    assert {ask(key, "get", f"{ERASURE}/{erasure}").status_code for erasure in (own, globex, jane)} == {200}


def test_they_are_in_the_schema() -> None:
    schema = json.loads(Client().get("/api/schema/", {"format": "json"}).content)

    assert "202" in schema["paths"][ERASURE]["post"]["responses"]
    assert "404" in schema["paths"]["/api/privacy/erasure/{erasure}"]["get"]["responses"]
    assert EXPORT in schema["paths"]
