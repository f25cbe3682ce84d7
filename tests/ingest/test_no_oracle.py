"""Whoever holds a publishable or a bound key learns from no answer what a person has decided."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from analytics.models import FeatureUsage, SeenWith
from consent.decisions.recording import record_decision
from consent.decisions.tombstones import ask_for_erasure
from consent.keys import issue_key
from consent.models import InForce, Key, Method, State, SubjectKind
from consent.pseudonyms import pseudonym
from dashboards.views import privacy_traffic
from ingest.models import TrafficCount
from ingest.otlp.status import PROTOBUF
from ingest.traffic import counting
from tests.support.otlp import encoded, grant, log, logs, post, span, traces

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_back")]

PAGE = "https://app.example"
PEOPLE = ("agrees", "refuses", "undecided", "erased", "outdated")
ORGANIZATIONS = ("acme", "said-no", "unheard-of", "outdated")
CHANGED = datetime.now(UTC) - timedelta(days=30)  # the policy, materially


@pytest.fixture(autouse=True)
def _decisions() -> None:
    grant(user="outdated", organization="outdated", since=CHANGED - timedelta(days=1))
    InForce.objects.update(material_since=CHANGED)
    for user in ("agrees", "refuses", "erased"):
        grant(user=user, since=CHANGED)
    grant(organization="acme", since=CHANGED)
    _decide(SubjectKind.USER, "refuses", State.DENIED)
    _decide(SubjectKind.ORGANIZATION, "said-no", State.DENIED)
    who = pseudonym("user", "erased")
    ask_for_erasure(kind=SubjectKind.USER, pseudonym=who, actor="t", method=Method.API)


def _decide(kind: SubjectKind, raw: str, state: State) -> None:
    record_decision(kind=kind, subject=pseudonym(kind, raw), state=state, actor="t", method=Method.API)


def publishable() -> str:
    return issue_key(name="page", scopes=["ingest"], origins=[PAGE])[0]


def publishable_and_bound() -> str:
    acme = pseudonym("organization", "acme")
    return issue_key(name="page", scopes=["ingest"], origins=[PAGE], organization_pseudonym=acme)[0]


def bound() -> str:
    acme = pseudonym("organization", "acme")
    return issue_key(name="customer", scopes=["ingest"], organization_pseudonym=acme)[0]


KEYS = pytest.mark.parametrize("make_key", [publishable, publishable_and_bound, bound])


def whole_answer(path: str, body: Any, key: str, **headers: str) -> tuple[Any, ...]:
    """Status, headers and body: all that a sender sees but the time it took."""
    answer = post(Client(), path, body, key, Origin=PAGE, **headers)
    return answer.status_code, sorted(answer.headers.items()), answer.content


def events(user: str, organization: str = "acme") -> dict[str, Any]:
    """One event about these, one that nobody can store, and one that names nobody's table."""
    at = datetime.now(UTC) - timedelta(minutes=1)
    who = {"user.id": user, "organization.id": organization}
    good = span(1, at=at, attributes=who | {"feature.name": "export"})
    future = span(2, at=at + timedelta(days=9), attributes=who | {"feature.name": "export"})
    return traces(good, future, span(3, at=at, kind=2, attributes=who))


@KEYS
@pytest.mark.parametrize("user", PEOPLE)
def test_the_answer_is_the_same_whatever_a_person_has_decided(make_key: Callable[[], str], user: str) -> None:
    key, body = make_key(), events(user)
    for sent, content_type in ((body, "application/json"), (encoded(body), PROTOBUF)):
        said = whole_answer("/v1/traces", sent, key, content_type=content_type)
        assert said == whole_answer("/v1/traces", _renamed(sent, user), key, content_type=content_type)
    assert FeatureUsage.objects.filter(user_id=pseudonym("user", user)).count() == (user == "agrees")


def _renamed(sent: Any, user: str) -> Any:
    """The same about somebody whom nobody has heard of, in as many bytes."""
    raw = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    return raw.replace(user.encode(), ("x" * len(user)).encode())


def test_a_publishable_key_learns_nothing_of_organizations() -> None:
    key = publishable()
    answers = {whole_answer("/v1/traces", events("agrees", name), key)[2] for name in ORGANIZATIONS}
    assert len(answers) == 1


@KEYS
def test_only_what_nobody_s_decision_makes_is_said_of_an_event_that_names_nobody(
    make_key: Callable[[], str], settings: Settings
) -> None:
    """A strict profile refuses it, whoever its session is known with and whatever they have decided."""
    key = make_key()
    is_bound = make_key is not publishable
    sessions = ["", *PEOPLE]
    for profile, expected in (("strict", "{}" if is_bound else "1 names_nobody ("), ("notice", "{}")):
        settings.CONSENT_PROFILE_CLOUD = settings.CONSENT_PROFILE_SELF_HOSTED = profile
        settings.CONSENT_NOTICE_SINCE = CHANGED.isoformat()
        for number, user in enumerate(PEOPLE):
            whole_answer("/v1/traces", traces(span(number + 1, attributes=_at_work(user))), key)
        if profile == "notice":  # from here on, a known session's events are refused for its person
            _decide(SubjectKind.USER, "agrees", State.DENIED)
        answers = {str(whole_answer("/v1/traces", _of_session(session), key)) for session in sessions}
        assert len(answers) == 1
        assert expected in answers.pop()
    assert SeenWith.objects.exists()


