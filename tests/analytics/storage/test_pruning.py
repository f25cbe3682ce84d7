"""Pruning: months wholly past their retention go, from all three tables; nothing else does."""

import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import OperationalError, connections, transaction
from pytest_django import Settings

from analytics import partitions
from analytics.models import (
    CustomerAnalytics,
    CustomerHeartbeat,
    DroppedPartition,
    EndpointUsage,
    FeatureUsage,
    Installation,
    InstallationEvent,
    JobRun,
    RolledDay,
    SentHeartbeat,
    UserActivity,
)
from analytics.partitions import Month, existing
from analytics.report_days import days_between
from analytics.storage import pruning
from tests.support.events import months_standing
from tests.support.programs import until
from tests.support.rolling import roll_up

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FIFTEEN = [Month(2026, 11).plus(-back) for back in range(15, -1, -1)]
MODELS = (UserActivity, EndpointUsage, FeatureUsage)


def add_rows(at: datetime) -> None:
    """One row in each table."""
    common = {"user_id": "a" * 32, "organization_id": "", "timestamp": at, "received_at": at}
    own = ({"event_type": "login", "session_id": ""}, {"endpoint": "/x", "method": "GET"}, {})
    for model, columns in zip(MODELS, own, strict=True):
        model.objects.create(id=uuid.uuid4(), deployment_type="cloud", **common, **columns)


def months_with_rows() -> list[list[Month]]:
    return [sorted({Month.of(row.timestamp) for row in model.objects.all()}) for model in MODELS]


def standing_months() -> set[Month]:
    return {partition.month for partition in existing()}


@pytest.fixture
def fifteen_months(db: None, settings: Settings) -> None:
    """Rows on the first and on the last microsecond of each of sixteen months."""
    settings.EVENT_RETENTION_MONTHS = 12
    partitions.ensure(FIFTEEN[0], FIFTEEN[-1])
    for month in FIFTEEN:
        add_rows(month.starts_at)
        add_rows(month.ends_at - timedelta(microseconds=1))


@pytest.mark.usefixtures("fifteen_months")
def test_each_month_wholly_older_than_the_rule_goes_and_no_other() -> None:
    pruned = pruning.prune(now=NOW)
    kept = [month for month in FIFTEEN if month >= Month(2025, 11)]
    assert list(pruned.months) == [Month(2025, 8), Month(2025, 9), Month(2025, 10)]
    assert months_with_rows() == [kept, kept, kept]
    assert all(model.objects.count() == 2 * len(kept) for model in MODELS)
    assert min(standing_months()) == Month(2025, 11)


@pytest.mark.usefixtures("fifteen_months")
def test_it_says_what_it_dropped() -> None:
    pruned = pruning.prune(now=NOW)
    assert pruned.names[0] == "analytics_user_activity_p2025_08"
    assert pruned.rows == 3 * 3 * 2
    assert pruned.sentence == (
        "Dropped 2025-08, 2025-09, 2025-10 (9 partitions, about 18 rows); kept from 2025-11 on."
    )


@pytest.mark.usefixtures("fifteen_months")
def test_the_ledger_says_what_went_and_when() -> None:
    pruning.prune(now=NOW)
    lines = [(line.month, line.table, line.rows) for line in DroppedPartition.objects.order_by("id")]
    tables = ("analytics_user_activity", "analytics_endpoint_usage", "analytics_feature_usage")
    assert lines == [(date(2025, month, 1), table, 2) for month in (8, 9, 10) for table in tables]
    months = pruning.dropped_months(2)
    assert [(one.month, one.rows, one.dropped_at) for one in months] == [
        (date(2025, 10, 1), 6, NOW),
        (date(2025, 9, 1), 6, NOW),
    ]
    assert all(one.size_bytes >= 3 * 8192 for one in months)


def sealed_days() -> list[date]:
    return list(RolledDay.objects.filter(state="sealed").order_by("day").values_list("day", flat=True))


@pytest.mark.usefixtures("fifteen_months")
@pytest.mark.parametrize(("zone", "last"), [("UTC", date(2025, 10, 31)), ("Asia/Tokyo", date(2025, 11, 1))])
def test_every_day_that_a_dropped_month_touches_is_sealed(settings: Settings, zone: str, last: date) -> None:
    settings.REPORT_TIME_ZONE = zone
    roll_up()
    assert sealed_days() == []
    pruning.prune(now=NOW)
    assert sealed_days() == days_between(date(2025, 8, 1), last)


