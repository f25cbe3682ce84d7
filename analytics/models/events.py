"""The three event tables: what people did with the vendor's product.

BI queries read these tables, so their names and columns are a promise (docs/tables.md). They are partitioned
by month, and their only index is the primary key. Rows are written by `analytics/storage/store.py` alone.
"""

from django.db import models


class Event(models.Model):
    """What the three event tables share. `user_id` is part of the key: it distributes the tables on Citus."""

    pk = models.CompositePrimaryKey("timestamp", "user_id", "id")
    id = models.UUIDField()
    timestamp = models.DateTimeField()
    user_id = models.CharField(max_length=32, db_collation="C")
    organization_id = models.CharField(max_length=32, db_collation="C")
    deployment_type = models.CharField(max_length=50, db_collation="C")
    is_internal = models.BooleanField(default=False)
    event_metadata = models.JSONField(default=dict)
    received_at = models.DateTimeField()

    class Meta:
        abstract = True


class UserActivity(Event):
    """Sign-ins, sessions and other things a person did."""

    event_type = models.CharField(max_length=50, db_collation="C")
    session_id = models.CharField(
        max_length=255, db_collation="C", help_text="Pseudonym, or '' when not reported."
    )

    class Meta:
        db_table = "analytics_user_activity"

    def __str__(self) -> str:
        return f"{self.event_type} {self.timestamp:%F %T}"


class EndpointUsage(Event):
    """One request that an endpoint of the vendor's product answered."""

    endpoint = models.CharField(max_length=255, db_collation="C")
    method = models.CharField(max_length=10, db_collation="C")
    status_code = models.IntegerField(null=True)
    duration_ms = models.FloatField(null=True)

    class Meta:
        db_table = "analytics_endpoint_usage"

    def __str__(self) -> str:
        return f"{self.method} {self.endpoint} {self.timestamp:%F %T}"


class FeatureUsage(Event):
    """One use of a feature."""

    feature_name = models.CharField(max_length=100, db_collation="C")
    action = models.CharField(max_length=100, db_collation="C")

    class Meta:
        db_table = "analytics_feature_usage"

    def __str__(self) -> str:
        return f"{self.feature_name} {self.action} {self.timestamp:%F %T}"
