"""Partitions: months as numbers, their bounds in UTC, and that one process at a time makes them."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from django.db import OperationalError, connections

from analytics import partitions
from analytics.partitions import Month, existing
from postgres import locks

NEW = Month(2031, 12)


def test_months_are_counted_over_the_turn_of_a_year() -> None:
    assert [Month(2026, 12).plus(one) for one in (-12, -1, 0, 1, 13)] == [
        Month(2025, 12),
        Month(2026, 11),
        Month(2026, 12),
        Month(2027, 1),
        Month(2028, 1),
    ]
    assert Month(2026, 12).ends_at == datetime(2027, 1, 1, tzinfo=UTC)
    assert (str(Month.of(date(2026, 3, 31))), Month(2025, 12) < Month(2026, 1)) == ("2026-03", True)


def test_the_oldest_month_is_that_of_the_utc_day() -> None:
    new_year_in_tokyo = datetime(2027, 1, 1, 8, 59, tzinfo=timezone(timedelta(hours=9)))
    assert partitions.oldest_kept_month(new_year_in_tokyo, 12) == Month(2025, 12)
    assert partitions.oldest_kept_month(new_year_in_tokyo + timedelta(minutes=1), 12) == Month(2026, 1)


@pytest.mark.django_db
def test_both_ends_are_made_once_and_each_table_has_them() -> None:
    made = partitions.ensure(NEW, NEW.plus(1))
    assert made == [
        f"{table}_p{month}" for month in ("2031_12", "2032_01") for table in partitions.EVENT_TABLES
    ]
    assert {one.month for one in existing() if one.month >= NEW} == {NEW, NEW.plus(1)}
    assert partitions.ensure(NEW, NEW.plus(1)) == []


@pytest.mark.django_db
def test_a_table_that_lacks_a_month_gets_it() -> None:
    partitions.ensure(NEW, NEW)
    with connections["analytics"].cursor() as cursor:
        cursor.execute("DROP TABLE analytics_feature_usage_p2031_12")
    assert partitions.ensure(NEW, NEW) == ["analytics_feature_usage_p2031_12"]


@pytest.mark.django_db
def test_months_are_made_for_as_long_as_rows_live_and_three_ahead() -> None:
    now = datetime(2036, 6, 30, 23, 59, tzinfo=UTC)
    made = {name[-7:] for name in partitions.ensure_for(now, 2)}
    assert made == {"2036_04", "2036_05", "2036_06", "2036_07", "2036_08", "2036_09"}


@pytest.mark.django_db
def test_bounds_are_utc_whatever_the_zone_of_the_session() -> None:
    with connections["analytics"].cursor() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'Asia/Tokyo'")
        partitions.ensure(NEW, NEW)
    with connections["analytics"].cursor() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'UTC'")
        cursor.execute("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname LIKE '%_p2031_12'")
        bounds = "FOR VALUES FROM ('2031-12-01 00:00:00+00') TO ('2032-01-01 00:00:00+00')"
        assert cursor.fetchone() == (bounds,)


@pytest.mark.django_db
def test_a_partition_that_is_none_of_ours_is_left_out() -> None:
    before = existing()
    with connections["analytics"].cursor() as cursor:
        cursor.execute(
            "CREATE TABLE analytics_feature_usage_rest PARTITION OF analytics_feature_usage DEFAULT"
        )
    assert existing() == before


@pytest.fixture
def locked_by_another() -> Iterator[None]:
    database = connections["analytics"]
    other = database.get_new_connection(database.get_connection_params())
    other.execute(locks.TAKE, locks.PARTITIONS)
    yield
    other.close()


@pytest.mark.django_db
def test_partitions_are_made_by_one_process_at_a_time(locked_by_another: None) -> None:
    standing = existing()[0].month
    partitions.ensure(standing, standing)  # nothing is missing: nobody waits
    with connections["analytics"].cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '50ms'")
    with pytest.raises(OperationalError, match="lock timeout"):
        partitions.ensure(NEW, NEW)
