from typing import Any

from django.apps import AppConfig


class AnalyticsConfig(AppConfig):
    name = "analytics"

    def ready(self) -> None:
        from consent.decisions import internal_use

        internal_use.changed.connect(_count_again)


def _count_again(sender: object, organization: str, **_: Any) -> int | None:
    """Imports here: not every command counts."""
    from analytics.rollups.building.reclassifying import count_again

    return count_again(organization)
