"""Customers: their licences, and the numbers that their collectors report."""

from django.db import models


class License(models.Model):
    """The terms that a licence key stands for. The key is a row of the other database."""

    key_id = models.BigIntegerField(unique=True)
    customer_name = models.CharField(
        max_length=100, help_text="Shown to whoever presents the key; no personal names."
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


REPORTER = (
    "Id of the unbound key that reported it: no other unbound key replaces it. "
    "Empty: a key of the organization, or one that was not recorded."
)


class CustomerHeartbeat(models.Model):
    """What a customer's collector reported at one moment: names and numbers, nothing else."""

    organization_id = models.CharField(max_length=32, help_text="Pseudonym.")
    timestamp = models.DateTimeField()
    metrics = models.JSONField()
    reporter = models.BigIntegerField(null=True, blank=True, help_text=REPORTER)
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
    """What a customer's collector reported about one day: names and numbers, nothing else."""

    organization_id = models.CharField(max_length=32, help_text="Pseudonym.")
    date = models.DateField()
    analytics = models.JSONField()
    reporter = models.BigIntegerField(null=True, blank=True, help_text=REPORTER)
    received_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "date"], name="one_analytics_per_day")
        ]
        ordering = ["-date"]
        verbose_name_plural = "customer analytics"

    def __str__(self) -> str:
        return f"organization {self.organization_id[:6]} {self.date}"