@KEYS
def test_what_is_switched_off_for_everybody_is_said(make_key: Callable[[], str], settings: Settings) -> None:
    settings.TELEMETRY_ENABLED = False
    key = make_key()
    said = {str(whole_answer("/v1/traces", traces(_span_of(user)), key)) for user in PEOPLE}
    assert len(said) == 1
    assert "1 telemetry_off (" in said.pop()
    if make_key is bound:
        assert json.loads(dry(traces(_span_of("agrees")), key)[2])["summary"]["refused"] == {
            "telemetry_off": 1
        }


def _of_session(session: str) -> dict[str, Any]:
    """An event that names nobody but a session."""
    return traces(span(99, attributes=_at_work("", session or "new")))


def _span_of(user: str) -> dict[str, Any]:
    return span(1, attributes={"user.id": user, "feature.name": "export"})


@KEYS
def test_an_event_of_whoever_refuses_alone_is_answered_like_a_stored_one(make_key: Callable[[], str]) -> None:
    key = make_key()
    for user in PEOPLE:
        one = logs(log("auth.login", attributes={"user.id": user, "organization.id": "acme"}))
        assert whole_answer("/v1/logs", one, key)[2] == b"{}"


@KEYS
def test_what_is_wrong_with_a_record_itself_is_still_said(make_key: Callable[[], str]) -> None:
    partial = json.loads(whole_answer("/v1/traces", events("refuses"), make_key())[2])["partialSuccess"]
    assert partial["rejectedSpans"] == "2"
    assert partial["errorMessage"].startswith("2 of 3 refused: ")
    assert "1 in_future" in partial["errorMessage"]
    assert "1 unroutable" in partial["errorMessage"]
    assert "consent" not in partial["errorMessage"]


def test_a_session_tells_nothing_of_its_person() -> None:
    key = bound()
    for user in ("agrees", "refuses"):
        whole_answer("/v1/traces", traces(span(1, attributes=_at_work(user))), key)
    of_agreeing, of_refusing = (
        whole_answer("/v1/traces", traces(span(2, attributes=_at_work("", session))), key)
        for session in ("agrees", "refuses")
    )
    assert of_agreeing == of_refusing


def _at_work(user: str, session: str = "") -> dict[str, str]:
    return {"user.id": user, "session.id": f"s-{session or user}", "feature.name": "export"}