@pytest.mark.usefixtures("fifteen_months")
def test_a_month_goes_is_sealed_and_is_noted_together_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    before = standing_months()
    monkeypatch.setattr(pruning, "_enter_in_ledger", fail)
    with pytest.raises(ZeroDivisionError):
        pruning.prune(now=NOW)
    assert (sealed_days(), standing_months(), months_with_rows()[0]) == ([], before, FIFTEEN)


@pytest.mark.usefixtures("fifteen_months")
def test_a_dropped_month_is_not_made_again_when_events_are_kept_for_longer(settings: Settings) -> None:
    settings.EVENT_RETENTION_MONTHS = 11
    pruning.prune(now=NOW)
    settings.EVENT_RETENTION_MONTHS = 12
    pruning.make_partitions(now=NOW)
    assert min(standing_months()) == Month(2025, 12)
    assert [(one.month, one.rows) for one in pruning.dropped_months(1)] == [(date(2025, 11, 1), 6)]


@pytest.mark.usefixtures("fifteen_months")
def test_running_it_again_changes_nothing() -> None:
    pruning.prune(now=NOW)
    before = months_with_rows()
    again = pruning.prune(now=NOW)
    assert (again.months, months_with_rows()) == ({}, before)
    assert again.sentence == "Nothing to drop: there is no month before 2025-11."


@pytest.mark.usefixtures("fifteen_months")
def test_a_dry_run_tells_the_same_and_drops_nothing() -> None:
    before = standing_months()
    told = pruning.prune(now=NOW, dry_run=True)
    assert (standing_months(), months_with_rows()[0]) == (before, FIFTEEN)
    assert not DroppedPartition.objects.exists()
    assert told.sentence.startswith("Would drop 2025-08, 2025-09, 2025-10 (9 partitions")
    assert pruning.prune(now=NOW).names == told.names


@pytest.mark.usefixtures("fifteen_months")
@pytest.mark.parametrize(
    ("now", "oldest"),
    [
        (datetime(2026, 11, 30, 23, 59, 59, 999999, tzinfo=UTC), Month(2025, 11)),
        (datetime(2026, 12, 1, tzinfo=UTC), Month(2025, 12)),
        (datetime(2027, 1, 31, tzinfo=UTC), Month(2026, 1)),
    ],
)
def test_a_month_goes_at_the_turn_of_a_month(now: datetime, oldest: Month) -> None:
    pruning.prune(now=now)
    assert months_with_rows()[0][0] == oldest


@pytest.mark.usefixtures("fifteen_months")
def test_what_was_dropped_is_not_made_again() -> None:
    pruning.prune(now=NOW)
    before = standing_months()
    pruning.make_partitions(now=NOW)
    assert before <= standing_months()
    assert min(standing_months()) == Month(2025, 11)


@pytest.mark.usefixtures("fifteen_months")
def test_a_table_that_lacks_the_month_does_not_keep_the_others() -> None:
    with connections["analytics"].cursor() as cursor:
        cursor.execute("DROP TABLE analytics_user_activity_p2025_09")
    assert len(pruning.prune(now=NOW).names) == 8


@pytest.mark.django_db
def test_partitions_are_made_for_late_and_for_future_events(settings: Settings) -> None:
    settings.EVENT_RETENTION_MONTHS = 12
    later = datetime(2028, 2, 1, tzinfo=UTC)
    assert pruning.make_partitions(now=later).startswith("Made analytics_")
    assert {Month(2027, 2), Month(2028, 2), Month(2028, 5)} <= standing_months()
    assert pruning.make_partitions(now=later) == "Every partition exists."


@pytest.mark.django_db
def test_installations_not_seen_for_so_long_go_too(settings: Settings) -> None:
    settings.EVENT_RETENTION_MONTHS = 12
    for letter, month in (("a", 10), ("b", 11)):
        seen = datetime(2025, month, 15, tzinfo=UTC)
        row = Installation.objects.create(pseudonym=letter * 32, first_seen_at=seen, last_seen_at=seen)
        InstallationEvent.objects.create(installation=row, name="heartbeat", timestamp=seen, received_at=seen)
        SentHeartbeat.objects.create(name="heartbeat", day=seen)
        SentHeartbeat.objects.create(name="first_seen", day=seen)
    pruned = pruning.prune(now=NOW)
    assert [row.pseudonym[0] for row in Installation.objects.all()] == ["b"]
    assert (InstallationEvent.objects.count(), pruned.installations, pruned.installation_events) == (1, 1, 1)
    assert SentHeartbeat.objects.filter(name="heartbeat").count() == 1
    assert SentHeartbeat.objects.filter(name="first_seen").count() == 2


