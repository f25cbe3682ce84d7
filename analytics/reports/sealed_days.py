"""What of a question can still be answered: days whose rows are gone are sealed, and hold few counts."""

from dataclasses import replace

from analytics.models import RolledDay
from analytics.reports.filters import ReportFilters


def as_kept(filters: ReportFilters) -> ReportFilters:
    """The filters, knowing which of their days are sealed; compared only with a period of which none is."""
    days = RolledDay.objects.filter(state=RolledDay.State.SEALED).order_by("-day")
    sealed = days.values_list("day", flat=True).first()
    if sealed is None:
        return filters
    return replace(
        filters,
        sealed_until=sealed if sealed >= filters.first else None,
        compare=filters.compare and filters.previous.first > sealed,
    )
