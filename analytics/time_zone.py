"""What a changed `REPORT_TIME_ZONE` asks for: days of another zone are other days, and are built anew."""

from django.db.models import Count

from analytics.models import RolledDay
from analytics.periods import report_zone_name


def rebuild_needed() -> str:
    """How many open days were built for another zone, and what to do, in a sentence; '' when none was."""
    others = RolledDay.objects.filter(state=RolledDay.State.OPEN, version__gt=0)
    counted = others.exclude(zone=report_zone_name()).values_list("zone").annotate(days=Count("day"))
    zones = dict(counted.order_by("zone"))
    if not zones:
        return ""
    days = sum(zones.values())
    return (
        f"Roll-ups were made for {' and '.join(zones)}; {days} day{'s' * (days > 1)} must be rebuilt for "
        f"{report_zone_name()}. The job does so, the latest first; without waiting: manage.py roll_up"
    )
