"""Decisions: their append-only log, and the periods that the gate reads."""

from django.db import models
from django.db.models import Q

from consent.models.choices import Level, Method, State, SubjectKind


class ConsentPeriod(models.Model):
    """A subject's state from `since` (inclusive) to `until` (exclusive; null while it lasts)."""

    subject_kind = models.CharField(max_length=12, choices=SubjectKind)
    subject = models.CharField(max_length=32)
    state = models.CharField(max_length=10, choices=State)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)
    is_superseded = models.BooleanField(
        db_default=False,
        help_text="Before a later refusal, which covers earlier events too: ingest skips it.",
    )
    keeps_rows = models.BooleanField(
        db_default=False,
        help_text="Undecided again, while rows of an earlier grant were kept: reports leave the subject out.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "subject_kind"], condition=Q(until=None), name="one_open_period"
            ),
            models.CheckConstraint(
                condition=Q(until=None) | Q(until__gte=models.F("since")), name="period_ends_after_it_begins"
            ),
        ]
        indexes = [
            models.Index(fields=["subject", "subject_kind", "since"], name="period_by_subject"),
            # Ingest reads one or two rows, however often a subject has changed its mind.
            models.Index(
                fields=["subject", "subject_kind"],
                condition=Q(is_superseded=False),
                name="period_that_matters",
            ),
            # Every report asks for these.
            models.Index(
                fields=["subject_kind", "subject"],
                condition=Q(keeps_rows=True, until=None),
                name="period_that_keeps_rows",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject_kind} {self.subject[:6]} {self.state}"


class Decision(models.Model):
    """One record of the decision log. Only `decisions/log.py` adds them; the database refuses changes.

    `digest` seals the record together with `previous`, the digest of the record before it
    (`decisions/seals.py`).
    """

    number = models.BigIntegerField(unique=True, help_text="Its place in the log, from 1, without a gap.")
    subject_kind = models.CharField(max_length=12, choices=SubjectKind)
    subject = models.CharField(max_length=32)
    state = models.CharField(max_length=10, choices=State)
    level = models.CharField(max_length=10, choices=Level)
    policy_version = models.CharField(max_length=40)
    actor = models.CharField(max_length=150, help_text="Sign-in name, key name or command; never a raw id.")
    method = models.CharField(max_length=10, choices=Method)
    reason = models.CharField(max_length=500, blank=True)
    effective_at = models.DateTimeField(help_text="The event time from which it applies.")
    recorded_at = models.DateTimeField()
    previous = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)

    class Meta:
        ordering = ["-number"]
        indexes = [
            models.Index(fields=["subject", "subject_kind"], name="decision_by_subject"),
            # Every report asks which organizations have granted it.
            models.Index(fields=["subject"], condition=Q(level="account"), name="decision_for_account"),
        ]

    def __str__(self) -> str:
        return f"{self.subject_kind} {self.subject[:6]} {self.state}"


class DecisionHead(models.Model):
    """The log's length and last seal, signed. One row; appending to the log locks it."""

    count = models.BigIntegerField()
    digest = models.CharField(max_length=64)
    signature = models.CharField(max_length=64)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="one_decision_head")]

    def __str__(self) -> str:
        return f"{self.count} decisions"