@pytest.mark.usefixtures("fifteen_months")
def test_the_command_names_each_partition_and_leaves_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    out = StringIO()
    call_command("prune", stdout=out)
    lines = out.getvalue().splitlines()
    assert "analytics_feature_usage_p2025_10: about 2 rows" in lines
    assert len(lines) == 10
    assert JobRun.objects.get(job="prune").summary == lines[-1]


@pytest.mark.usefixtures("fifteen_months")
def test_a_dry_run_of_the_command_leaves_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    out = StringIO()
    call_command("prune", "--dry-run", stdout=out)
    assert out.getvalue().splitlines()[-1].startswith("Would drop")
    assert not JobRun.objects.exists()


@pytest.fixture
def an_old_month(transactional_db: None) -> Iterator[None]:
    with months_standing(Month(2024, 1), Month(2024, 1)):
        yield


@pytest.mark.usefixtures("an_old_month")
def test_a_reader_delays_a_month_but_never_splits_it() -> None:
    reads, done = threading.Event(), threading.Event()

    def read() -> None:
        with transaction.atomic(using="analytics"):
            list(FeatureUsage.objects.all()[:1])
            reads.set()
            done.wait(30)
        connections["analytics"].close()

    reader = threading.Thread(target=read)
    reader.start()
    reads.wait(30)
    stood: list[int] = []

    def pause(seconds: float) -> None:
        stood.append(sum(partition.month == Month(2024, 1) for partition in existing()))
        done.set()
        reader.join()

    pruned = pruning.prune(now=NOW, pause=pause)
    assert stood == [3]  # one try gave up, all three tables still whole
    assert Month(2024, 1) in pruned.months
    assert Month(2024, 1) not in standing_months()


VACUUMED = "SELECT count(*) FROM pg_stat_progress_vacuum WHERE relid = %s::regclass"
FILL = """
INSERT INTO analytics_user_activity (timestamp, received_at, id, user_id, organization_id, deployment_type,
                                     event_metadata, is_internal, event_type, session_id)
SELECT '2024-01-02', now(), gen_random_uuid(), md5(n::text), '', 'cloud', '{}', false, 'login', ''
  FROM generate_series(1, 20000) n
"""
# One page every tenth of a second, begun as soon as there are rows.
SLOWLY = "autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_cost_delay = 100, "
AT_ONCE = "autovacuum_vacuum_insert_threshold = 0, autovacuum_vacuum_insert_scale_factor = 0"


@pytest.fixture
def vacuumed_month(an_old_month: None) -> Iterator[None]:
    """A month that an autovacuum is working on, and would be for minutes."""
    name = partitions.partition_name("analytics_user_activity", Month(2024, 1))
    with connections["analytics"].cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        if cursor.fetchone() != (True,):
            pytest.skip("only a superuser can have autovacuum look every second")

        def is_vacuumed() -> bool:
            cursor.execute(VACUUMED, [name])
            return bool(cursor.fetchone()[0])

        try:
            cursor.execute("ALTER SYSTEM SET autovacuum_naptime = 1")
            cursor.execute("SELECT pg_reload_conf()")
            cursor.execute(f"ALTER TABLE {name} SET ({SLOWLY}{AT_ONCE})")
            cursor.execute(FILL)
            until(is_vacuumed, what="autovacuum has begun", seconds=60)
            yield
        finally:
            cursor.execute("ALTER SYSTEM RESET autovacuum_naptime")
            cursor.execute("SELECT pg_reload_conf()")


@pytest.mark.proof  # autovacuum takes its time to come round to one of many databases
@pytest.mark.usefixtures("vacuumed_month")
def test_a_vacuum_does_not_hold_a_month_back() -> None:
    def pause(seconds: float) -> None:
        raise AssertionError("the first try gave up")

    assert pruning.prune(now=NOW, pause=pause).rows == 20_000
    assert Month(2024, 1) not in standing_months()


