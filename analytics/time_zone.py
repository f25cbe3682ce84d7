"""What a changed `REPORT_TIME_ZONE` asks for: days of another zone are other days, and are built anew."""

from analytics.periods import report_zone_name
from analytics.rollups import state


def rebuild_needed() -> str:
    """How many open days were built for another zone, and what to do, in a sentence; '' when none was."""
    zones = {zone: days for zone, days in state.zones().items() if zone != report_zone_name()}
    if not zones:
        return ""
    days = sum(zones.values())
    made_for = " and ".join(sorted(zones))
    return (
        f"Roll-ups were made for {made_for}; {days} day{'s' * (days > 1)} must be rebuilt for "
        f"{report_zone_name()}. The job does so, the latest first; without waiting: manage.py roll_up"
    )
