"""Days of REPORT_TIME_ZONE in the roll-ups, and what must happen when it changes."""

import uuid
from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from pytest_django import Settings

from analytics import partitions
from analytics.models import RolledDay, UserActivity
from analytics.partitions import Month
from analytics.rollups import zone_change
from tests.support.rolling import roll_up

pytestmark = pytest.mark.django_db
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)  # of 23 and 25 hours in Berlin
HALF_AN_HOUR = timedelta(minutes=30)


@pytest.fixture(autouse=True)
def _rows() -> None:
    """A row every half hour of three UTC days around each change of the clocks."""
    for day in (SPRING, AUTUMN):
        partitions.ensure(Month.of(day), Month.of(day))
        begin = datetime(day.year, day.month, day.day - 1, tzinfo=UTC)
        UserActivity.objects.bulk_create(
            UserActivity(
                id=uuid.uuid4(),
                user_id="a" * 32,
                organization_id="",
                timestamp=begin + number * HALF_AN_HOUR,
                received_at=begin,
                deployment_type="cloud",
                event_type="login",
                session_id="",
            )
            for number in range(3 * 48)
        )


def events(day: date) -> list[int]:
    """Events of the day before, the day, and the day after."""
    days = [day + timedelta(days=offset) for offset in (-1, 0, 1)]
    return [RolledDay.objects.get(pk=one).events for one in days]


def all_events() -> int:
    return sum(RolledDay.objects.values_list("events", flat=True))


@pytest.mark.parametrize(
    ("zone", "spring", "autumn"),
    [
        ("UTC", [48, 48, 48], [48, 48, 48]),
        ("Europe/Berlin", [46, 46, 48], [44, 50, 48]),
        ("America/New_York", [48, 48, 40], [48, 48, 40]),
    ],
)
def test_every_event_is_of_its_report_day(
    settings: Settings, zone: str, spring: list[int], autumn: list[int]
) -> None:
    settings.REPORT_TIME_ZONE = zone
    roll_up()
    assert (events(SPRING), events(AUTUMN)) == (spring, autumn)


def test_a_changed_time_zone_says_what_must_be_rebuilt_until_the_command_has_done_it(
    settings: Settings,
) -> None:
    roll_up()
    assert zone_change.rebuild_needed() == ""
    settings.REPORT_TIME_ZONE = "Europe/Berlin"
    assert zone_change.rebuild_needed() == (
        "Roll-ups were made for UTC; 6 days must be rebuilt for Europe/Berlin. "
        "The job does so, the latest first; without waiting: manage.py roll_up"
    )
    call_command("roll_up", stdout=StringIO())
    assert zone_change.rebuild_needed() == ""
    assert (events(SPRING), events(AUTUMN)) == ([46, 46, 48], [44, 50, 48])
    assert all_events() == 6 * 48  # also days that did not exist before


def test_back_and_forth_leaves_each_event_in_one_day(settings: Settings) -> None:
    for zone in ("Asia/Tokyo", "America/New_York", "UTC"):
        settings.REPORT_TIME_ZONE = zone
        roll_up()
    assert all_events() == 6 * 48
    assert events(SPRING) == [48, 48, 48]
