"""`unset` after a grant is a withdrawal: hidden and refused at once, erased, and told like an opt-out."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from analytics.access.own_receipts import CONSENT_FILE
from analytics.heartbeats.totals import totals
from analytics.reports.active_users import active_users_report
from analytics.self_check.run import check_figures
from consent.api import links
from consent.decisions.status import consent_status
from consent.decisions.withdrawn import withdrawn
from consent.gate.barrier import LOCK_SPACE, bucket
from consent.keys import issue_key
from consent.models import ConsentPeriod, ErasureRequest, Organization, State, Tombstone
from consent.policies import publishing
from tests.analytics.erasure.stories import ACME, JANE, ORGANIZATION, USER, ask, carry_out, decide, rows
from tests.support.events import feature, filters
from tests.support.otlp import a_key, post, span, traces
from tests.support.pages import one_line
from tests.support.programs import until
from tests.support.rolling import roll_up
from tests.support.second_connection import held, waiting

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("unspent")]


def by_api(state: str) -> None:
    key, _ = issue_key(name="app", scopes=["consent"])
    headers = {"Authorization": f"Bearer {key}", "X-User-Id": "jane"}
    answer = Client().put(
        "/api/consent/user", {"state": state}, content_type="application/json", headers=headers
    )
    assert answer.json()["changed"]


def by_command(state: str) -> None:
    call_command("set_consent", state, user="jane", stdout=StringIO())


def sent(number: int = 1, *, minutes_ago: float = 0) -> bool:
    """Send an event of Jane's; whether it is stored."""
    before = len(rows()["FeatureUsage"])
    at = timezone.now() - timedelta(minutes=minutes_ago)
    event = span(number, at=at, attributes={"user.id": "jane", "feature.name": "export"})
    assert post(Client(), "/v1/traces", traces(event), a_key()[0]).status_code == 200
    return len(rows()["FeatureUsage"]) > before


def jane_counts() -> bool:
    """Whether reports count her today."""
    roll_up()
    report = active_users_report(filters(timezone.now().date(), range="7d"))
    return bool(report.days[-1].total)


def erasures(subject: str = JANE) -> list[tuple[bool, str]]:
    return list(ErasureRequest.objects.filter(pseudonym=subject).values_list("is_withdrawal", "state"))


# --- It is one ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("decided", [by_api, by_command])
def test_a_grant_taken_back_is_hidden_at_once_and_its_rows_are_erased(decided: Callable[[str], None]) -> None:
    decided("granted")
    assert sent()
    assert jane_counts()

    decided("unset")

    assert not jane_counts()
    assert erasures() == [(True, "waiting")]
    assert Tombstone.objects.filter(subject=JANE).exists()
    carry_out()
    assert rows()["FeatureUsage"] == []
    receipt = ErasureRequest.objects.get().receipt
    assert (receipt["withdrawal"], receipt["denied"], receipt["state"]) == (True, False, "unset")
    assert consent_status(USER, JANE).state == State.UNSET


def test_events_from_before_are_refused_for_good_under_every_profile(settings: Any) -> None:
    settings.CONSENT_PROFILE_CLOUD = settings.CONSENT_PROFILE_SELF_HOSTED = "notice"
    settings.CONSENT_NOTICE_SINCE = (timezone.now() - timedelta(days=9)).isoformat()
    settings.ON_WITHDRAWAL = "keep"  # without a tombstone, the gate alone decides
    decide(State.GRANTED)
    decide(State.UNSET)
    assert not sent(1, minutes_ago=3)
    assert sent(2)  # from here on she is undecided, and the profile decides
    decide(State.GRANTED)
    assert not sent(3, minutes_ago=3)


@pytest.mark.usefixtures("notice")
def test_where_the_undecided_are_kept_she_counts_again_by_new_events_once_the_old_ones_are_erased() -> None:
    decide(State.GRANTED)
    assert sent(1)
    decide(State.UNSET)
    assert sent(2)
    assert not jane_counts()
    carry_out()
    assert jane_counts()


