"""Opting out: when it asks for an erasure, and what that erasure deletes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from analytics.customers.reports import record_analytics, record_heartbeat
from analytics.erasure import remains
from analytics.models import (
    FeatureUsage,
    License,
)
from consent.decisions.recording import register_organization
from consent.keys import issue_key
from consent.models import ErasureRequest, Organization, State, Tombstone
from tests.analytics.erasure.stories import (
    ACME,
    DAY,
    JANE,
    ORGANIZATION,
    ask,
    carry_out,
    decide,
    rows,
)
from tests.support.events import feature
from tests.support.otlp import a_key, post, span, traces
from tests.support.programs import until

pytestmark = pytest.mark.django_db(transaction=True)


def test_asked_for_again_while_it_waits_it_is_the_same_request_with_a_later_tombstone() -> None:
    first, second = ask(), ask()
    assert first.pk == second.pk
    assert second.until > first.until
    assert Tombstone.objects.get().until == second.until


@pytest.mark.parametrize("setting", ["erase", "keep"])
def test_a_withdrawal_asks_for_erasure_unless_it_is_set_to_keep(settings, setting: str) -> None:
    settings.ON_WITHDRAWAL = setting
    decide(State.GRANTED)
    decide(State.DENIED)
    decide(State.DENIED)
    assert ErasureRequest.objects.count() == (setting == "erase")


def test_who_says_no_before_anything_could_be_kept_leaves_nothing_to_erase() -> None:
    decide(State.DENIED)
    assert not ErasureRequest.objects.exists()


def jane_is_sent(client: Client, key: str) -> None:
    event = span(at=timezone.now(), attributes={"user.id": "jane", "feature.name": "export"})
    assert post(client, "/v1/traces", traces(event), key).status_code == 200


@pytest.mark.usefixtures("notice")
def test_what_an_earlier_profile_kept_of_the_undecided_is_erased_when_they_opt_out(
    client: Client, settings
) -> None:
    jane_is_sent(client, a_key()[0])
    assert rows()["FeatureUsage"] == [JANE]
    settings.CONSENT_PROFILE_CLOUD = settings.CONSENT_PROFILE_SELF_HOSTED = "strict"
    decide(State.DENIED)
    carry_out()
    assert rows()["FeatureUsage"] == []


@pytest.mark.usefixtures("notice")
def test_the_first_event_of_all_the_undecided_waits_for_an_opt_out_under_way(client: Client) -> None:
    key, _ = a_key()

    def in_a_thread(what: Callable[..., None], *of: object) -> None:
        try:
            what(*of)
        finally:
            connections.close_all()

    def waiting() -> int:
        with connections["default"].cursor() as cursor:
            cursor.execute(
                "SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
                " WHERE datname = current_database() AND NOT granted"
            )
            return cursor.fetchone()[0]

    with closing(connections["default"].copy()) as another, ThreadPoolExecutor(2) as pool:
        another.cursor().execute("BEGIN")
        another.cursor().execute("SELECT FROM consent_decisionhead FOR UPDATE")
        try:
            opting_out = pool.submit(in_a_thread, decide, State.DENIED)
            until(lambda: waiting() == 1, what="the opt-out is under way")
            sending = pool.submit(in_a_thread, jane_is_sent, client, key)
            until(lambda: waiting() == 2 or sending.done(), what="the event has come to the gate")
        finally:
            another.cursor().execute("ROLLBACK")
        opting_out.result(10)
        sending.result(10)
    assert rows()["FeatureUsage"] == []


def test_a_grant_does_not_cancel_it_and_newer_rows_stay() -> None:
    decide(State.GRANTED)
    feature(JANE, DAY)
    decide(State.DENIED)
    decide(State.GRANTED)
    newer = timezone.now() + timedelta(seconds=1)
    feature(JANE, newer)
    carry_out()
    assert FeatureUsage.objects.get().timestamp == newer
    receipt = ErasureRequest.objects.get().receipt
    assert receipt["withdrawal"] is True
    assert {"where": "analytics_feature_usage.user_id", "rows": 1, "why": remains.NEWER_ROWS} in receipt[
        "remains"
    ]


def test_of_a_subject_that_is_opted_out_nothing_stays_whatever_the_senders_clock_said() -> None:
    decide(State.GRANTED)
    feature(JANE, timezone.now() + timedelta(hours=20), received_at=timezone.now())
    decide(State.DENIED)
    carry_out()
    assert rows()["FeatureUsage"] == []


def test_an_organization_that_withdraws_keeps_licence_and_label() -> None:
    register_organization(pseudonym=ACME, label="Acme Corp.")
    _, key = issue_key(name="a key", scopes=["heartbeat"], organization_pseudonym=ACME)
    License.objects.create(key_id=key.pk, customer_name="Acme")
    decide(State.GRANTED, ORGANIZATION, ACME)
    feature(JANE, DAY, organization_id=ACME)
    decide(State.DENIED, ORGANIZATION, ACME)
    carry_out()
    assert rows()["FeatureUsage"] == []
    assert License.objects.exists()
    assert Organization.objects.get(pseudonym=ACME).label == "Acme Corp."


def test_reports_dated_up_to_the_erasure_are_not_taken_again() -> None:
    now = timezone.now()
    ask(ORGANIZATION, ACME)
    late = record_heartbeat(organization=ACME, timestamp=now - timedelta(hours=1), metrics={"a": 1})
    day = record_analytics(organization=ACME, day=now.date(), analytics={"a": 1})
    newer = record_heartbeat(
        organization=ACME, timestamp=timezone.now() + timedelta(seconds=1), metrics={"a": 1}
    )
    assert [late.outcome, day.outcome, newer.outcome] == ["not_kept", "not_kept", "stored"]
    assert "erased" in late.warnings[0]
