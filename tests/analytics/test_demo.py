"""Demo data: there at once, plausible, and gone to the last row."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from analytics import partitions
from analytics.demo import seeding
from analytics.demo.product import CUSTOMERS
from analytics.models import EndpointUsage, FeatureUsage, Installation, InstallationEvent, UserActivity
from analytics.reports.active_users import active_users_report
from analytics.reports.endpoints import endpoints_report
from analytics.reports.features import features_report
from analytics.reports.retention import retention_report
from analytics.storage import pruning
from consent.models import (
    DECIDABLE,
    ConsentPeriod,
    Decision,
    Key,
    Organization,
    State,
    SubjectKind,
    TelemetryUser,
)
from consent.pseudonyms import pseudonym
from consent.registry.cleaning import Kept
from consent.registry.registry import current_registry
from ingest.models import TrafficCount
from tests.support.events import activity, feature, filters, installation, person

pytestmark = pytest.mark.django_db
MODELS = (
    UserActivity,
    EndpointUsage,
    FeatureUsage,
    Installation,
    InstallationEvent,
    Organization,
    TelemetryUser,
    ConsentPeriod,
    Key,
    TrafficCount,
)


def sizes():
    return {model.__name__: model.objects.count() for model in MODELS}


def seed(capsys, *arguments):
    call_command("seed_demo", *arguments)
    return capsys.readouterr().out


def test_it_writes_what_it_says(capsys):
    said = seed(capsys, "--days", "30", "--events", "4000", "--users", "50")
    assert "Wrote 4,000 events of 50 people in 24 organizations over 30 days" in said
    assert sum(model.objects.count() for model in (UserActivity, EndpointUsage, FeatureUsage)) == 4000
    assert UserActivity.objects.filter(timestamp__gt=timezone.now()).count() == 0
    assert TrafficCount.objects.filter(outcome="accepted").exists()


def test_every_event_has_the_consent_that_the_gate_would_ask_for(capsys):
    seed(capsys, "--days", "20", "--events", "2000", "--users", "40")
    granted = {
        (period.subject_kind, period.subject): period.since
        for period in ConsentPeriod.objects.filter(state=State.GRANTED, until=None)
    }
    for event in UserActivity.objects.all():
        assert granted[SubjectKind.USER, event.user_id] <= event.timestamp
        assert granted[SubjectKind.ORGANIZATION, event.organization_id] <= event.timestamp


def test_subjects_derive_from_demo_ids(capsys):
    seed(capsys, "--days", "5", "--events", "200", "--users", "10")
    users = {pseudonym("user", f"demo-user-{number}") for number in range(20)}
    assert set(UserActivity.objects.values_list("user_id", flat=True)) <= users
    assert set(TelemetryUser.objects.values_list("pseudonym", flat=True)) <= users


def test_metadata_holds_declared_attributes_only(capsys):
    seed(capsys, "--days", "10", "--events", "3000", "--users", "30")
    registry = current_registry()
    found = {
        pair
        for model in (UserActivity, EndpointUsage, FeatureUsage)
        for row in model.objects.all()
        for pair in row.event_metadata.items()
    }
    assert {name for name, _ in found} == {
        *("app", "app_version", "environment", "platform", "page.path"),
        *("error.type", "code.function.name", "duration_ms", "memory_mb"),
    }
    assert all(registry.clean(name, value) == Kept(value) for name, value in found)


def test_remove_takes_the_demo_data_and_nothing_else(capsys):
    today = timezone.now().date()
    partitions.ensure(partitions.Month.of(today - timedelta(days=40)), partitions.Month.of(today))
    activity(1, today)
    feature(1, today, organization_id="")
    installation(1, [today])
    Organization.objects.create(pseudonym=person(1), label="Aldermoor Freight", state=State.DENIED)
    TelemetryUser.objects.create(pseudonym=person(2), state=State.GRANTED)
    Key.objects.create(name="mine", digest="d", hint="cnd_", scopes=["ingest"])
    before = sizes()
    seed(capsys, "--days", "20", "--events", "1000", "--users", "30")
    assert all(sizes()[name] > number for name, number in before.items())
    said = seed(capsys, "--remove")
    assert "Removed the demo data: 1,000 events" in said
    assert sizes() == before


def test_twice_is_once(capsys):
    arguments = ("--days", "15", "--events", "1000", "--users", "30")
    seed(capsys, *arguments)
    before = sizes()
    seed(capsys, *arguments)
    after = sizes()
    for name in (
        "UserActivity",
        "EndpointUsage",
        "FeatureUsage",
        "Organization",
        "TelemetryUser",
    ):
        assert abs(after[name] - before[name]) <= 5, "up to what a minute more of today brings"
    assert "Nothing was changed" in seed(capsys, "--if-missing", *arguments)


def test_the_same_moment_gives_the_same_data(capsys):
    def seeded():
        seeding.seed(days=10, events=500, people=20, now=datetime(2026, 11, 17, 12, tzinfo=UTC))
        rows = sorted(UserActivity.objects.values_list("id", "timestamp", "user_id", "event_type"))
        seeding.remove()
        return rows

    first = seeded()
    assert first
    assert first == seeded()


def test_old_demo_data_makes_the_partitions_that_it_needs(capsys):
    seed(capsys, "--days", "460", "--events", "3000", "--users", "40")
    oldest = min(partition.month for partition in partitions.existing())
    assert oldest <= partitions.Month.of(timezone.now().date() - timedelta(days=458))
    with connections["analytics"].cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM analytics_feature_usage_p{oldest.year}_{oldest.month:02d}")
        assert cursor.fetchone()[0] > 0


def test_sealed_days_stay_as_they_are(capsys, settings):
    """In Tokyo the last day of a dropped month ends at 15:00 UTC: the demo begins on the next day."""
    settings.REPORT_TIME_ZONE, settings.EVENT_RETENTION_MONTHS = "Asia/Tokyo", 2
    this_month = partitions.Month.of(timezone.now().date())
    partitions.ensure(this_month.plus(-4), this_month)
    pruning.prune(now=timezone.now())
    kept_from = this_month.plus(-2)
    said = seed(capsys, "--days", "200", "--events", "3000", "--users", "40")
    first = kept_from.starts_at + timedelta(days=1)
    assert f"over {(timezone.now().date() - first.date()).days + 1} days" in said
    assert min(partition.month for partition in partitions.existing()) == kept_from
    times = [time for model in MODELS[:3] for time in model.objects.values_list("timestamp", flat=True)]
    assert len(times) == 3000
    assert first <= min(times) < first + timedelta(days=2)


def test_the_demo_is_plausible(capsys):
    """Weekly rhythm, two deployment types, growth, a slow endpoint, later cohorts that stay longer."""
    seed(capsys, "--days", "90", "--events", "60000", "--users", "1500")
    today = timezone.now().date()
    active = active_users_report(filters(today=today, range="90d", compare="0"))
    complete = [day for day in active.days if day.complete]
    weekdays = [day.total for day in complete if day.day.weekday() < 5]
    weekends = [day.total for day in complete if day.day.weekday() > 4]
    assert sum(weekends) / len(weekends) < 0.7 * sum(weekdays) / len(weekdays)
    assert sum(weekdays[-15:]) > 1.1 * sum(weekdays[:15])
    assert all(day.cloud > day.self_hosted > 0 for day in complete if day.day.weekday() < 5)
    slow = max(endpoints_report(filters(today=today)).rows, key=lambda row: (row.requests > 100) * row.p95_ms)
    assert slow.endpoint in ("/api/v1/imports", "/api/v1/reports/export")
    assert len(features_report(filters(today=today, range="90d", compare="0")).rows) >= 25
    cohorts = [row for row in retention_report(filters(today=today, range="90d")).cohorts if row.mature]
    early, late = cohorts[1:5], cohorts[-4:]

    def rate(rows):
        return sum(row.retained for row in rows) / sum(row.mature for row in rows)

    assert 0.25 < rate(early) < rate(late) < 0.75
    for table in ("user_activity", "endpoint_usage", "feature_usage"):
        weekdays = [counts for day, *counts in origins_by_day(table) if day < today and day.weekday() < 5]
        full = sum(versions >= 3 and others == [2, 2, 3] for versions, *others in weekdays)
        assert full >= 0.9 * len(weekdays), table  # a small demo has days of few events


def origins_by_day(table):
    """The day, and how many versions, apps, environments and platforms its events name."""
    names = ("app_version", "app", "environment", "platform")
    counts = ", ".join(f"count(DISTINCT event_metadata ->> '{name}')" for name in names)
    with connections["analytics"].cursor() as cursor:
        cursor.execute(
            f"SELECT (\"timestamp\" AT TIME ZONE 'UTC')::date AS day, {counts} FROM analytics_{table} "
            "GROUP BY day ORDER BY day"
        )
        return cursor.fetchall()


def test_somebody_is_at_work_at_every_hour_and_right_up_to_now(capsys):
    seed(capsys, "--days", "8", "--events", "20000", "--users", "1500")
    hours = {event.timestamp.hour for event in FeatureUsage.objects.all()}
    assert hours == set(range(24))
    newest = FeatureUsage.objects.latest("timestamp").timestamp
    assert timezone.now() - newest < timedelta(hours=2)


def test_each_deployment_type_has_enough_people_to_be_shown(capsys):
    seed(capsys, "--days", "15", "--events", "60000", "--users", "4000")
    days = active_users_report(filters(today=timezone.now().date(), range="7d", compare="0")).days
    assert all(day.unknown >= 5 for day in days if day.complete)
    assert sum(day.unknown for day in days if day.complete) >= 15 * 6


def test_traffic_is_counted_by_minute_lately_with_a_few_refusals(capsys):
    seed(capsys, "--days", "4", "--events", "20000", "--users", "500")
    lately = TrafficCount.objects.filter(minute__gt=timezone.now() - timedelta(days=2))
    assert lately.exclude(minute__minute=0).count() > 100
    assert {row.outcome for row in lately} == {"accepted", "duplicate", "refused", "rejected", "skipped"}
    day_old = timezone.now() - timedelta(hours=24)
    minute = day_old.replace(minute=0, second=0, microsecond=0)
    models = (UserActivity, EndpointUsage, FeatureUsage)
    stored = sum(model.objects.filter(timestamp__gte=minute).count() for model in models)
    accepted = TrafficCount.objects.filter(minute__gte=minute, outcome="accepted")
    assert sum(row.count for row in accepted) == stored


def test_some_customers_said_no_and_some_have_not_decided(capsys):
    seed(capsys, "--days", "3", "--events", "100", "--users", "10")
    states = dict.fromkeys(DECIDABLE, 0)
    for organization in Organization.objects.all():
        states[organization.state] += 1
    assert all(states.values())
    assert sum(states.values()) == len(CUSTOMERS)
    assert Organization.objects.filter(is_internal=True).count() == 1


def test_the_decision_log_holds_nothing_invented(capsys):
    seed(capsys, "--days", "3", "--events", "100", "--users", "10")
    assert not Decision.objects.exists()


@pytest.mark.parametrize("argument", [("--days", "0"), ("--events", "0"), ("--users", "300000")])
def test_sizes_that_make_no_sense_are_refused(argument):
    with pytest.raises(CommandError):
        call_command("seed_demo", *argument)
