"""Published policy versions, and the one row that says what is in force."""

from django.db import models
from django.db.models import Q


class PolicyVersion(models.Model):
    """A policy as published: its text, and what was collected under it. Append-only."""

    version = models.CharField(max_length=40, unique=True)
    text = models.TextField()
    registry_digest = models.CharField(max_length=64)
    registry = models.JSONField(help_text="Everything that is collected: `Registry.content()`.")
    retention_months = models.PositiveIntegerField()
    is_material = models.BooleanField("material", help_text="Grants from before became stale.")
    changes = models.JSONField(
        default=list, help_text="What changed since the previous version, in sentences."
    )
    published_at = models.DateTimeField()
    published_by = models.CharField(max_length=150, help_text="Sign-in name or command.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"version {self.version}"


class InForce(models.Model):
    """What holds for the whole instance now. One row; the gate reads it with every request."""

    registry_digest = models.CharField(max_length=64)
    registry = models.TextField(help_text="The active registry, in the form its digest is made from.")
    policy_version = models.CharField(max_length=40)
    material_since = models.DateTimeField(
        null=True,
        help_text="When the last material version was published; grants and notices from before are stale.",
    )
    undecided_kept = models.BooleanField(
        db_default=True,
        help_text="Events of undecided subjects may be stored, or once were: the profile was not strict.",
    )

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="one_in_force")]

    def __str__(self) -> str:
        return f"registry {self.registry_digest[:12]}, policy {self.policy_version}"
