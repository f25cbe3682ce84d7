"""A person's own page: what it shows and to whom, what it changes, and where its address must not appear."""

import logging
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import signing
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from analytics.access import own_page, row_counts
from analytics.erasure.receipts import verify
from analytics.erasure.run import carry_out
from consent.api import links
from consent.decisions.recording import record_decision
from consent.decisions.tombstones import ask_for_erasure
from consent.gate.barrier import LOCK_SPACE, bucket
from consent.keys import issue_key, revoke_key
from consent.models import (
    ConsentPeriod,
    Decision,
    ErasureRequest,
    Method,
    State,
    SubjectKind,
    TelemetryUser,
)
from consent.pseudonyms import pseudonym
from tests.support.away import away
from tests.support.events import activity, endpoint, feature, person
from tests.support.pages import one_line
from tests.support.programs import until
from tests.support.second_connection import held, waiting

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("unspent")]

JANE = pseudonym("user", "jane-4711")


def link(user: str = JANE, **more: Any) -> str:
    return links.make_link(user, **more)[0]


def choose(path: str, *, client: Client | None = None, **fields: str) -> Any:
    """Open the page as a browser does, and send one of its forms."""
    client = client or Client(enforce_csrf_checks=True)
    return fill_in(client, path, client.get(path), **fields)


def fill_in(client: Client, path: str, page: Any, **fields: str) -> Any:
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.content.decode())
    sent = {"csrfmiddlewaretoken": token[1] if token else ""} | fields
    return client.post(path, sent, headers={"origin": "null"})


def decide(state: State, **more: Any) -> None:
    record_decision(kind=SubjectKind.USER, subject=JANE, state=state, actor="app", method=Method.API, **more)


def days_ago(days: int) -> datetime:
    return timezone.now().replace(hour=12) - timedelta(days=days)


def state() -> str:
    period = ConsentPeriod.objects.filter(subject=JANE, until=None).first()
    return period.state if period else "unset"


# --- What it shows ----------------------------------------------------------------------------------
def test_it_shows_the_state_and_what_is_held_of_this_person_only() -> None:
    for user, days in ((JANE, 3), (JANE, 3), (person(1), 3), (JANE, 1)):
        feature(user, days_ago(days))
    activity(person(1), days_ago(9))
    decide(State.GRANTED)

    page = one_line(Client().get(link()))

    assert "<b>Opted in</b>" in page
    row = re.search(r"Use of features</th><td[^>]*>(\d+)</td><td[^>]*>([^<]+)</td><td[^>]*>([^<]+)<", page)
    assert row
    assert row.groups() == ("3", f"{days_ago(3):%-d %B %Y}", f"{days_ago(1):%-d %B %Y}")
    assert re.search(r"Signing in and sessions</th><td[^>]*>0</td>", page)
    assert f"{days_ago(9):%-d %B %Y}" not in page


def test_events_of_their_sessions_are_counted_too() -> None:
    session = pseudonym("session", "s-1")
    activity(JANE, days_ago(2), session=session)
    endpoint(f"anon:{session[:27]}", days_ago(4))
    endpoint("anon:" + "f" * 27, days_ago(9))

    counts = row_counts.count_rows(JANE)

    assert counts == [
        row_counts.RowCount("Signing in and sessions", 1, days_ago(2).date(), days_ago(2).date()),
        row_counts.RowCount("Requests", 1, days_ago(4).date(), days_ago(4).date()),
        row_counts.RowCount("Use of features", 0, None, None),
    ]


def test_earlier_decisions_are_shown_the_newest_first_and_nobody_elses() -> None:
    decide(State.GRANTED)
    record_decision(
        kind=SubjectKind.USER, subject=person(1), state=State.GRANTED, actor="app", method=Method.SIGNAL
    )
    choose(link(), choice="out")

    history = one_line(Client().get(link())).partition("Earlier decisions")[2]

    assert re.findall(r"<td[^>]*>(Opted \w+)</td> ?<td>([^<]+)</td>", history) == [
        ("Opted out", "on this page"),
        ("Opted in", "in the product"),
    ]


def test_somebody_unknown_gets_a_page_like_any_other_and_leaves_no_trace() -> None:
    answer = Client().get(link(pseudonym("user", "nobody")))

    assert answer.status_code == 200
    assert "No event of yours is stored" in answer.content.decode()
    assert "<b>Not decided.</b>" in answer.content.decode()
    assert TelemetryUser.objects.count() == 0


