"""Report days: where each begins, in every zone."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connections
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from analytics import report_days


def test_a_day_of_the_report_zone_begins_at_its_own_midnight(settings):
    settings.REPORT_TIME_ZONE = "America/New_York"
    assert report_days.day_starts_at(date(2026, 11, 17)) == datetime(2026, 11, 17, 5, tzinfo=UTC)
    assert report_days.report_today(datetime(2026, 11, 17, 4, 59, tzinfo=UTC)) == date(2026, 11, 16)


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_days_of_the_clock_change_are_shorter_and_longer(settings, day, hours):
    settings.REPORT_TIME_ZONE = "Europe/Berlin"
    since, until = report_days.bounds(day, day)
    assert until - since == timedelta(hours=hours)


# Clocks change at one, at two, at midnight (so that no day begins at 0:00), by half an hour, by a whole day.
ZONES = ("Europe/Berlin", "America/Santiago", "Asia/Beirut", "America/Havana", "Australia/Lord_Howe")
ZONES += ("Pacific/Apia", "Asia/Kathmandu", "America/St_Johns", "Africa/Casablanca", "UTC")


@pytest.mark.parametrize(
    ("zone", "day", "hours", "begins"),
    [
        ("America/Santiago", date(2026, 9, 6), 23, datetime(2026, 9, 6, 4, tzinfo=UTC)),  # at one
        ("America/Santiago", date(2026, 4, 4), 25, datetime(2026, 4, 4, 3, tzinfo=UTC)),
        (
            "America/Havana",
            date(2026, 11, 1),
            25,
            datetime(2026, 11, 1, 4, tzinfo=UTC),
        ),  # two midnights
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5, datetime(2026, 4, 4, 13, tzinfo=UTC)),
        ("Pacific/Apia", date(2011, 12, 30), 0, datetime(2011, 12, 30, 10, tzinfo=UTC)),  # left out
        ("Asia/Kathmandu", date(2026, 6, 1), 24, datetime(2026, 5, 31, 18, 15, tzinfo=UTC)),
    ],
)
def test_a_day_lasts_as_long_as_its_zone_says(settings, zone, day, hours, begins):
    settings.REPORT_TIME_ZONE = zone
    since, until = report_days.bounds(day, day)
    assert (since, until - since) == (begins, timedelta(hours=hours))


@given(
    zone=st.sampled_from(ZONES),
    moment=st.datetimes(datetime(2011, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
)
def test_every_instant_is_within_its_day_and_days_follow_each_other(zone, moment):
    with override_settings(REPORT_TIME_ZONE=zone):
        day = report_days.report_today(moment)
        since, until = report_days.bounds(day, day)
        assert since <= moment < until
        assert until == report_days.day_starts_at(day + timedelta(days=1))


QUARTERS = """
SELECT moment, (moment AT TIME ZONE %(zone)s)::date
  FROM generate_series(%(first)s::timestamptz, %(last)s::timestamptz, '15 minutes') moment
"""


@pytest.mark.django_db
@pytest.mark.parametrize("zone", ZONES)
def test_the_database_has_the_same_days_at_every_quarter_of_a_year(settings, zone):
    settings.REPORT_TIME_ZONE = zone
    year = {"first": datetime(2026, 1, 1, tzinfo=UTC), "last": datetime(2027, 1, 1, tzinfo=UTC)}
    with connections["analytics"].cursor() as cursor:
        cursor.execute(QUARTERS, year | {"zone": zone})
        found = cursor.fetchall()
    assert len(found) == 365 * 96 + 1
    differing = [moment for moment, day in found if report_days.report_today(moment) != day]
    assert differing == []
