"""What is stored of customers' reports, and when nothing is."""

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import pytest
from django.db import OperationalError, connections
from django.utils import timezone
from pytest_django import Settings

from analytics.customers.reported_numbers import MAX_NUMBERS, numbers_of
from analytics.customers.reports import RecordedReport, record_analytics, record_heartbeat
from analytics.models import CustomerAnalytics, CustomerHeartbeat
from consent.decisions.recording import record_decision
from consent.decisions.tombstones import ask_for_erasure
from consent.gate import barrier
from consent.models import Method, State, SubjectKind
from consent.pseudonyms import pseudonym

ACME = pseudonym("organization", "acme")
NOW = timezone.now()
MOMENT = timedelta(microseconds=1)


def heartbeat(**values: object) -> RecordedReport:
    return record_heartbeat(**{"organization": ACME, "timestamp": NOW, "metrics": {"n": 1}} | values)


def analytics(**values: object) -> RecordedReport:
    return record_analytics(**{"organization": ACME, "day": NOW.date(), "analytics": {"n": 1}} | values)


# --- Numbers ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("value", [0, -1.5, 2**63 - 1, -(2**63) + 1])
def test_finite_numbers_are_stored(value: float) -> None:
    assert numbers_of({"n": value}) == ({"n": value}, {})


@pytest.mark.parametrize("value", [True, "1", None, [1], float("nan"), float("-inf"), 2**63, -(2**63)])
def test_anything_else_is_dropped(value: object) -> None:
    assert numbers_of({"n": value}) == ({}, {"not_a_number": 1})


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a" * 100, ""),
        ("a" * 101, "bad_name"),
        ("", "bad_name"),
        ("1st", "bad_name"),
        ("a b", "bad_name"),
        ("n\n", "bad_name"),
        ("Uses.of_api-2", ""),
        ("email", "personal_name"),
        ("user.api_key", "personal_name"),
    ],
)
def test_names_are_short_plain_and_not_personal(name: str, reason: str) -> None:
    assert numbers_of({name: 1}) == (({}, {reason: 1}) if reason else ({name: 1}, {}))


def test_a_report_holds_so_many_numbers() -> None:
    numbers, dropped = numbers_of({f"n{number}": number for number in range(MAX_NUMBERS + 1)})
    assert (len(numbers), dropped) == (MAX_NUMBERS, {"too_many": 1})
    assert len(numbers_of({f"n{number}": number for number in range(MAX_NUMBERS)})[0]) == MAX_NUMBERS


# --- Storing ----------------------------------------------------------------------------------------
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("record", "numbers"), [(heartbeat, "metrics"), (analytics, "analytics")], ids=["heartbeat", "analytics"]
)
def test_a_report_is_stored_once_and_the_last_one_wins(
    record: Callable[..., RecordedReport], numbers: str
) -> None:
    assert record() == ("stored", 1, 0, [])
    assert record().outcome == "unchanged"
    assert record(**{numbers: {"n": 1.0}}).outcome == "unchanged"
    assert record(**{numbers: {"n": 2, "bad name": 1}})[:3] == ("replaced", 1, 1)
    assert record(organization="b" * 32).outcome == "stored"
    model = CustomerHeartbeat if numbers == "metrics" else CustomerAnalytics
    assert getattr(model.objects.get(organization_id=ACME), numbers) == {"n": 2}


def opted_out() -> None:
    record_decision(
        kind=SubjectKind.ORGANIZATION, subject=ACME, state=State.DENIED, actor="t", method=Method.API
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("obstacle", "reason"),
    [
        ("signal", "asks not to be tracked"),
        ("switch", "is switched off here"),
        ("decision", "has opted out"),
        ("erasure", "were erased"),
    ],
)
def test_nothing_is_stored_against_anybodys_will(obstacle: str, reason: str, settings: Settings) -> None:
    settings.BASE_TELEMETRY_ENABLED = obstacle != "switch"
    if obstacle == "decision":
        opted_out()
    if obstacle == "erasure":
        ask_for_erasure(
            kind=SubjectKind.ORGANIZATION, pseudonym=ACME, actor="t", method=Method.API, until=NOW
        )
    for record in (heartbeat, analytics):
        report = record(do_not_track=obstacle == "signal")
        assert report[:3] == ("not_kept", 0, 1)
        assert reason in report.warnings[0]
    assert not CustomerHeartbeat.objects.exists()
    assert not CustomerAnalytics.objects.exists()


@pytest.mark.django_db
def test_what_is_newer_than_an_erasure_is_stored() -> None:
    ask_for_erasure(kind=SubjectKind.ORGANIZATION, pseudonym=ACME, actor="t", method=Method.API, until=NOW)
    assert heartbeat(timestamp=NOW + MOMENT).outcome == "stored"
    assert analytics(day=NOW.date() + timedelta(days=1)).outcome == "stored"
    assert heartbeat(timestamp=NOW - MOMENT).outcome == "not_kept"


@pytest.mark.django_db(transaction=True)
def test_a_report_waits_for_a_withdrawal_under_way() -> None:
    with closing(connections["analytics"].copy()) as another:
        another.cursor().execute("BEGIN")
        another.cursor().execute(
            "SELECT pg_advisory_xact_lock(%s, %s)", [barrier.LOCK_SPACE, barrier.bucket(ACME)]
        )
        connections["analytics"].cursor().execute("SET lock_timeout = '100ms'")
        try:
            with pytest.raises(OperationalError, match="lock timeout"):
                heartbeat()
        finally:
            connections["analytics"].cursor().execute("RESET lock_timeout")
        another.cursor().execute("ROLLBACK")
    assert not CustomerHeartbeat.objects.exists()
    assert heartbeat().outcome == "stored"
