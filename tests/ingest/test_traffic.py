"""Counts of what arrives: added up, written at once for all, kept while the database is away."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from consent.models import Key
from ingest import traffic
from ingest.models import TrafficCount
from tests.ingest.otlp import a_key, grant, log, logs, post

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_back")]


def test_a_request_is_counted_by_outcome_and_reason(client: Client) -> None:
    grant(user="u1")
    text, key = a_key()
    body = logs(log("a.b", attributes={"user.id": "u1"}), log("a.b"), log("nothing"))
    for _ in range(2):
        post(client, "/v1/logs", body, text)
    post(client, "/v1/logs", b"{", text)
    post(client, "/v1/logs", b"{", "no key")
    traffic.flush()
    counts = TrafficCount.objects.order_by("outcome", "reason").values_list(
        "key_id", "signal", "outcome", "reason", "count"
    )
    assert list(counts) == [
        (key.pk, "logs", "accepted", "", 1),
        (key.pk, "logs", "duplicate", "", 1),
        (key.pk, "logs", "refused", "no_consent", 2),
        (key.pk, "logs", "refused", "unroutable", 2),
        (key.pk, "logs", "rejected", "malformed", 1),
        (None, "logs", "rejected", "no_key", 1),
    ]
    last_used = Key.objects.get(pk=key.pk).last_used_at
    assert last_used is not None
    assert timezone.now() - last_used < timedelta(minutes=1)


def test_counts_of_a_minute_add_up() -> None:
    for _ in range(3):
        traffic.count(1, "logs", "accepted", "", 5)
        traffic.count(None, "logs", "rejected", "no_key", 1)
        traffic.flush()
    found = traffic.traffic_last(2)
    assert found.accepted == 15
    assert [tuple(outcome) for outcome in found.outcomes] == [("accepted", "", 15), ("rejected", "no_key", 3)]


def test_counts_wait_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: Any) -> None:
        raise OperationalError("gone")

    traffic.count(1, "logs", "accepted", "", 5)
    with monkeypatch.context() as outage:
        outage.setattr(traffic, "_write", away)
        for _ in range(3):
            with pytest.raises(OperationalError):
                traffic.flush()
    traffic.count(1, "logs", "accepted", "", 2)
    traffic.flush()
    assert traffic.traffic_last(1).accepted == 7


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "MAX_WAITING", 10)
    for number in range(100):
        traffic.count(number, "logs", "accepted", "", 1)
    assert len(traffic._waiting.counts) == 10


def test_every_hour_has_its_line() -> None:
    now = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
    for hours_ago, outcome in ((0, "accepted"), (1, "refused"), (30, "accepted")):
        minute = now - timedelta(hours=hours_ago)
        TrafficCount.objects.create(
            minute=minute, key_id=1, signal="logs", outcome=outcome, reason="", count=4
        )
    found = traffic.traffic_last(24, now=now)
    assert len(found.hours) == 24
    assert [tuple(hour[1:]) for hour in found.hours[-2:]] == [(0, 0, 4, 0), (4, 0, 0, 0)]
    assert (found.accepted, found.refused, found.last_accepted) == (4, 4, now)