def test_the_page_holds_neither_an_id_nor_a_pseudonym() -> None:
    decide(State.GRANTED)
    page = one_line(Client().get(link()))

    assert JANE not in page
    assert "jane" not in page


def test_the_actor_of_a_decision_is_not_told() -> None:
    decide(State.DENIED)
    page = one_line(Client().get(link()))

    assert "in the product" in page
    assert ">app<" not in page


def test_where_counting_would_take_too_long_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each table alone would be counted in time; all of them together are not."""
    monkeypatch.setattr("analytics.access.row_counts.TIMEOUT", "900ms")
    monkeypatch.setattr(
        "analytics.access.row_counts.COUNT",
        "SELECT '{key}', count(*), NULL::date, NULL::date FROM pg_sleep(0.4) WHERE '{table}' <> %(subject)s",
    )

    answer = Client().get(link())

    assert answer.status_code == 200
    assert "takes longer than a page can wait" in answer.content.decode()


# --- What it changes --------------------------------------------------------------------------------
def test_opting_out_needs_no_account_and_is_on_record() -> None:
    decide(State.GRANTED)

    answer = choose(link(), choice="out")

    assert answer.status_code == 303
    assert "<b>Opted out</b>" in one_line(Client().get(answer["Location"]))
    latest = Decision.objects.order_by("-pk")[0]
    assert (state(), latest.state, latest.method, latest.actor) == ("denied", "denied", "link", "own page")


@pytest.mark.parametrize(
    ("setting", "fate"),
    [("erase", "Earlier ones are being erased."), ("keep", "Earlier ones stay")],
)
def test_who_has_opted_out_is_told_what_becomes_of_events_from_before(
    settings: Settings, setting: str, fate: str
) -> None:
    settings.ON_WITHDRAWAL = setting
    decide(State.GRANTED)
    feature(JANE, days_ago(1))
    choose(link(), choice="out")

    page = one_line(Client().get(link()))

    assert f"Your events are no longer stored. {fate}" in page
    carry_out()
    assert ("Earlier ones" in one_line(Client().get(link()))) == (setting == "keep")


def test_opting_in_needs_the_box_to_be_ticked() -> None:
    assert choose(link(), choice="in").status_code == 400
    assert state() == "unset"
    assert choose(link(), choice="in", agree="yes").status_code == 303
    assert state() == "granted"


@pytest.mark.parametrize("signal", ["DNT", "Sec-GPC"])
def test_opting_in_is_not_offered_to_who_asks_not_to_be_tracked(signal: str) -> None:
    client = Client(headers={signal: "1"})

    assert 'value="in"' not in client.get(link()).content.decode()
    assert choose(link(), client=client, choice="in", agree="yes").status_code == 409
    assert state() == "unset"
    assert choose(link(), client=client, choice="out").status_code == 303
    assert state() == "denied"


def test_a_policy_that_has_changed_since_must_be_read_first() -> None:
    assert choose(link(), choice="in", agree="yes", policy_version="an older one").status_code == 409
    assert state() == "unset"
    assert choose(link(), choice="out", policy_version="an older one").status_code == 303
    assert state() == "denied"


def test_opting_out_twice_is_one_decision() -> None:
    path = link()
    choose(path, choice="out")
    choose(path, client=Client(), choice="out")

    assert Decision.objects.count() == 1


@pytest.mark.parametrize("fields", [{}, {"choice": ""}, {"choice": "granted"}, {"agree": "yes"}])
def test_a_form_without_a_choice_changes_nothing(fields: dict[str, str]) -> None:
    assert choose(link(), **fields).status_code == 400
    assert state() == "unset"


def test_reading_changes_nothing() -> None:
    """Mail scanners and previews follow links."""
    decide(State.GRANTED)
    for method in ("get", "head"):
        assert getattr(Client(), method)(link() + "?choice=out").status_code == 200
    assert Client().put(link()).status_code == 405
    assert state() == "granted"


@pytest.mark.parametrize("origin", ["null", "https://elsewhere.example", None])
def test_a_form_without_its_token_is_refused(origin: str | None) -> None:
    decide(State.GRANTED)
    client = Client(enforce_csrf_checks=True)
    path = link()
    client.get(path)

    answer = client.post(path, {"choice": "out"}, headers={"origin": origin} if origin else {})

    assert answer.status_code == 403
    assert state() == "granted"


def test_a_withdrawal_that_is_not_certain_says_so_holds_and_can_be_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("consent.gate.barrier.WAIT", "100ms")
    client = Client(enforce_csrf_checks=True)
    decide(State.GRANTED)
    with connections["analytics"].copy().cursor() as sender:
        sender.execute("BEGIN")
        sender.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", [LOCK_SPACE, bucket(JANE)])

        answer = choose(link(), client=client, choice="out")

        assert (answer.status_code, answer["Retry-After"], state()) == (503, "5", "denied")
        assert "Your decision is recorded and in effect" in answer.content.decode()
        assert '<input type="hidden" name="choice" value="out">' in answer.content.decode()
        assert fill_in(client, link(), answer, choice="out").status_code == 503
        sender.execute("ROLLBACK")
        sender.connection.close()
    assert fill_in(client, link(), answer, choice="out").status_code == 303


# --- Links of an earlier epoch ----------------------------------------------------------------------
def downloads(page: Any) -> dict[str, Any]:
    """The receipts that a page offers, by their file's name."""
    paths = re.findall(r'href="([^"]+\.json)"', page.content.decode())
    answers = [Client().get(path) for path in paths]
    assert all(answer.status_code == 200 for answer in answers)
    assert all("attachment" in answer["Content-Disposition"] for answer in answers)
    return {
        re.findall(r'"candid-(\w+)', answer["Content-Disposition"])[0]: answer.json() for answer in answers
    }


