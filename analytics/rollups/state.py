"""For which time zone the days were built: changing REPORT_TIME_ZONE means building them anew."""

from django.db.models import Count

from analytics.models import RolledDay
from analytics.periods import report_zone_name


def zones() -> dict[str, int]:
    """How many open days were built for each zone."""
    built = RolledDay.objects.filter(state=RolledDay.State.OPEN).exclude(version=0).order_by()
    return dict(built.values_list("zone").annotate(Count("day")))


def days_in_other_zone() -> int:
    """How many open days are to be built anew because the zone has changed since."""
    return sum(days for zone, days in zones().items() if zone != report_zone_name())
