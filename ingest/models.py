"""What ingest keeps for itself, in the operational database: counts, and the names it has seen.

Nothing here is about a person. Counts are about events; names are routes, features, actions, event
types and attributes' names after scrubbing, of events that consent let through.
"""

from django.db import models


class TrafficCount(models.Model):
    """How many records (`rejected`: requests) of a signal had an outcome, per key and minute, later hour."""

    minute = models.DateTimeField(
        help_text="UTC, start of the minute of arrival; after two days, start of the hour."
    )
    key_id = models.BigIntegerField(null=True, help_text="Null when no valid key was shown.")
    signal = models.CharField(max_length=10, help_text="traces, logs or metrics")
    outcome = models.CharField(
        max_length=10, help_text="accepted, duplicate, refused, skipped (a record) or rejected (a request)"
    )
    reason = models.CharField(max_length=40, blank=True)
    count = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["minute", "key_id", "signal", "outcome", "reason"],
                name="one_count_per_minute",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.minute:%F %R} {self.signal} {self.outcome} {self.reason} {self.count}"


class RejectedRequest(models.Model):
    """One of the latest requests that were refused as a whole: never what it held, nor where it came from."""

    at = models.DateTimeField(help_text="UTC.")
    key_id = models.BigIntegerField(null=True, help_text="Null when no valid key was shown.")
    signal = models.CharField(max_length=10)
    transport = models.CharField(max_length=4, help_text="http or grpc")
    status = models.CharField(max_length=20, help_text="HTTP's number, or gRPC's word.")
    reason = models.CharField(max_length=40)

    def __str__(self) -> str:
        return f"{self.at:%F %T} {self.signal} {self.status} {self.reason}"


class UndeclaredName(models.Model):
    """The name of an undeclared attribute, which was dropped from a key's admitted records on a day."""

    day = models.DateField(help_text="UTC.")
    key_id = models.BigIntegerField()
    name = models.CharField(max_length=64)
    count = models.BigIntegerField(help_text="Records that were seen to have it; there may be more.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["day", "key_id", "name"], name="one_row_per_day_and_name")
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.name} {self.count}"


class SeenName(models.Model):
    """A route, page, feature, action or event type that a key has sent; new ones are capped per day."""

    key_id = models.BigIntegerField()
    kind = models.CharField(max_length=12, help_text="endpoint, page, feature, action or event_type")
    name = models.CharField(max_length=255)
    first_seen_on = models.DateField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key_id", "kind", "name"], name="one_row_per_name")]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