@pytest.mark.usefixtures("an_old_month")
def test_a_month_in_use_all_the_time_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "LOCK_TIMEOUT", "20ms")
    other = connections["analytics"].copy()
    with other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1 FROM analytics_user_activity LIMIT 1")
        with pytest.raises(pruning.PruningBlocked, match="2024-01 is in use"):
            pruning.prune(now=NOW, pause=lambda seconds: None)
    other.close()
    assert Month(2024, 1) in standing_months()
    assert not DroppedPartition.objects.exists()


@pytest.mark.usefixtures("fifteen_months")
def test_everybody_waits_a_second_at_most_and_a_vacuum_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody queues behind a DETACH that waits, so it must not wait for long."""
    limits: list[str] = []

    def note(*arguments: object) -> None:
        with connections["analytics"].cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            limits.append(cursor.fetchone()[0])

    monkeypatch.setattr(pruning, "_enter_in_ledger", note)
    monkeypatch.setattr(pruning.sealing, "seal", note)
    pruning.prune(now=NOW)
    assert limits == ["10s", "1s"] * 3


@pytest.mark.usefixtures("an_old_month")
def test_a_month_in_use_is_tried_eight_times_with_growing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "LOCK_TIMEOUT", "5ms")
    other = connections["analytics"].copy()
    pauses: list[float] = []
    with other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1 FROM analytics_feature_usage LIMIT 1")
        with pytest.raises(pruning.PruningBlocked, match="tried 8 times"):
            pruning.prune(now=NOW, pause=pauses.append)
    other.close()
    assert pauses == [1, 2, 4, 8, 16, 30, 30]


@pytest.mark.usefixtures("an_old_month")
def test_what_is_no_lock_is_raised_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "DROP", "SELECT pg_terminate_backend(pg_backend_pid()) /* {name} */")
    pauses: list[float] = []
    with pytest.raises(OperationalError):
        pruning.prune(now=NOW, pause=pauses.append)
    assert (pauses, Month(2024, 1) in standing_months()) == ([], True)


@pytest.mark.django_db
def test_small_tables_go_by_the_month_to_the_microsecond(settings: Settings) -> None:
    settings.EVENT_RETENTION_MONTHS = 12
    border = Month(2025, 11).starts_at
    for letter, at in (("a", border - timedelta(microseconds=1)), ("b", border)):
        row = Installation.objects.create(pseudonym=letter * 32, first_seen_at=at, last_seen_at=NOW)
        InstallationEvent.objects.create(installation=row, name="heartbeat", timestamp=at, received_at=at)
        Installation.objects.create(pseudonym=letter.upper() * 32, first_seen_at=at, last_seen_at=at)
        CustomerHeartbeat.objects.create(organization_id=letter, timestamp=at, metrics={}, received_at=at)
        CustomerAnalytics.objects.create(organization_id=letter, date=at, analytics={}, received_at=at)
        SentHeartbeat.objects.create(name="heartbeat", day=at)
    dry = pruning.prune(now=NOW, dry_run=True)
    assert (Installation.objects.count(), CustomerHeartbeat.objects.count()) == (4, 2)
    pruned = pruning.prune(now=NOW)
    assert pruned.sentence == (
        "Dropped 1 old base events, 1 installations not seen since, 2 customers' reports; "
        "kept from 2025-11 on."
    )
    assert dry.sentence == pruned.sentence.replace("Dropped", "Would drop")
    assert sorted(Installation.objects.values_list("pseudonym", flat=True)) == ["B" * 32, "a" * 32, "b" * 32]
    left = [
        model.objects.count()
        for model in (InstallationEvent, CustomerHeartbeat, CustomerAnalytics, SentHeartbeat)
    ]
    assert left == [1, 1, 1, 1]


@pytest.mark.django_db
def test_rows_of_a_large_month_are_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    partitions.ensure(Month(2025, 8), Month(2025, 8))
    for _ in range(3):
        add_rows(Month(2025, 8).starts_at)
    (partition,) = [one for one in existing() if one.name == "analytics_feature_usage_p2025_08"]
    assert pruning._measure(partition).rows == 3
    monkeypatch.setattr(pruning, "COUNTED_BELOW_BYTES", 8192)
    assert pruning._measure(partition).rows == 8192 // pruning.BYTES_PER_ROW  # never analyzed
    with connections["analytics"].cursor() as cursor:
        cursor.execute("ANALYZE analytics_feature_usage_p2025_08")
    assert pruning._measure(partition).rows == 3