@pytest.mark.usefixtures("notice")
def test_so_does_somebody_who_opted_out_was_erased_and_is_undecided_again() -> None:
    decide(State.GRANTED)
    decide(State.DENIED)
    carry_out()
    decide(State.UNSET)
    assert sent()
    assert jane_counts()


def test_several_grants_taken_back_leave_the_gate_two_periods_to_read() -> None:
    for _ in range(3):
        decide(State.GRANTED)
        decide(State.UNSET)
    assert ConsentPeriod.objects.filter(subject=JANE).count() == 6
    read = ConsentPeriod.objects.filter(subject=JANE, is_superseded=False).order_by("since")
    assert list(read.values_list("state", flat=True)) == ["granted", "unset"]


def test_a_grant_that_became_stale_is_taken_back_as_well() -> None:
    decide(State.GRANTED)
    assert sent()
    publishing.publish(text="Another text.", actor="test")
    decide(State.UNSET)
    assert erasures() == [(True, "waiting")]
    carry_out()
    assert rows()["FeatureUsage"] == []


def test_an_organizations_grant_taken_back_in_the_admin_erases_and_says_so_before() -> None:
    admin = Client()
    admin.force_login(User.objects.create_superuser("officer"))
    decide(State.GRANTED, ORGANIZATION, ACME)
    form = {"action": "unset", "_selected_action": Organization.objects.get().pk}
    page = admin.post(reverse("admin:consent_organization_changelist"), form)
    assert "is erased within a day, for good" in page.text
    confirmed = form | {"confirmed": "yes", "reason": "Asked"}
    admin.post(reverse("admin:consent_organization_changelist"), confirmed, follow=True)
    assert erasures(ACME) == [(True, "waiting")]


def test_what_it_keeps_stays_hidden_until_a_new_grant(settings: Any) -> None:
    settings.ON_WITHDRAWAL = "keep"
    decide(State.GRANTED)
    assert sent()
    decide(State.UNSET)
    assert erasures() == []
    assert not jane_counts()
    decide(State.DENIED)
    decide(State.UNSET)
    assert not jane_counts()
    decide(State.GRANTED)
    assert jane_counts()


@pytest.mark.usefixtures("notice")
def test_or_until_an_erasure_that_is_asked_for_later(settings: Any) -> None:
    settings.ON_WITHDRAWAL = "keep"
    decide(State.GRANTED)
    decide(State.UNSET)
    ask()
    carry_out()
    assert sent()
    assert jane_counts()


def test_her_page_says_so_and_an_earlier_link_shows_the_receipts_only() -> None:
    by_api("granted")
    earlier, _ = links.make_link(JANE)
    by_api("unset")
    later, _ = links.make_link(JANE)
    told = "<b>Not decided</b>, since you took your consent back on"
    for path, shows in ((earlier, "Your receipts"), (later, "Your decision")):
        page = one_line(Client().get(path))
        assert told in page
        assert "being erased" in page
        assert shows in page
    receipt = Client().get(f"{earlier}{CONSENT_FILE}").json()
    states = [(event["state"], event["event_state"]) for event in receipt["events"]]
    assert states == [("granted", "consent given"), ("unset", "consent withdrawn")]


def test_after_a_restore_from_a_backup_with_the_grant_it_is_taken_back_again(
    settings: Any, tmp_path: Path
) -> None:
    settings.RECEIPTS_DIR = str(tmp_path)
    decide(State.GRANTED)
    decide(State.UNSET)
    carry_out()
    ErasureRequest.objects.all().delete()
    Tombstone.objects.all().delete()
    decide(State.GRANTED)
    call_command("replay_erasures", receipts=tmp_path, stdout=StringIO())
    assert consent_status(USER, JANE).state == State.UNSET


