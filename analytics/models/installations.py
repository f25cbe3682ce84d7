"""Installations of the vendor's product, as their base telemetry describes them."""

import uuid

from django.db import models


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
    """One base event, kept so that one sent again counts once. Heartbeats are counted from these rows."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    installation = models.ForeignKey(Installation, on_delete=models.CASCADE, related_name="events")
    name = models.CharField(max_length=20, help_text="first_seen or heartbeat")
    timestamp = models.DateTimeField()
    received_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["timestamp"], name="installation_event_time")]

    def __str__(self) -> str:
        return f"{self.name} {self.timestamp:%F %T}"
