"""Days of `REPORT_TIME_ZONE`, and the instants at which they begin.

A report speaks of days of that zone; a table holds instants. Every report asks for rows between
two instants, so that partitions prune, and groups them with `(timestamp AT TIME ZONE %s)::date`.
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
    """The first instant of a report day, in UTC. Days of 23 and 25 hours come out right."""
    return datetime(day.year, day.month, day.day, tzinfo=report_zone()).astimezone(UTC)


def bounds(first: date, last: date) -> tuple[datetime, datetime]:
    """The instants from which (inclusive) and until which (exclusive) the days `first` to `last` run."""
    return day_starts_at(first), day_starts_at(last + timedelta(days=1))


def days_between(first: date, last: date) -> list[date]:
    """Every day from `first` to `last`, both included; none when `last` is before `first`."""
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def week_of(day: date) -> date:
    """The Monday of the day's week."""
    return day - timedelta(days=day.weekday())
