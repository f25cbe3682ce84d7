"""Days of `REPORT_TIME_ZONE`, and the instants at which they begin.

Reports count by day of that zone, but tables hold instants. SQL therefore asks for rows between two instants,
so that PostgreSQL skips the other partitions, and groups them by `(timestamp AT TIME ZONE %s)::date`.
"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone


def report_zone_name() -> str:
    """The zone's name, as charts and exports print it and as SQL takes it."""
    return str(settings.REPORT_TIME_ZONE)


def report_zone() -> ZoneInfo:
    return ZoneInfo(report_zone_name())


def report_today(now: datetime | None = None) -> date:
    """The report day that `now` (an aware instant; the clock's when left out) falls on."""
    return (now or timezone.now()).astimezone(report_zone()).date()


def day_starts_at(day: date) -> datetime:
    """The first instant of a report day, in UTC. Correct for days of 23 and 25 hours, too."""
    return datetime(day.year, day.month, day.day, tzinfo=report_zone()).astimezone(UTC)


def bounds(first: date, last: date) -> tuple[datetime, datetime]:
    """When the days `first` to `last` begin (inclusive) and end (exclusive)."""
    return day_starts_at(first), day_starts_at(last + timedelta(days=1))


def days_between(first: date, last: date) -> list[date]:
    """Every day from `first` to `last`, both included; none when `last` is before `first`."""
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def week_of(day: date) -> date:
    """The Monday of the day's week."""
    return day - timedelta(days=day.weekday())
