"""After a change of `REPORT_TIME_ZONE`: the days that must be built again."""

from django.db.models import Count

from analytics.models import RolledDay
from analytics.report_days import report_zone_name


def rebuild_needed() -> str:
    """How many open days were built for another zone, and what to do, in a sentence; '' when none was."""
    built = RolledDay.objects.filter(state=RolledDay.Phase.OPEN).exclude(version=0)
    others = built.exclude(zone=report_zone_name()).order_by()
    zones = dict(others.values_list("zone").annotate(Count("day")))
    if not zones:
        return ""
    days = sum(zones.values())
    made_for = " and ".join(sorted(zones))
    return (
        f"Roll-ups were made for {made_for}; {days} day{'s' * (days > 1)} must be rebuilt for "
        f"{report_zone_name()}. The job does so, the latest first; without waiting: manage.py roll_up"
    )
