"""Sealed days: report days whose rows were dropped. Reports show what was counted of them before."""

from datetime import date

from analytics.models import RolledDay


def last_sealed_day() -> date | None:
    """The latest sealed day; None when no day is sealed."""
    sealed = RolledDay.objects.filter(state=RolledDay.Phase.SEALED).order_by("-day")
    return sealed.values_list("day", flat=True).first()
