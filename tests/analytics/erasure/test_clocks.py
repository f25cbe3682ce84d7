"""Clocks that disagree: whatever was stored before a withdrawal was answered goes with it.

An event's time is the sender's clock, its arrival the analytics database's, a decision's this process's.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from analytics.erasure import run
from analytics.models import FeatureUsage
from consent.models import ErasureRequest
from consent.pseudonyms import pseudonym
from tests.analytics.erasure.stories import carry_out
from tests.support.events import feature
from tests.support.otlp import a_key, grant, log, logs, post

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)
Decide = Callable[[str], None]
Send = Callable[..., Any]


@pytest.fixture
def key() -> str:
    return a_key(scopes=("ingest", "consent"))[0]


@pytest.fixture
def decide(client: Client, key: str) -> Decide:
    def put(what: str) -> None:
        headers = {"Authorization": f"Bearer {key}", "X-User-Id": "jane"}
        answer = client.put(f"/api/users/telemetry/{what}", headers=headers)
        assert answer.status_code == 200

    return put


@pytest.fixture
def send(client: Client, key: str) -> Send:
    def sent(name: str, ahead: timedelta = timedelta()) -> Any:
        """Of Jane, an event dated as much `ahead` of the databases' clock."""
        event = log(name, at=datetime.now(UTC) + ahead, attributes={"user.id": "jane"})
        return post(client, "/v1/logs", logs(event), key).json()

    return sent


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's clock is an hour behind the databases' (and behind those of well-kept senders)."""
    monkeypatch.setattr(timezone, "now", lambda: datetime.now(UTC) - HOUR)


def kept() -> list[str]:
    return sorted(FeatureUsage.objects.values_list("feature_name", flat=True))


def why_what_remains() -> set[str]:
    receipt = ErasureRequest.objects.latest("id").receipt
    return {place["why"] for place in receipt["remains"] if "analytics_" in place["where"]}


@pytest.mark.usefixtures("behind")
def test_of_whoever_opts_out_nothing_stays_where_this_machines_clock_is_behind(
    decide: Decide, send: Send
) -> None:
    decide("enable")
    assert send("export.used") == {}
    decide("disable")
    carry_out()
    assert (kept(), why_what_remains()) == ([], set())


@pytest.mark.usefixtures("behind")
@pytest.mark.parametrize("ahead", [timedelta(), 20 * HOUR])
def test_a_new_grant_keeps_nothing_of_before_where_this_machines_clock_is_behind(
    decide: Decide, send: Send, ahead: timedelta
) -> None:
    decide("enable")
    send("before.used", ahead)
    decide("disable")
    decide("enable")
    send("after.used", timedelta(seconds=1))
    carry_out()
    assert kept() == ["after"]


@pytest.mark.usefixtures("behind")
def test_an_erasure_that_is_no_withdrawal_takes_what_was_there_when_it_was_asked_for(
    client: Client, key: str, decide: Decide, send: Send
) -> None:
    decide("enable")
    send("before.used")
    headers = {"Authorization": f"Bearer {key}", "X-User-Id": "jane"}
    answer = client.post("/api/privacy/erasure", {}, "application/json", headers=headers)
    assert answer.status_code == 202
    carry_out()
    assert (kept(), why_what_remains()) == ([], set())
    send("after.used", timedelta(seconds=1))
    assert kept() == ["after"]


@pytest.mark.parametrize("ahead", [timedelta(seconds=1), 20 * HOUR])
def test_an_event_dated_after_the_withdrawal_that_came_before_it_goes(
    decide: Decide, send: Send, ahead: timedelta
) -> None:
    decide("enable")
    send("before.used", ahead)
    assert kept() == ["before"]
    decide("disable")
    assert "no_consent" in send("during.used", ahead)["partialSuccess"]["errorMessage"]
    carry_out()
    assert (kept(), why_what_remains()) == ([], set())


def test_an_event_dated_ahead_that_came_while_denied_is_not_let_in_by_a_grant_it_is_dated_after(
    decide: Decide, send: Send
) -> None:
    """It is refused by what is decided now, and it is not kept to be looked at later."""
    decide("enable")
    decide("disable")
    assert "no_consent" in send("during.used", 20 * HOUR)["partialSuccess"]["errorMessage"]
    decide("enable")
    assert kept() == []
    assert "no_consent" in send("earlier.used", -HOUR)["partialSuccess"]["errorMessage"]


def test_an_organizations_events_go_likewise(
    client: Client, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"Authorization": f"Bearer {key}", "X-Organization-Id": "acme"}
    monkeypatch.setattr(timezone, "now", lambda: datetime.now(UTC) - HOUR)
    grant(user="jane")

    def put(enabled: bool) -> None:
        address = "/api/v1/config/me/org-settings"
        answer = client.put(address, {"telemetry_enabled": enabled}, "application/json", headers=headers)
        assert answer.status_code == 200

    put(True)
    who = {"user.id": "jane", "organization.id": "acme"}
    event = log("export.used", at=datetime.now(UTC), attributes=who)
    assert post(client, "/v1/logs", logs(event), key).content == b"{}"
    put(False)
    carry_out()
    assert (kept(), why_what_remains()) == ([], set())


def test_no_receipt_says_of_whoever_is_opted_out_that_a_newer_event_was_allowed(
    decide: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the databases' clock was set back: the row arrived later than any clock says it is now."""
    decide("enable")
    later = datetime.now(UTC) + HOUR
    feature(pseudonym("user", "jane"), later, received_at=later)
    decide("disable")
    with pytest.raises(run.NotErased, match=r"still in analytics_feature_usage\.user_id"):
        carry_out()
    monkeypatch.setattr(run, "AGAIN_AFTER", timedelta())
    monkeypatch.setattr(timezone, "now", lambda: datetime.now(UTC) + 2 * HOUR)
    carry_out()
    assert (kept(), why_what_remains()) == ([], set())
