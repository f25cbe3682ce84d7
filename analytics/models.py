"""What is kept, in the analytics database: three event tables, installations, licences,
the accounts of jobs and of pruning.

The event tables' names and columns are those that BI queries already use (docs: tables). They are
partitioned by month, their only index is the primary key, and rows are written by `store.py` alone.
"""

import uuid

from django.db import models

from analytics.rollups.models import Group, Mark, Member, RolledDay, RollUp

__all__ = [
    "CustomerAnalytics",
    "CustomerHeartbeat",
    "EndpointUsage",
    "Event",
    "FeatureUsage",
    "Group",
    "Installation",
    "InstallationEvent",
    "JobRun",
    "License",
    "Mark",
    "Member",
    "RollUp",
    "RolledDay",
    "SentHeartbeat",
    "UserActivity",
]


class Event(models.Model):
    """What the three event tables share. `user_id` is part of the key: it distributes the tables on Citus."""

    pk = models.CompositePrimaryKey("timestamp", "user_id", "id")
    id = models.UUIDField()
    user_id = models.CharField(max_length=32, db_collation="C")
    organization_id = models.CharField(max_length=32, db_collation="C")
    timestamp = models.DateTimeField()
    deployment_type = models.CharField(max_length=50, db_collation="C")
    event_metadata = models.JSONField(default=dict)
    is_internal = models.BooleanField(default=False)
    received_at = models.DateTimeField()

    class Meta:
        abstract = True


class UserActivity(Event):
    """Sign-ins, sessions and other things a person did."""

    event_type = models.CharField(max_length=50, db_collation="C")
    session_id = models.CharField(
        max_length=255, db_collation="C", help_text="Pseudonym, or '' when not reported."
    )

    class Meta:
        db_table = "analytics_user_activity"

    def __str__(self) -> str:
        return f"{self.event_type} {self.timestamp:%F %T}"


class EndpointUsage(Event):
    """One request that an endpoint of the vendor's product answered."""

    endpoint = models.CharField(max_length=255, db_collation="C")
    method = models.CharField(max_length=10, db_collation="C")
    status_code = models.IntegerField(null=True)
    duration_ms = models.FloatField(null=True)

    class Meta:
        db_table = "analytics_endpoint_usage"

    def __str__(self) -> str:
        return f"{self.method} {self.endpoint} {self.timestamp:%F %T}"


class FeatureUsage(Event):
    """One use of a feature."""

    feature_name = models.CharField(max_length=100, db_collation="C")
    action = models.CharField(max_length=100, db_collation="C")

    class Meta:
        db_table = "analytics_feature_usage"

    def __str__(self) -> str:
        return f"{self.feature_name} {self.action} {self.timestamp:%F %T}"


class Installation(models.Model):
    """One installation of the vendor's product, from its base telemetry. No user, no organization."""

    pseudonym = models.CharField(max_length=32, unique=True)
    app_version = models.CharField(max_length=50, blank=True)
    platform = models.CharField(max_length=50, blank=True)
    os_version = models.CharField(max_length=50, blank=True)
    architecture = models.CharField(max_length=20, blank=True)
    locale = models.CharField(max_length=20, blank=True)
    timezone = models.CharField(max_length=50, blank=True)
    release_channel = models.CharField(max_length=20, blank=True)
    deployment_type = models.CharField(max_length=50, default="unknown")
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        ordering = ["-last_seen_at"]

    def __str__(self) -> str:
        return f"installation {self.pseudonym[:6]}"


class InstallationEvent(models.Model):
    """One base event, kept so that the same one sent again counts once; the heartbeat count is derived."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    installation = models.ForeignKey(Installation, on_delete=models.CASCADE, related_name="events")
    name = models.CharField(max_length=20, help_text="first_seen or heartbeat")
    timestamp = models.DateTimeField()
    received_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["timestamp"], name="installation_event_time")]

    def __str__(self) -> str:
        return f"{self.name} {self.timestamp:%F %T}"


class JobRun(models.Model):
    """One run of a scheduled job: what the pages, the admin and `/ready` say about jobs."""

    class Outcome(models.TextChoices):
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        SKIPPED = "skipped", "Skipped"

    job = models.CharField(max_length=50)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, choices=Outcome)
    summary = models.CharField(max_length=500, blank=True, help_text="What it did, in a sentence.")

    class Meta:
        indexes = [models.Index(fields=["job", "-started_at"], name="job_run_latest")]
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.job} {self.started_at:%F %T} {self.outcome}"


class DroppedPartition(models.Model):
    """The ledger of pruning: a month of an event table that is gone. Written with its drop, or not at all."""

    month = models.DateField(help_text="Its first day, UTC.")
    table = models.CharField(max_length=50)
    rows = models.BigIntegerField(help_text="Near, not exact, where there were many.")
    size_bytes = models.BigIntegerField(help_text="On disk, with its index.")
    dropped_at = models.DateTimeField()

    class Meta:
        ordering = ["-dropped_at", "-month", "table"]

    def __str__(self) -> str:
        return f"{self.table} {self.month:%Y-%m}"


class SentHeartbeat(models.Model):
    """One thing that this instance sent about itself: what, when, and the answer."""

    name = models.CharField(max_length=50)
    day = models.DateField(help_text="UTC day it is about; with the name, sent once.")
    body = models.JSONField(default=dict, help_text="What was sent, word for word.")
    sent_at = models.DateTimeField(null=True)
    status_code = models.IntegerField(null=True)
    answer = models.CharField(max_length=200, blank=True)
    attempts = models.IntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "day"], name="sent_once_a_day")]
        ordering = ["-day"]

    def __str__(self) -> str:
        return f"{self.name} {self.day}"


class License(models.Model):
    """The terms that a licence key stands for. The key is a row of the other database."""

    key_id = models.BigIntegerField(unique=True)
    customer_name = models.CharField(
        max_length=100, help_text="Told to whoever shows the key; no personal names."
    )
    entitlements = models.JSONField(
        default=dict,
        blank=True,
        help_text="A JSON object of names to numbers, true or false, or short texts: "
        '{"seats": 50, "sso": true}',
    )
    expires_at = models.DateTimeField(null=True, blank=True, help_text="UTC; empty: it does not expire.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "licence"
        ordering = ["customer_name"]

    def __str__(self) -> str:
        return self.customer_name


class CustomerHeartbeat(models.Model):
    """What a customer's collector told of one moment: names and numbers, nothing else."""

    organization_id = models.CharField(max_length=32, help_text="Pseudonym.")
    timestamp = models.DateTimeField()
    metrics = models.JSONField()
    received_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "timestamp"], name="one_heartbeat_per_moment")
        ]
        indexes = [models.Index(fields=["timestamp"], name="customer_heartbeat_time")]
        ordering = ["-timestamp"]

    def __str__(self) -> str:
        return f"organization {self.organization_id[:6]} {self.timestamp:%F %T}"


class CustomerAnalytics(models.Model):
    """What a customer's collector told of one day: names and numbers, nothing else."""

    organization_id = models.CharField(max_length=32, help_text="Pseudonym.")
    date = models.DateField()
    analytics = models.JSONField()
    received_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "date"], name="one_analytics_per_day")
        ]
        ordering = ["-date"]
        verbose_name_plural = "customer analytics"

    def __str__(self) -> str:
        return f"organization {self.organization_id[:6]} {self.date}"
