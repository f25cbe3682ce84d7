"""Counts of what arrives: added up, written all together, kept in memory while the database is away."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import Error as DatabaseError
from django.test import Client
from django.utils import timezone

from consent.keys import revoke_key
from consent.models import Key
from ingest.models import RejectedRequest, TrafficCount, UndeclaredName
from ingest.traffic import counting, writing
from ingest.traffic.queries import (
    latest_rejections,
    traffic_by_day,
    traffic_by_key,
    traffic_last,
    undeclared_names,
)
from tests.support.failing import refusing
from tests.support.otlp import a_key, grant, log, logs, post
from tests.support.second_connection import held, impatient

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_back")]


def test_a_request_is_counted_by_outcome_and_reason(client: Client) -> None:
    grant(user="u1")
    text, key = a_key()
    body = logs(log("a.b", attributes={"user.id": "u1"}), log("a.b"), log("no name"))
    for _ in range(2):
        post(client, "/v1/logs", body, text)
    post(client, "/v1/logs", b"{", text)
    post(client, "/v1/logs", b"{", "no key")
    counting.flush()
    counts = TrafficCount.objects.order_by("outcome", "reason").values_list(
        "key_id", "signal", "outcome", "reason", "count"
    )
    assert list(counts) == [
        (key.pk, "logs", "accepted", "", 1),
        (key.pk, "logs", "duplicate", "", 1),
        (key.pk, "logs", "refused", "names_nobody", 2),
        (key.pk, "logs", "refused", "unroutable", 2),
        (key.pk, "logs", "rejected", "malformed", 1),
        (None, "logs", "rejected", "no_key", 1),
    ]
    last_used = Key.objects.get(pk=key.pk).last_used_at
    assert last_used is not None
    assert timezone.now() - last_used < timedelta(minutes=1)


def test_counts_of_a_minute_add_up() -> None:
    for _ in range(3):
        counting.count(1, "logs", "accepted", "", 5)
        counting.count(None, "logs", "rejected", "no_key", 1)
        counting.flush()
    found = traffic_last(2)
    assert found.accepted == 15
    assert [tuple(outcome) for outcome in found.outcomes] == [("accepted", "", 15), ("rejected", "no_key", 3)]


def test_counts_wait_while_the_database_refuses_them() -> None:
    counting.count(1, "logs", "accepted", "", 5)
    with refusing("ingest_trafficcount", "true", database="default"):
        for _ in range(3):
            with pytest.raises(DatabaseError):
                counting.flush()
    assert traffic_last(1).accepted == 0
    counting.count(1, "logs", "accepted", "", 2)
    counting.flush()
    counting.flush()
    assert traffic_last(1).accepted == 7


def test_what_is_counted_while_writing_fails_is_added_to_what_waits() -> None:
    counting.count(1, "logs", "accepted", "", 5)

    def count_meanwhile() -> None:
        while not counting._waiting.is_empty():
            time.sleep(0.001)
        counting.count(1, "logs", "accepted", "", 2)

    with held("LOCK TABLE ingest_trafficcount"), impatient(), ThreadPoolExecutor(1) as pool:
        meanwhile = pool.submit(count_meanwhile)
        with pytest.raises(DatabaseError):
            counting.flush()
        meanwhile.result()
    counting.flush()
    assert traffic_last(1).accepted == 7


def test_uses_of_a_key_wait_too_and_the_later_one_counts() -> None:
    _, key = a_key()
    counting.note_use(key.pk)
    counting.count(1, "logs", "accepted", "", 5)
    with refusing("ingest_trafficcount", "true", database="default"), pytest.raises(DatabaseError):
        counting.flush()
    before = timezone.now()
    counting.note_use(key.pk)
    counting.flush()
    assert (Key.objects.get(pk=key.pk).last_used_at or before) > before


def test_memory_is_bounded_and_known_counts_still_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MAX_WAITING", 10)
    for number in range(100):
        counting.count(number, "logs", "accepted", "", 1)
        counting.note_names(number, {"plan.tier": 1})
    counting.count(0, "logs", "accepted", "", 1)
    counting.note_names(0, {"plan.tier": 1})
    assert sorted(counting._waiting.counts.values()) == [1] * 9 + [2]
    assert sorted(counting._waiting.names.values()) == [1] * 9 + [2]


@pytest.mark.parametrize("number", [0, -1])
def test_nothing_is_no_count(number: int) -> None:
    counting.count(1, "logs", "accepted", "", number)
    assert counting._waiting.is_empty()


def test_every_hour_and_every_day_has_its_line() -> None:
    now = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
    for hours_ago, outcome in ((0, "accepted"), (1, "refused"), (1, "skipped"), (30, "accepted")):
        minute = now - timedelta(hours=hours_ago)
        TrafficCount.objects.create(
            minute=minute, key_id=1, signal="logs", outcome=outcome, reason="", count=4
        )
    found = traffic_last(24, now=now)
    assert len(found.intervals) == 24
    assert [tuple(hour[1:]) for hour in found.intervals[-2:]] == [(0, 0, 4, 0, 4), (4, 0, 0, 0, 0)]
    assert (found.accepted, found.refused, found.last_accepted) == (4, 4, now)
    days = traffic_by_day(30, now=now).intervals
    assert len(days) == 30
    assert [tuple(day) for day in days[-2:]] == [
        (datetime(2026, 11, 22, tzinfo=UTC), 4, 0, 0, 0, 0),
        (datetime(2026, 11, 23, tzinfo=UTC), 4, 0, 4, 0, 4),
    ]


def test_an_hour_holds_its_first_moment_and_no_earlier_one_is_counted() -> None:
    now = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
    first = datetime(2026, 11, 23, 9, tzinfo=UTC)
    for minute in (first, first - timedelta(minutes=1)):
        TrafficCount.objects.create(minute=minute, key_id=1, signal="logs", outcome="accepted", count=1)
    TrafficCount.objects.create(minute=first, key_id=2, signal="logs", outcome="accepted", count=10)
    found = traffic_last(2, now=now)
    assert [hour.accepted for hour in found.intervals] == [11, 0]
    of_one = traffic_last(2, now=now, key_id=1)
    assert (of_one.accepted, of_one.last_accepted) == (1, first)
    assert traffic_last(3, now=now).accepted == 12
    assert traffic_by_day(1, now=now).accepted == 12


def test_a_key_that_may_not_send_has_no_line_unless_it_has_sent() -> None:
    _, revoked = a_key()
    revoke_key(key=revoked)
    assert traffic_by_key(timezone.now() - timedelta(hours=1)) == []
    counting.count(revoked.pk, "logs", "accepted", "", 1)
    counting.flush()
    assert [row.accepted for row in traffic_by_key(timezone.now() - timedelta(hours=1))] == [1]
    assert traffic_by_key(timezone.now() + timedelta(hours=1)) == []


def test_the_latest_rejections_come_first_and_name_their_key() -> None:
    _, key = a_key()
    for key_id, reason in ((key.pk, "too_large"), (None, "no_key"), (0, "malformed")):
        counting.reject(key_id, "logs", reason, transport="http", status=400)
        counting.flush()
    assert [(row.key, row.reason) for row in latest_rejections(2)] == [(None, "malformed"), (None, "no_key")]
    assert latest_rejections(3)[2].key == key


def test_undeclared_names_that_few_records_had_or_that_are_declared_now_are_not_listed() -> None:
    _, key = a_key()
    today = datetime.now(UTC)
    names = {"few.times": 4, "often.seen": 5, "most.often": 9, "app_version": 50}
    names |= {"telemetry.sdk.*": 90, "host.*": 70, "http.flavor": 80}  # the last by an earlier version
    counting.note_names(key.pk, names)
    counting.flush()
    counting.note_names(key.pk + 1, {"process.*": 7, "(others)": 4})
    counting.flush()
    listed, of_sdks = undeclared_names(today, 10, at_least=5)
    assert [(row.name, row.count, row.key) for row in listed] == [
        ("most.often", 9, key),
        ("often.seen", 5, key),
    ]
    assert of_sdks == (["telemetry.sdk.*", "http.*", "host.*", "process.*"], 97)
    assert len(undeclared_names(today, 1, at_least=5).names) == 1
    assert undeclared_names(today + timedelta(days=1), 10, at_least=5) == ([], None)


def test_what_each_key_sent_is_told_apart_from_what_had_no_key() -> None:
    _, busy = a_key()
    _, idle = a_key()
    a_key(scopes=("reports",))
    counting.count(busy.pk, "logs", "accepted", "", 5)
    counting.count(busy.pk, "logs", "refused", "no_consent", 1)
    counting.count(None, "logs", "rejected", "no_key", 2)
    counting.count(0, "logs", "accepted", "", 3)  # of a key that is gone
    counting.flush()
    rows = traffic_by_key(timezone.now() - timedelta(hours=1))
    assert [tuple(row) for row in rows] == [
        (busy, 5, 0, 1, 0, 0),
        (idle, 0, 0, 0, 0, 0),
        (None, 3, 0, 0, 2, 0),
    ]


def test_a_rejected_request_is_remembered_without_what_it_held(client: Client) -> None:
    text, key = a_key()
    post(client, "/v1/logs", b'{"secret": ', text)
    post(client, "/v1/traces", b"{}", "nonsense")
    counting.flush()
    rows = RejectedRequest.objects.order_by("id").values_list(
        "key_id", "signal", "transport", "status", "reason"
    )
    assert list(rows) == [
        (key.pk, "logs", "http", "400", "malformed"),
        (None, "traces", "http", "401", "no_key"),
    ]
    assert {field.name for field in RejectedRequest._meta.fields} == {
        *("id", "at", "key_id", "signal", "transport", "status", "reason")
    }


def test_of_rejections_the_latest_are_kept_and_strangers_push_nobody_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writing, "MAX_REJECTIONS", 3)
    counting._waiting.clear()
    counting.reject(7, "logs", "malformed", transport="http", status=400)
    for _ in range(4):
        for _ in range(5):
            counting.reject(None, "logs", "no_key", transport="http", status=401)
        counting.flush()
    assert RejectedRequest.objects.filter(key_id=7).count() == 1
    assert RejectedRequest.objects.filter(key_id=None).count() == 3


def test_rejections_and_names_wait_while_the_database_refuses_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "MAX_REJECTIONS", 2)
    counting._waiting.clear()
    for status in ("OLDEST", "OLDER"):
        counting.reject(7, "logs", "malformed", transport="grpc", status=status)
    counting.note_names(7, {"plan.tier": 2})
    with refusing("ingest_undeclaredname", "true", database="default"), pytest.raises(DatabaseError):
        counting.flush()
    assert not RejectedRequest.objects.exists()  # all or nothing
    counting.reject(7, "logs", "malformed", transport="grpc", status="NEWEST")
    counting.note_names(7, {"plan.tier": 3})
    counting.flush()
    assert sorted(RejectedRequest.objects.values_list("status", flat=True)) == ["NEWEST", "OLDER"]
    assert UndeclaredName.objects.get().count == 5


def test_names_are_capped_per_key_and_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "NAMES_PER_DAY", 10)
    for start in (0, 8, 16):
        counting.note_names(7, {f"attribute.{chr(97 + start + i)}": 1 for i in range(8)})
        counting.note_names(8, {"other": 1})
        counting.flush()
    names = UndeclaredName.objects.filter(key_id=7)
    assert names.count() == 10
    counting.note_names(7, dict.fromkeys(names.values_list("name", flat=True), 1))
    counting.flush()
    assert set(names.values_list("count", flat=True)) == {2}
    counting.note_names(7, {"a.new.one": 1, **dict.fromkeys(names.values_list("name", flat=True), 1)})
    counting.flush()
    assert set(names.values_list("count", flat=True)) == {3}
    assert UndeclaredName.objects.get(key_id=8).count == 3