@pytest.mark.parametrize("taken_back", [State.DENIED, State.UNSET])
@pytest.mark.parametrize("again", [True, False])
def test_what_was_in_flight_when_a_grant_was_taken_back_is_erased_too(taken_back: State, again: bool) -> None:
    """Read under the grant, received and dated after the withdrawal was written, stored before its answer."""
    decide(State.GRANTED)
    in_flight = "SELECT pg_advisory_xact_lock_shared(%s, %s)"
    with ThreadPoolExecutor(1) as pool:
        with held(in_flight, [LOCK_SPACE, bucket(JANE)], database="analytics"):
            deciding = pool.submit(in_a_thread, decide, taken_back)
            until(lambda: waiting("analytics") == 1, what="it waits for the event in flight")
            feature(JANE, timezone.now(), received_at=timezone.now())
        deciding.result(10)
    if again:
        decide(State.GRANTED)
    carry_out()
    assert rows()["FeatureUsage"] == []


def test_asking_again_and_beginning_the_erasure_wait_for_each_other_in_one_order() -> None:
    """In two orders they would deadlock, and a withdrawal would fail."""
    decide(State.GRANTED)
    decide(State.DENIED)
    with ThreadPoolExecutor(2) as pool:
        with held("SELECT FROM consent_tombstone FOR UPDATE"):
            asking = pool.submit(in_a_thread, ask)
            until(lambda: waiting() == 1, what="who asks waits for the tombstone")
            beginning = pool.submit(in_a_thread, carry_out)
            until(lambda: waiting() == 2, what="so does the erasure")
        asking.result(10)
        beginning.result(30)
    assert erasures() == [(False, "done")]


def in_a_thread(what: Callable[..., None], *of: object) -> None:
    """Call it on connections of its own."""
    try:
        what(*of)
    finally:
        connections.close_all()


# --- A plain one is none ------------------------------------------------------------------------------
@pytest.mark.usefixtures("notice")
def test_whoever_never_agreed_loses_nothing_by_it() -> None:
    assert sent(1, minutes_ago=3)
    decide(State.UNSET)
    assert erasures() == []
    assert jane_counts()
    assert sent(2, minutes_ago=2)
    page = one_line(Client().get(links.make_link(JANE)[0]))
    assert "<b>Not decided.</b>" in page
    assert "being erased" not in page


def test_after_an_opt_out_it_asks_for_nothing_more() -> None:
    decide(State.GRANTED)
    decide(State.DENIED)
    ErasureRequest.objects.update(state="running")
    decide(State.UNSET)
    assert erasures() == [(True, "running")]


# --- A new grant while an erasure is pending ------------------------------------------------------------
@pytest.mark.parametrize("taken_back", [State.DENIED, State.UNSET])
@pytest.mark.parametrize("again", [State.GRANTED, State.UNSET])
def test_until_the_erasure_is_done_no_decision_brings_rows_back(taken_back: State, again: State) -> None:
    decide(State.GRANTED)
    assert sent()
    assert jane_counts()
    decide(taken_back)
    decide(again)
    assert not jane_counts()
    carry_out()
    assert rows()["FeatureUsage"] == []
    decide(State.GRANTED)
    assert sent(2)
    assert jane_counts()


def test_nor_in_the_numbers_that_this_instance_sends_and_the_self_check_agrees() -> None:
    decide(State.GRANTED)
    feature(JANE, timezone.now() - timedelta(days=1))
    for number in range(1, 6):
        feature(number, timezone.now() - timedelta(days=1))
    roll_up()

    def people() -> int | None:
        return totals(timezone.now() - timedelta(days=2), timezone.now())["active_users"]

    assert people() == 6
    decide(State.DENIED)
    decide(State.GRANTED)
    assert people() == 5
    assert " 0 differences" in check_figures()
    decide(State.DENIED)
    assert " 0 differences" in check_figures()
    assert withdrawn(USER) == [JANE]
