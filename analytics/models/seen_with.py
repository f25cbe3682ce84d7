"""Whose a session or an installation is: what makes events that name no user follow their person."""

from django.db import models


class SeenWith(models.Model):
    """An event that was stored named this user and this session or installation.

    Lives as long as the events, is erased with the user, and never touches base telemetry (`Installation`).
    `analytics/storage/seen_with.py` writes it; the barrier (`consent/gate/barrier.py`) reads it too.
    """

    pk = models.CompositePrimaryKey("name", "user_id")
    name = models.CharField(
        max_length=32, db_collation="C", help_text="The `anon:` form of a session or an installation."
    )
    user_id = models.CharField(max_length=32, db_collation="C", help_text="Pseudonym.")
    month = models.IntegerField(help_text="Of their last event: months since the year 0, UTC.")
    recorded_at = models.DateTimeField(help_text="After the user's tombstone, if there is one.")

    class Meta:
        db_table = "analytics_seen_with"
        indexes = [models.Index(fields=["user_id", "recorded_at"], name="seen_with_user")]

    def __str__(self) -> str:
        return f"{self.name[:11]} with user {self.user_id[:6]}"