@pytest.mark.parametrize("keeps", [True, False])
def test_opting_in_again_needs_a_link_from_after_the_withdrawal(settings: Settings, keeps: bool) -> None:
    """Whoever finds an old link in a mailbox cannot undo what the person decided."""
    settings.ON_WITHDRAWAL = "keep" if keeps else "erase"
    decide(State.GRANTED)
    path = link()
    client = Client(enforce_csrf_checks=True)
    page = client.get(path)
    assert fill_in(client, path, page, choice="out").status_code == 303

    answer = fill_in(client, path, page, choice="in", agree="yes")

    assert answer.status_code == 409
    assert state() == "denied"
    assert choose(link(), choice="in", agree="yes").status_code == 303
    assert state() == "granted"


@pytest.mark.parametrize("taken_back", [State.DENIED, State.UNSET])
def test_an_opt_in_that_waited_for_a_withdrawal_finds_its_link_from_an_earlier_epoch(
    taken_back: State,
) -> None:
    """The link was read before the withdrawal was committed, so it seemed to be current."""
    decide(State.GRANTED)
    path, client = link(), Client(enforce_csrf_checks=True)
    page = client.get(path)

    with ThreadPoolExecutor(2) as pool:
        with held("SELECT FROM consent_decisionhead FOR UPDATE"):
            withdrawing = pool.submit(in_a_thread, decide, taken_back)
            until(lambda: waiting() == 1, what="the withdrawal holds her row, and waits to write its record")
            opting_in = pool.submit(in_a_thread, fill_in, client, path, page, choice="in", agree="yes")
            until(lambda: waiting() == 2 or opting_in.done(), what="the opt-in waits for her row")
        withdrawing.result(10)
        answer = opting_in.result(10)

    assert (answer.status_code, state()) == (409, taken_back)
    assert "This link was made before" in one_line(answer)
    assert choose(link(), choice="in", agree="yes").status_code == 303


def test_so_does_one_that_waited_while_the_key_of_its_link_was_revoked() -> None:
    _, key = issue_key(name="app", scopes=["consent"])
    decide(State.UNSET)
    path, client = link(key=key.pk), Client(enforce_csrf_checks=True)
    page = client.get(path)
    with ThreadPoolExecutor(1) as pool:
        with held("SELECT FROM consent_telemetryuser FOR UPDATE"):
            opting_in = pool.submit(in_a_thread, fill_in, client, path, page, choice="in", agree="yes")
            until(lambda: waiting() == 1, what="the opt-in waits for her row")
            revoke_key(key=key)
        assert opting_in.result(10).status_code == 409
    assert state() == "unset"


