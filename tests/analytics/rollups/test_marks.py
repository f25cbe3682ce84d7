"""Marks: which quarters of an hour are marked, and which days that makes due."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections

from analytics.models import Mark
from analytics.rollups.building import marks
from postgres.instants import microseconds
from tests.support.events import ago, at, feature, make_partitions

NOON = datetime(2026, 11, 17, 12, tzinfo=UTC)
QUARTER = marks.quarter_of(NOON)
LAST_MOMENT = timedelta(minutes=15) - timedelta(microseconds=1)


def test_a_quarter_ends_before_the_next_begins():
    moments = [NOON, NOON + LAST_MOMENT, NOON + timedelta(minutes=15), NOON + timedelta(hours=1)]
    assert [marks.quarter_of(moment) - QUARTER for moment in moments] == [0, 0, 1, 4]
    times = [microseconds(moment) for moment in moments]
    assert marks.quarters_of(times) == [QUARTER, QUARTER + 1, QUARTER + 4]
    assert marks.quarters_of([]) == []
    assert marks.quarter_of(datetime(1970, 1, 1, tzinfo=UTC)) == 0


@pytest.mark.django_db
def test_the_end_of_a_stretch_is_not_marked():
    with connections["analytics"].cursor() as cursor:
        marks.mark(cursor, NOON, NOON + timedelta(minutes=30))
        marks.mark(cursor, NOON + timedelta(hours=1), NOON + timedelta(hours=1, microseconds=1))
    own = sorted(Mark.objects.values_list("quarter", flat=True))
    assert [quarter - QUARTER for quarter in own] == [0, 1, 4]


@pytest.mark.django_db
def test_the_latest_marked_day_comes_first():
    with connections["analytics"].cursor() as cursor:
        for back in (3, 1, 2, 1):
            marks.mark(cursor, at(ago(back), 0), at(ago(back), 24))
    assert marks.marked_days() == [ago(1), ago(2), ago(3)]


@pytest.mark.django_db
def test_every_quarter_with_rows_is_marked_once():
    make_partitions()
    for moment in (NOON, NOON + LAST_MOMENT, NOON - timedelta(microseconds=1)):
        feature(1, moment)
    with connections["analytics"].cursor() as cursor:
        marks.mark_all(cursor)
    assert sorted(Mark.objects.values_list("quarter", flat=True)) == [QUARTER - 1, QUARTER]


def test_days_of_23_and_25_hours_have_their_quarters(settings):
    settings.REPORT_TIME_ZONE = "Europe/Berlin"
    lengths = []
    for day in (datetime(2026, 3, 29).date(), datetime(2026, 10, 25).date()):
        low, high = marks.quarters_of_day(day)
        lengths.append(high - low + 1)
    assert lengths == [92, 100]
