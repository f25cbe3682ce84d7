"""Erasure requests, and the tombstones that keep refusing what was erased."""

import uuid

from django.db import models
from django.db.models import Q

from consent.models.choices import Method, SubjectKind


class Tombstone(models.Model):
    """Refuses events of an erased subject dated up to `until` (inclusive), for good.

    `subject` is a pseudonym, or the `anon:` form of a session that was seen with a user.
    """

    class Kind(models.TextChoices):
        ORGANIZATION = "organization", "Organization"
        USER = "user", "User"
        ANONYMOUS = "anonymous", "Session"

    kind = models.CharField(max_length=12, choices=Kind)
    subject = models.CharField(max_length=32)
    until = models.DateTimeField()
    user = models.CharField(max_length=32, blank=True, help_text="The user whose session it was.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["subject", "user"], name="one_tombstone_of_each")]
        indexes = [models.Index(fields=["user"], condition=~Q(user=""), name="tombstone_of_user")]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject[:12]} until {self.until:%F %T}"


class ErasureRequest(models.Model):
    """A requested erasure. `analytics/erasure/run.py` carries it out and stores the receipt."""

    class Stage(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=12, choices=SubjectKind)
    pseudonym = models.CharField(max_length=32)
    state = models.CharField(max_length=10, choices=Stage, default=Stage.WAITING)
    is_withdrawal = models.BooleanField(
        "withdrawal", default=False, help_text="Requested by a withdrawal: licences and labels stay."
    )
    until = models.DateTimeField(help_text="Everything dated or received up to this time is erased.")
    asked_at = models.DateTimeField()
    actor = models.CharField(max_length=150, help_text="Sign-in name, key name or command; never a raw id.")
    method = models.CharField(max_length=10, choices=Method)
    reason = models.CharField(max_length=500, blank=True)
    progress = models.JSONField(default=dict, help_text="Where to resume after an interruption.")
    problem = models.CharField(max_length=500, blank=True, help_text="Why it is not done yet.")
    problem_at = models.DateTimeField(null=True, help_text="When the last attempt met this problem.")
    receipt = models.JSONField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "erasure"
        permissions = [("request_erasure", "Can ask for erasures")]
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["pseudonym", "kind"], name="erasure_by_subject"),
            # Every report asks whose erasure is not done.
            models.Index(fields=["kind"], condition=~Q(state="done"), name="erasure_open"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["pseudonym", "kind"], condition=Q(state="waiting"), name="one_waiting_erasure"
            ),
            models.CheckConstraint(
                condition=~Q(state="done") | Q(receipt__isnull=False, finished_at__isnull=False),
                name="done_erasure_has_receipt",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pseudonym[:6]} {self.state}"
