"""Organizations and users, known by pseudonym only. A raw id never reaches a table."""

from django.db import models

from consent.models.choices import DeploymentType, State


class Organization(models.Model):
    """A customer of the vendor, with an optional label that admins give."""

    pseudonym = models.CharField(max_length=32, unique=True, editable=False)
    label = models.CharField(max_length=100, blank=True, help_text="Shown to staff; no personal names.")
    deployment_type = models.CharField(max_length=20, choices=DeploymentType, default=DeploymentType.UNKNOWN)
    is_internal = models.BooleanField(
        "internal", default=False, help_text="Our own use: left out of reports unless asked for."
    )
    state = models.CharField(max_length=10, choices=State, default=State.UNSET, editable=False)
    notice_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When this organization was shown the notice (profile “notice” only).",
    )
    is_demo = models.BooleanField(
        default=False, editable=False, help_text="Demo data: nobody decided anything."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.label or f"organization {self.pseudonym[:6]}"


class TelemetryUser(models.Model):
    """A person who uses the vendor's product. Those who sign in to Candid are Django's users."""

    pseudonym = models.CharField(max_length=32, unique=True, editable=False)
    state = models.CharField(max_length=10, choices=State, default=State.UNSET, editable=False)
    is_demo = models.BooleanField(
        default=False, editable=False, help_text="Demo data: nobody decided anything."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "user"
        ordering = ["-created_at"]
        # Every report asks who has opted out.
        indexes = [
            models.Index(fields=["pseudonym"], condition=models.Q(state="denied"), name="user_opted_out")
        ]

    def __str__(self) -> str:
        return f"user {self.pseudonym[:6]}"
