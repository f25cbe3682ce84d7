"""Many rows are written with COPY, few with INSERT: what is stored is the same."""

import random
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from analytics.models import EndpointUsage, FeatureUsage, UserActivity
from analytics.storage import store as module
from analytics.storage.rows import Row
from analytics.storage.store import COPY_FROM, Receipt
from postgres.instants import instant
from tests.analytics.storage.test_store import consent, row
from tests.support.storing import store

__all__ = ["consent"]
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "analytics"])

METADATA = [{}, {"plan": "pro"}, {"seats": 3, "beta": True, "ratio": 0.25}, {"route": 'a"b\\\t\u2028é𝄞'}]
TEXTS = ["timer", 'a "quoted" \\ name\t', "zażółć gęślą 𝄞", "{other}", "\\N", "'; DROP TABLE"]


def some_rows(choose: random.Random, number: int) -> list[Row]:
    start = timezone.now() - timedelta(days=100)
    names = {
        "activity": lambda: (choose.choice(TEXTS), choose.choice(["", "c" * 32])),
        "endpoint": lambda: (
            choose.choice(TEXTS),
            "GET",
            choose.choice([None, 200, 404]),
            choose.choice([None, 0.0, 1.5, 1e9 / 7]),
        ),
        "feature": lambda: (choose.choice(TEXTS), choose.choice(TEXTS)),
    }
    return [
        row(
            table := choose.choice(sorted(names)),
            at=start + timedelta(microseconds=choose.randrange(90 * 86_400 * 10**6)),
            user=choose.choice(["", "a" * 32]),
            names=names[table](),
            metadata=choose.choice(METADATA),
            is_internal=choose.random() < 0.5,
        )
        for _ in range(number)
    ]


def contents() -> list[list[object]]:
    columns = ["id", "user_id", "organization_id", "timestamp", "deployment_type", "event_metadata"]
    names_of = {
        UserActivity: ["event_type", "session_id"],
        EndpointUsage: ["endpoint", "method", "status_code", "duration_ms"],
        FeatureUsage: ["feature_name", "action"],
    }
    return [
        list(model.objects.order_by("id").values_list(*columns, "is_internal", *names))
        for model, names in names_of.items()
    ]


def test_both_ways_store_the_same(consent, monkeypatch):
    rows = some_rows(random.Random(3), 4 * COPY_FROM)
    monkeypatch.setattr(module, "COPY_FROM", 10**9)
    assert store(rows).inserted == len(rows)
    inserted = contents()
    for model in (UserActivity, EndpointUsage, FeatureUsage):
        model.objects.all().delete()
    monkeypatch.setattr(module, "COPY_FROM", 1)
    assert store(rows).inserted == len(rows)
    assert contents() == inserted
    assert sum(map(len, inserted)) == len(rows)


def test_many_rows_of_which_some_are_there_already(consent):
    rows = [row() for _ in range(2 * COPY_FROM)]
    assert store(rows[:COPY_FROM]).inserted == COPY_FROM
    assert store(rows) == Receipt(inserted=COPY_FROM, duplicates=COPY_FROM, refused={})
    assert store(rows) == Receipt(inserted=0, duplicates=2 * COPY_FROM, refused={})


def test_many_rows_of_which_two_are_the_same(consent):
    rows = [row() for _ in range(COPY_FROM)]
    assert store([*rows, rows[7]]) == Receipt(inserted=COPY_FROM, duplicates=1, refused={})


def test_many_rows_of_which_one_cannot_be_held(consent):
    rows = [row() for _ in range(2 * COPY_FROM)]
    rows[99] = row(names=("nul\0", "started"))
    assert store(rows) == Receipt(2 * COPY_FROM - 1, 0, {"unstorable": 1})


def test_times_survive_to_the_microsecond(consent):
    at = datetime.now(UTC).replace(microsecond=999_999)
    rows = [row(at=at - timedelta(microseconds=number)) for number in range(COPY_FROM)]
    store(rows)
    assert set(FeatureUsage.objects.values_list("timestamp", flat=True)) == {
        instant(some.timestamp) for some in rows
    }
    assert {uuid.UUID(str(known)).bytes for known in FeatureUsage.objects.values_list("id", flat=True)} == {
        some.id for some in rows
    }