def in_a_thread(what: Callable[..., Any], *of: Any, **more: Any) -> Any:
    """Call it on connections of its own."""
    try:
        return what(*of, **more)
    finally:
        connections.close_all()


def test_a_link_from_before_shows_receipts_and_nothing_else() -> None:
    decide(State.GRANTED)
    feature(JANE, days_ago(3))
    path = link()
    decide(State.DENIED)

    page = Client().get(path)

    assert "Your receipts" in one_line(page)
    for absent in ("What is stored about you", "Earlier decisions", "<form"):
        assert absent not in one_line(page)
    assert downloads(page)["consent"]["consent_state"] == "denied"


def test_the_page_that_answers_a_withdrawal_offers_the_receipts() -> None:
    decide(State.GRANTED)
    feature(JANE, days_ago(3))
    answer = choose(link(), choice="out")

    page = Client().get(answer["Location"])
    assert list(downloads(page)) == ["consent"]
    carry_out()
    files = downloads(Client().get(answer["Location"]))
    assert set(files) == {"consent", "erasure"}
    assert verify(files["erasure"])["deleted"]["analytics_feature_usage"] == 1


def test_an_erasure_makes_earlier_links_show_its_receipt_only() -> None:
    decide(State.GRANTED)
    path = link()
    ask_for_erasure(kind=SubjectKind.USER, pseudonym=JANE, actor="app", method=Method.API)
    page = one_line(Client().get(path))
    assert "are being erased" in page
    assert "<form" not in page
    carry_out()

    assert verify(downloads(Client().get(path))["erasure"])["subject"] == JANE
    assert choose(path, choice="out").status_code == 403  # there is no form to send
    assert choose(path, client=Client(), choice="out").status_code == 409
    assert state() == "granted"
    assert "Opt out" in one_line(Client().get(link()))


def test_revoking_the_key_that_made_a_link_leaves_it_receipts_only() -> None:
    text, key = issue_key(name="app", scopes=["consent"])
    _, other = issue_key(name="other", scopes=["consent"])
    decide(State.GRANTED)
    sent = {"user_id": "jane-4711"}
    answer = Client().post(
        "/api/consent/link", sent, "application/json", headers={"authorization": f"Bearer {text}"}
    )
    path = "/privacy/" + answer.json()["link"].partition("/privacy/")[2]
    for revoked, is_whole in ((other, True), (key, False)):
        revoke_key(key=revoked)
        page = one_line(Client().get(path))
        assert ("What is stored about you" in page) == is_whole
        assert ("<form" in page) == is_whole
    assert choose(path, client=Client(), choice="out").status_code == 409
    assert state() == "granted"
    assert "What is stored about you" in one_line(Client().get(link()))


def test_only_a_persons_own_receipts_are_handed_out() -> None:
    joe = pseudonym("user", "joe")
    ask_for_erasure(kind=SubjectKind.USER, pseudonym=joe, actor="app", method=Method.API)
    carry_out()
    other = ErasureRequest.objects.get().public_id
    names = (f"erasure-{other}.json", "erasure-" + "-" * 36 + ".json", "erasure.json", "x", "../x")

    assert [Client().get(f"{link()}{name}").status_code for name in names] == [404] * 5
    assert Client().get(f"{link(joe)}erasure-{other}.json").status_code == 200
    assert Client().get(f"{links.PATH}forged/erasure-{other}.json").status_code == 404


# --- Links that do not work -------------------------------------------------------------------------
def tokens() -> dict[str, str]:
    """Links that open nothing, by what is wrong with them."""
    good = link()
    signer = signing.Signer(salt="consent.link")
    elsewhere = signing.Signer(salt="another.purpose")
    soon = int(timezone.now().timestamp()) + 3600
    return {
        "ended": link(valid=timedelta(days=1), now=timezone.now() - timedelta(days=1)),
        "forged": links.PATH + ("A" if good[len(links.PATH)] != "A" else "B") + good[len(links.PATH) + 1 :],
        "cut": good[:-3],
        "another purpose": links.PATH
        + elsewhere.sign_object([JANE, soon, links.epoch_of(JANE), 0]).replace(":", "~"),
        "not a pseudonym": links.PATH
        + signer.sign_object(["jane", soon, links.epoch_of("jane"), 0]).replace(":", "~"),
        "none": links.PATH + "x",
        "empty": links.PATH,
        "long": links.PATH + "a" * 5000,
        "odd": links.PATH + "a~b~c/../%00é",
    }


