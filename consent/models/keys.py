"""API keys and what each may do."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone


class Scope(models.TextChoices):
    """What a key may do."""

    INGEST = "ingest", "Send events"
    CONSENT = "consent", "Show and set consent"
    REPORTS = "reports", "Read reports"
    HEARTBEAT = "heartbeat", "Send licence checks and heartbeats"


class Key(models.Model):
    """An API key. The key itself is shown once and never stored."""

    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(
        max_length=12, editable=False, help_text="Its first characters, to tell keys apart."
    )
    scopes = ArrayField(models.CharField(max_length=12, choices=Scope))
    organization = models.CharField(
        max_length=32,
        blank=True,
        editable=False,
        help_text="Pseudonym; events of any other organization are refused.",
    )
    is_publishable = models.BooleanField(
        "publishable", default=False, editable=False, help_text="Public: a web page contains it."
    )
    origins = ArrayField(
        models.CharField(max_length=200),
        default=list,
        blank=True,
        editable=False,
        help_text="Websites whose pages may send with it (publishable keys only).",
    )
    requests_per_second = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="How many it may send; 0 for no limit, empty for the instance's setting.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)
    expires_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="From then on it is refused."
    )

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(is_publishable=False) | (~Q(origins=[]) & Q(scopes=["ingest"])),
                name="publishable_key_has_origins",
                violation_error_message="A publishable key needs an origin, and sends events only.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_told_of_consent(self) -> bool:
        """Whether answers may depend on what somebody has decided: its holder can ask about any raw id.

        Not so for a key that anybody can read, nor for a customer's own, who knows the ids of its people.
        """
        return not self.is_publishable and not self.organization

    @property
    def is_usable(self) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())
