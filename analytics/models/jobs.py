"""What scheduled jobs leave behind: their runs, the months they dropped, the heartbeats they sent."""

from django.db import models


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