def test_links_that_do_not_work_are_answered_alike() -> None:
    decide(State.GRANTED)
    answers = {name: Client().get(path) for name, path in tokens().items()}
    unknown = Client().get(link(pseudonym("user", "nobody"), valid=timedelta(seconds=-1)))

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 404)
    assert len({answer.content for answer in (*answers.values(), unknown)}) == 1
    for path in tokens().values():
        client = Client()
        client.get(link())
        assert client.post(path, {"choice": "out"}).status_code == 404
    assert state() == "granted"


def test_links_that_do_not_work_are_limited_all_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(own_page.BAD_LINKS, "most", 1)
    bad = [links.PATH + name for name in "abc"]

    assert {Client().get(path).status_code for path in bad} == {404, 429}
    assert Client().get(link()).status_code == 200


def test_a_slash_after_the_link_is_no_harm() -> None:
    assert Client().get(link() + "/").status_code == 200


def test_a_new_secret_key_ends_all_links(settings: Settings) -> None:
    path = link()
    settings.SECRET_KEY = "another"

    assert Client().get(path).status_code == 404


def test_one_persons_requests_are_limited_and_nobody_elses() -> None:
    answers = [Client().get(link()) for _ in range(65)]

    limited = [answer for answer in answers if answer.status_code == 429]
    assert limited
    assert 1 <= int(limited[0]["Retry-After"]) <= 60
    assert Client().get(link(pseudonym("user", "joe"))).status_code == 200


# --- Where the address must not appear --------------------------------------------------------------
def test_every_answer_keeps_the_address_to_itself(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors too: Django logs the address of what fails."""
    caplog.set_level(logging.DEBUG)
    for name in ("django", "django.request", "django.security"):
        caplog.set_level(logging.DEBUG, logger=name)
    paths = [link(), *tokens().values()]
    answers = [Client().get(path) for path in paths]
    answers += [Client(enforce_csrf_checks=True).post(path, {"choice": "out"}) for path in paths]
    answers += [Client().put(path) for path in paths]

    def broken(*args: object) -> None:
        raise RuntimeError(f"something about {JANE}")

    with away("analytics"):
        answers.append(Client().get(paths[0]))
    assert (answers[-1].status_code, answers[-1]["Retry-After"]) == (503, "5")
    monkeypatch.setattr("analytics.access.own_page.count_rows", broken)
    answers.append(Client().get(paths[0]))
    assert answers[-1].status_code == 500
    for answer in answers:
        assert answer["Referrer-Policy"] == "no-referrer"
        assert answer["Cache-Control"] == "no-store"
        assert "noindex" in answer["X-Robots-Tag"]
    written = "\n".join(record.getMessage() + (record.exc_text or "") for record in caplog.records)
    assert "RuntimeError" in written
    assert links.PATH not in written
    assert JANE not in written
    for path in paths[:4]:
        assert path.split("/")[3][:20] not in written


def test_the_page_leads_nowhere_else() -> None:
    page = one_line(Client().get(link()))

    assert not re.search(r'(href|src|action)="(https?:)?//', page)
    assert not re.search(r"<style|style=|<script>", page)


# --- The command ------------------------------------------------------------------------------------
def test_the_command_prints_a_link_and_only_that(
    capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://telemetry.example.com"
    call_command("consent_link", user="jane-4711", valid="12h")

    printed = capsys.readouterr().out.strip()
    assert printed.startswith("https://telemetry.example.com/privacy/mine/")
    assert "jane" not in printed
    path = printed.removeprefix("https://telemetry.example.com")
    found = links.read_link(path.split("/")[3])
    assert found
    assert found.user == JANE
    assert timedelta(hours=11) < found.until - timezone.now() <= timedelta(hours=12)


@pytest.mark.parametrize("valid", ["0d", "31d", "a week", ""])
def test_the_command_refuses_what_would_last_too_long(valid: str) -> None:
    with pytest.raises(CommandError, match="30d"):
        call_command("consent_link", user="jane-4711", valid=valid)
