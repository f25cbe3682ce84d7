"""Slices: a day seen by the values of its dimensions equals plain SQL, and what is kept of many values."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from django.db import connections
from pyroaring import BitMap64

from analytics.models import EndpointUsage, FeatureUsage, Group, Member, RolledDay, RollUp, UserActivity
from analytics.rollups.layout import KEY_SHIFT, cell_of, sliced
from analytics.rollups.packing import unpack
from tests.support.events import TODAY, ago, crowd, feature, make_partitions
from tests.support.rolling import roll_up

pytestmark = pytest.mark.django_db
DIMENSIONS = ("environment", "app", "app_version", "platform")
TABLES = (UserActivity, FeatureUsage, EndpointUsage)
SPREAD = """
UPDATE {table} SET event_metadata = event_metadata || jsonb_strip_nulls(jsonb_build_object(
    'app', CASE WHEN hashtext(user_id) % 3 = 0 THEN 'shop-web'
                WHEN hashtext(id::text) % 5 > 0 THEN 'till' END,
    'app_version', (ARRAY['1.0', '1.1', '2.0'])[1 + abs(hashtext(id::text)) % 3],
    'environment', (ARRAY['production', 'staging'])[1 + abs(hashtext(user_id)) % 2],
    'platform', (ARRAY['Linux', 'Windows', 'macOS', NULL, 'web'])[1 + abs(hashtext(user_id || 'x')) % 5]))
"""


@pytest.fixture(autouse=True)
def _room():
    make_partitions()


def spread() -> None:
    """Spread the rows over apps, versions, environments and platforms."""
    with connections["analytics"].cursor() as cursor:
        for table in TABLES:
            cursor.execute(SPREAD.format(table=table._meta.db_table))


def content(day, kind):
    return unpack(bytes(RollUp.objects.get(day=day, kind=kind).content))


def slices_of(day):
    (dimensions, *slices) = content(day, "slices")[0]
    assert dimensions == DIMENSIONS
    return slices


def members():
    """By number: user, organization, deployment type and internal use."""
    groups = {group.pk: group for group in Group.objects.all()}
    return {
        member.pk: (
            member.user_id,
            groups[member.group_id].organization_id,
            groups[member.group_id].deployment_type,
            groups[member.group_id].is_internal,
        )
        for member in Member.objects.all()
    }


def who(row):
    return row.user_id, row.organization_id, row.deployment_type, row.is_internal


def rows_of(model, day):
    """The rows of a day, with their slices."""
    for row in model.objects.filter(timestamp__date=day):
        yield row, tuple(row.event_metadata.get(name, "") for name in DIMENSIONS)


def named(row):
    return not row.user_id.startswith("anon:")


def rolled_pairs(day, kind):
    """By name and slice: how often each member is there, or 1."""
    slices, known = slices_of(day), members()
    names, bitmap, arrays = content(day, sliced(kind))
    pairs = list(BitMap64.deserialize(bitmap))
    counts = arrays["count"].tolist() if "count" in arrays else [1] * len(pairs)
    found = {}
    for pair, count in zip(pairs, counts, strict=True):
        number, member = pair >> KEY_SHIFT, pair & (1 << KEY_SHIFT) - 1
        *name, place = names[number] if names else (str(number),)
        found[(*name,), slices[int(place)], known[member]] = count
    return found


def counted_pairs(day):
    """The same from rows, by kind."""
    found = defaultdict(Counter)
    for model in TABLES:
        for row, values in rows_of(model, day):
            if not named(row):
                continue
            found["active"][(), values, who(row)] = 1
            if model is UserActivity and row.event_type == "login":
                found["login"][(), values, who(row)] += 1
            if model is FeatureUsage:
                found["feature"][(row.feature_name, row.action), values, who(row)] = 1
                if row.feature_name == "page_view":
                    found["page"][(row.event_metadata["page.path"],), values, who(row)] += 1
            if model is EndpointUsage:
                found["endpoint"][(row.endpoint, row.method), values, who(row)] = 1
    return found


def rolled_sums(day, kind):
    """By name, slice and cell (and status class or bucket): the sums."""
    slices = slices_of(day)
    names, _, arrays = content(day, sliced(kind))
    also = next(
        (arrays[name] for name in ("status", "bucket") if name in arrays), np.zeros(len(arrays["key"]))
    )
    measured = [arrays[name] for name in ("count", "known", "total_ms") if name in arrays]
    columns = (arrays["key"], arrays["slice"], arrays["group"], also)
    return {
        (names[key], slices[place], cell, int(more)): tuple(round(float(number), 6) for number in numbers)
        for key, place, cell, more, *numbers in zip(*columns, *measured, strict=True)
    }


def counted_sums(day):
    uses, requests = Counter(), defaultdict(lambda: [0, 0, 0.0])
    for row, values in rows_of(FeatureUsage, day):
        cell = cell_of(row.deployment_type, is_internal=row.is_internal)
        uses[(row.feature_name, row.action), values, cell, 0] += 1
    for row, values in rows_of(EndpointUsage, day):
        cell = cell_of(row.deployment_type, is_internal=row.is_internal)
        sums = requests[(row.endpoint, row.method), values, cell, row.status_code // 100]
        for place, more in enumerate((1, row.duration_ms is not None, row.duration_ms or 0)):
            sums[place] += more
    return {key: (float(count),) for key, count in uses.items()}, {
        key: tuple(round(float(number), 6) for number in sums) for key, sums in requests.items()
    }


def assert_equal_rows(day):
    counted = counted_pairs(day)
    for kind in ("active", "login", "feature", "page", "endpoint"):
        rolled = rolled_pairs(day, kind)
        assert rolled == counted[kind], kind
    uses, requests = counted_sums(day)
    assert rolled_sums(day, "uses") == uses
    assert rolled_sums(day, "requests") == requests


def test_a_day_by_its_dimensions_equals_its_rows():
    crowd(5, events=500, days=2)
    for user in range(1, 9):
        feature(user, TODAY, name="page_view", action="viewed", event_metadata={"page.path": f"/{user % 3}"})
    spread()
    roll_up()
    for day in (TODAY, ago(1)):
        assert_equal_rows(day)
    assert set(RolledDay.objects.values_list("dimensions", flat=True)) == {",".join(DIMENSIONS)}