@pytest.mark.parametrize("user", PEOPLE)
def test_an_event_that_the_database_cannot_hold_is_answered_like_any_other(
    user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only an event that may be stored can be found not to be storable."""
    monkeypatch.setattr("ingest.mapping.rows._metadata", lambda record, meaning: {"text": "\0"})
    body = traces(span(1, attributes={"user.id": user, "feature.name": "export"}))
    assert whole_answer("/v1/traces", body, bound())[2] == b"{}"
    counting.flush()
    expected = {"agrees": "unstorable", "outdated": "no_consent_stale"}
    assert TrafficCount.objects.get().reason == expected.get(user, "no_consent_user")


def test_an_unbound_secret_key_is_told_the_reasons_as_before() -> None:
    key, _ = issue_key(name="server", scopes=["ingest"])
    partial = json.loads(whole_answer("/v1/traces", events("refuses"), key)[2])["partialSuccess"]
    assert partial["rejectedSpans"] == "3"
    assert "1 no_consent_user (" in partial["errorMessage"]


def test_an_unbound_secret_key_is_told_whose_consent_is_missing() -> None:
    key, _ = issue_key(name="server", scopes=["ingest"])
    expected = {
        ("agrees", "acme"): "",
        ("agrees", "unheard-of"): "no_consent_organization",
        ("refuses", "acme"): "no_consent_user",
        ("erased", "acme"): "no_consent_user",
        ("undecided", "said-no"): "no_consent",
        ("outdated", "acme"): "no_consent_stale",
        ("agrees", "outdated"): "no_consent_stale",
        ("outdated", "outdated"): "no_consent_stale",
        ("outdated", "said-no"): "no_consent",
        ("", "said-no"): "no_consent_organization",
        ("undecided", ""): "no_consent_user",
        ("", ""): "names_nobody",
    }
    for (user, organization), reason in expected.items():
        who = {"user.id": user, "organization.id": organization, "feature.name": "export"}
        sent = traces(span(1, at=datetime.now(UTC) - timedelta(minutes=1), attributes=who))
        (record,) = json.loads(dry(sent, key)[2])["records"]
        assert record.get("reason", "") == reason, (user, organization)
        message = whole_answer("/v1/traces", sent, key)[2].decode()
        assert (f"1 {reason} ({record['why']})" in message) if reason else message == "{}"
    early = traces(
        span(2, at=CHANGED - timedelta(hours=1), attributes={"user.id": "agrees", "feature.name": "x"})
    )
    assert "no_consent_user" in whole_answer("/v1/traces", early, key)[2].decode()
    assert "not yet at its time" in whole_answer("/v1/traces", early, key)[2].decode()


@pytest.mark.parametrize("make_key", [publishable, bound])
def test_staff_see_the_counts_by_reason_of_every_key(make_key: Callable[[], str]) -> None:
    staff = Client()
    staff.force_login(User.objects.create_user("mira", is_staff=True))
    whole_answer("/v1/traces", events("refuses"), make_key())
    counting.flush()
    assert set(TrafficCount.objects.values_list("reason", "count")) == {
        ("no_consent_user", 1),
        ("in_future", 1),
        ("unroutable", 1),
    }
    for page in ("/dashboards/pipeline/", "/dashboards/first-event/arrivals/"):
        assert "no consent of the user" in staff.get(page).content.decode()
    assert "none is stored yet" in staff.get("/dashboards/first-event/").content.decode()
    whole_answer("/v1/traces", events("agrees"), make_key())
    counting.flush()
    assert "The first event is stored" in staff.get("/dashboards/first-event/").content.decode()


# --- Dry runs ------------------------------------------------------------------------------------
def dry(body: Any, key: str) -> tuple[Any, ...]:
    return whole_answer("/v1/traces", body, key, **{"X-Telemetry-Dry-Run": "1"})


@pytest.mark.parametrize("user", PEOPLE)
def test_a_dry_run_with_a_bound_key_tells_nothing_of_a_person(user: str) -> None:
    key, body = bound(), events(user)
    said = dry(body, key)
    assert said == dry(_renamed(body, user), key)
    described = json.loads(said[2])
    assert described["summary"] == {"stored": 0, "accepted": 1, "refused": {"in_future": 1, "unroutable": 1}}
    assert described["records"][0]["outcome"] == "accepted"
    assert "have agreed" in described["records"][0]["why"]


def test_a_dry_run_with_a_bound_key_tells_not_which_names_were_stored(settings: Settings) -> None:
    """Whether a name is known, or the day's last place is taken, depends on what was stored before."""
    settings.NEW_NAMES_PER_DAY = 1

    def told(user: str) -> list[Any]:
        key = bound()
        probe = {"user.id": user, "http.request.method": "GET", "http.route": "/probe/{id}"}
        whole_answer("/v1/traces", traces(span(1, kind=2, attributes=probe)), key)
        raw = {"http.request.method": "GET", "url.path": "/probe/5"}
        named = {"http.request.method": "GET", "http.route": "/new"}
        spans = [span(2 + i, kind=2, attributes=attributes) for i, attributes in enumerate((raw, named))]
        records = json.loads(dry(traces(*spans), key)[2])["records"]
        return [record["columns"]["endpoint"] for record in records]

    assert told("agrees") == told("refuses") == ["{unmatched}", "/new"]


def test_a_dry_run_with_an_unbound_key_tells_all() -> None:
    key, _ = issue_key(name="server", scopes=["ingest"])
    summary = json.loads(dry(events("agrees"), key)[2])["summary"]
    assert summary == {"stored": 1, "refused": {"in_future": 1, "unroutable": 1}}


# --- Other ways ----------------------------------------------------------------------------------
@pytest.mark.parametrize("make_key", [publishable, bound])
def test_the_other_addresses_do_not_speak_of_people_to_such_keys(make_key: Callable[[], str]) -> None:
    key = make_key()
    Key.objects.update(scopes=["ingest"])

    def answers(user: str) -> list[tuple[int, bytes]]:
        who = {"X-User-Id": user, "Authorization": f"Bearer {key}", "Origin": PAGE}
        client = Client(headers=who)
        sent = [
            client.get("/api/consent/user"),
            client.put("/api/consent/user", {"state": "granted"}, "application/json"),
            client.get("/api/users/telemetry/status"),
            client.post("/api/privacy/export"),
            client.post("/api/privacy/erasure"),
        ]
        return [(answer.status_code, answer.content) for answer in sent]

    assert {status for status, _ in answers("agrees")} == {403}
    assert len({tuple(answers(user)) for user in PEOPLE}) == 1


@pytest.mark.parametrize("as_json", [False, True])
def test_the_public_page_does_not_count_what_was_stored(as_json: bool) -> None:
    """Else a stranger with a publishable key could look there whether the event was stored."""

    def page(user: str) -> bytes:
        counting._waiting.clear()
        TrafficCount.objects.all().delete()
        whole_answer("/v1/traces", events(user), key)
        counting.flush()
        privacy_traffic.counter.forget()
        headers = {"Accept": "application/json"} if as_json else {}
        return bytes(Client(headers=headers).get("/privacy/").content)

    key = publishable()
    assert page("agrees") == page("refuses")
