"""The seal is a gate: nothing enters a sealed day or a dropped month, whatever the settings say by then."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from analytics import partitions
from analytics.models import FeatureUsage
from analytics.partitions import Month
from analytics.storage import pruning
from tests.support.otlp import a_key, grant, post, span, traces

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_back")]


@pytest.fixture
def this_month() -> Month:
    return Month.of(datetime.now(UTC).date())


@pytest.fixture
def key() -> str:
    grant(user="u1", since=datetime.now(UTC) - timedelta(days=3000))
    return a_key()[0]


def drop_all_but(months: int, this_month: Month, settings: Settings) -> None:
    settings.EVENT_RETENTION_MONTHS = months
    partitions.ensure(this_month.plus(-months - 2), this_month)
    pruning.prune(now=datetime.now(UTC))


def sent(client: Client, key: str, at: datetime) -> str:
    """What became of one event of that moment: '' when it was stored."""
    event = span(1, at=at, attributes={"user.id": "u1", "feature.name": "export"})
    answer: dict[str, Any] = post(client, "/v1/traces", traces(event), key).json()
    return str(answer.get("partialSuccess", {}).get("errorMessage", ""))


def test_a_longer_retention_does_not_open_dropped_months_again(
    client: Client, key: str, settings: Settings, this_month: Month
) -> None:
    drop_all_but(3, this_month, settings)
    settings.EVENT_RETENTION_MONTHS = 12
    standing = min(partition.month for partition in partitions.existing())
    pruning.make_partitions(now=datetime.now(UTC))
    assert "1 too_old" in sent(client, key, this_month.plus(-3).starts_at - timedelta(days=3))
    assert "1 too_old" in sent(client, key, this_month.plus(-3).starts_at - timedelta(microseconds=1))
    assert sent(client, key, this_month.plus(-3).starts_at) == ""
    assert FeatureUsage.objects.count() == 1
    assert min(partition.month for partition in partitions.existing()) == standing == this_month.plus(-3)


@pytest.mark.parametrize("zone_now", ["Asia/Tokyo", "UTC"])
def test_the_rest_of_a_sealed_day_is_closed_too(
    client: Client, key: str, settings: Settings, this_month: Month, zone_now: str
) -> None:
    """In Tokyo, the last day of a dropped month ends at 15:00 UTC on the first of the next one."""
    settings.REPORT_TIME_ZONE = "Asia/Tokyo"
    drop_all_but(3, this_month, settings)
    settings.REPORT_TIME_ZONE = zone_now
    kept_from = this_month.plus(-3).starts_at
    ends_at = kept_from + timedelta(hours=15 if zone_now == "Asia/Tokyo" else 24)
    assert "1 too_old" in sent(client, key, kept_from + timedelta(hours=1))
    assert "1 too_old" in sent(client, key, ends_at - timedelta(microseconds=1))
    assert sent(client, key, ends_at) == ""


def test_a_dry_run_foretells_it(client: Client, key: str, settings: Settings, this_month: Month) -> None:
    drop_all_but(3, this_month, settings)
    settings.EVENT_RETENTION_MONTHS = 12
    event = span(1, at=this_month.plus(-4).starts_at, attributes={"user.id": "u1", "feature.name": "export"})
    answer = post(client, "/v1/traces", traces(event), key, **{"X-Telemetry-Dry-Run": "1"})
    assert [one["reason"] for one in answer.json()["records"]] == ["too_old"]
