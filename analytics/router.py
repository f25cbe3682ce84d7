"""Routes the models of this app to the `analytics` database, and all others to `default`.

The two databases may be on different servers, so no foreign key leads from one to the other.
"""

from typing import Any

from django.db.models import Model


class AnalyticsRouter:
    """Django database router (docs: "Multiple databases")."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        return "analytics" if model._meta.app_label == "analytics" else None

    def db_for_write(self, model: type[Model], **hints: Any) -> str | None:
        return self.db_for_read(model)

    def allow_relation(self, a: Model, b: Model, **hints: Any) -> bool | None:
        return (a._meta.app_label == "analytics") == (b._meta.app_label == "analytics")

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return (db == "analytics") == (app_label == "analytics")
