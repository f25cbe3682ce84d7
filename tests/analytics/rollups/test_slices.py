"""Slices: a day seen by the values of its dimensions equals plain SQL, and what is kept of many values."""

import itertools
from collections import Counter, defaultdict
from datetime import UTC, datetime
from io import StringIO

import numpy as np
import pytest
from django.core.management import call_command
from django.db import connections
from pyroaring import BitMap64

from analytics.erasure import run as erasure
from analytics.jobs import runs
from analytics.models import EndpointUsage, FeatureUsage, Group, Member, RolledDay, RollUp, UserActivity
from analytics.rollups import dimensions_built, sealing
from analytics.rollups.building import build, marks, slicing
from analytics.rollups.building.slicing import Slices
from analytics.rollups.layout import KEY_SHIFT, MOST_SLICES, cell_of, sliced
from analytics.rollups.packing import unpack
from consent.decisions.tombstones import ask_for_erasure
from consent.models import Method, SubjectKind
from consent.policies import activation
from consent.registry.registry import OURS
from tests.support.declaring import declare
from tests.support.events import TODAY, activity, ago, at, crowd, endpoint, feature, make_partitions
from tests.support.rolling import roll_up

pytestmark = pytest.mark.django_db
JANE, JOHN = (f"{number:08x}" * 4 for number in (0x1A2B3C4D, 0x2B3C4D5E))
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
    by_group = RollUp.objects.filter(day=day, kind__startswith=f"{kind}_by_group/", kind__endswith="~")
    pieces = [unpack(bytes(piece.content))[2]["count"] for piece in by_group]
    assert np.concatenate(pieces).sum() == arrays["count"].sum()
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


def test_days_by_their_dimensions_equal_their_rows_through_late_events_and_erasures():
    crowd(5, events=300, days=2)
    for user in range(1, 9):
        feature(user, TODAY, name="page_view", action="viewed", event_metadata={"page.path": f"/{user % 3}"})
    spread()
    roll_up()
    for day in (TODAY, ago(1)):
        assert_equal_rows(day)
    crowd(6, events=100, days=2)
    for make in (feature, activity, endpoint):
        make(JANE, TODAY)
    spread()
    roll_up()
    assert JANE in str(rolled_pairs(TODAY, "active"))
    erase(JANE)
    build.roll_up()
    for day in (TODAY, ago(1)):
        assert_equal_rows(day)
        assert JANE not in str(rolled_pairs(day, "active"))


def erase(user):
    ask_for_erasure(kind=SubjectKind.USER, pseudonym=user, actor="test", method=Method.API)
    runs.run_job("erasure", erasure.carry_out)


def test_an_erased_user_is_in_no_slice_before_the_day_is_built_again():
    for user, app in itertools.product((JANE, JOHN), ("shop", "till")):
        metadata = {"event_metadata": {"app": app, "page.path": "/a"}}
        feature(user, TODAY, name="page_view", **metadata)
        activity(user, TODAY, session="5e" * 16, **metadata)
        endpoint(user, TODAY, **metadata)
    roll_up()
    erase(JANE)
    john = Member.objects.get(user_id=JOHN).pk
    for kind in ("active", "login", "feature", "page", "endpoint"):
        _, bitmap, arrays = content(TODAY, sliced(kind))
        members = [pair & (1 << KEY_SHIFT) - 1 for pair in BitMap64.deserialize(bitmap)]
        assert members == [john] * 2, kind
        assert len(arrays.get("count", members)) == 2
    assert set(content(TODAY, sliced("session"))[2]["member"].tolist()) == {john}


def test_sessions_by_slice_have_their_first_and_last_event_there():
    for hour, app in ((1, "shop"), (2, "till"), (4, "shop"), (7, "till")):
        activity(1, at(TODAY, hour), session="5e" * 16, event_metadata={"app": app})
    roll_up()
    _, _, visits = content(TODAY, sliced("session"))
    lengths = [length // 3_600_000_000 for length in visits["length_us"].tolist()]
    assert slices_of(TODAY) == [("", "shop", "", ""), ("", "till", "", "")]
    assert (visits["slice"].tolist(), lengths) == ([0, 1], [3, 5])
    assert content(TODAY, "session")[2]["length_us"].tolist() == [6 * 3_600_000_000]


def test_a_day_of_one_slice_has_no_content_by_slice():
    feature(1, TODAY, event_metadata={"app": "shop"})
    endpoint(2, TODAY, event_metadata={"app": "shop"})
    roll_up()
    assert slices_of(TODAY) == [("", "shop", "", "")]
    assert not RollUp.objects.filter(kind__contains="~").exists()


# --- What is kept of many values -------------------------------------------------------------------
def kept(slices, *events):
    """What becomes of slices, each given with its events, in the order of the numbers."""
    numbers = slices.numbers_of(events).tolist()
    counts = np.zeros(len(slices.numbers), dtype=np.int64)
    np.add.at(counts, numbers, [count for _, count in events])
    known, place = slices.kept(counts)
    return [known[place[number]] for number in numbers]


def test_the_fifty_most_frequent_values_of_a_dimension_are_kept_and_the_others_are_other():
    for number in range(53):
        for _ in range(2 if number > 49 else 1):
            feature(1, TODAY, event_metadata={"app_version": f"1.{number:02d}", "environment": "production"})
    feature(1, TODAY, name="long", event_metadata={"app_version": "1" * 61})
    feature(2, TODAY, name="none")
    roll_up()
    values = [version for _, _, version, _ in slices_of(TODAY)]
    others = {f"1.{number}" for number in (47, 48, 49)}
    assert set(values) == {f"1.{number:02d}" for number in range(53)} - others | {"", "{other}"}
    uses = {values: count for (_, values, *_), count in rolled_sums(TODAY, "uses").items() if "long" not in _}
    assert sum(count for (*_, version, _), (count,) in uses.items() if version == "{other}") == 4


def test_of_many_slices_the_rarest_lose_the_dimension_declared_last_and_then_the_one_before():
    many = [((f"{app}", f"{version}"), 1 + (app == 0)) for app in range(40) for version in range(30)]
    found = kept(Slices(("app", "app_version")), *many)
    assert len(set(found)) == MOST_SLICES
    assert {app for app, version in found if version == "{other}"} < {f"{app}" for app in range(40)}
    assert found[:30] == [values for values, _ in many[:30]]  # the most frequent stay
    three = [((f"{a}", f"{b}", f"{c}"), 1) for a in range(40) for b in range(30) for c in range(2)]
    again = kept(Slices(("a", "b", "c")), *three)
    assert len(set(again)) <= MOST_SLICES
    assert {values[2] for values in again} == {"{other}"}
    assert again == kept(Slices(("a", "b", "c")), *three[::-1])[::-1]


def test_a_day_with_too_many_slices_to_read_folds_new_ones_into_known_ones(monkeypatch):
    monkeypatch.setattr(slicing, "MOST_READ", 3)
    slices = Slices(("app", "app_version"))
    read = [(("a", "1"), 5), (("a", "2"), 4), (("a", "{other}"), 3), (("a", "3"), 2), (("b", "1"), 1)]
    known = [values for values, _ in read[:3]]
    assert kept(slices, *read) == [*known, ("a", "{other}"), ("{other}", "{other}")]


# --- Dimensions that change ------------------------------------------------------------------------
def plan_as_a_dimension():
    entries = OURS.read_text().split("[[attribute]]")
    (plan,) = (entry for entry in entries if 'name = "plan"' in entry)
    return f"[[attribute]]{plan}dimension = true\n"


def test_a_dimension_marked_later_is_counted_back_with_progress_and_says_so(settings, tmp_path):
    for back, plan in ((2, "free"), (3, "pro"), (9, "free")):
        feature(1, ago(back), event_metadata={"app": "shop", "plan": plan})
        feature(2, ago(back), event_metadata={"app": "shop", "plan": "team"})
    roll_up()
    assert (build.due_days(), dimensions_built.still_counting()) == ([], [])
    declare(settings, tmp_path, plan_as_a_dimension())
    activation.bring_in(actor="tests")  # collects no more than was published
    feature(3, ago(9))
    with connections["analytics"].cursor() as cursor:
        marks.mark(cursor, at(ago(9)), at(ago(9), 24))
    assert build.due_days() == [ago(9), ago(2), ago(3)]
    assert dimensions_built.still_counting() == [("plan", 0, 3)]
    out = StringIO()
    call_command("roll_up", "--from", ago(2).isoformat(), "--to", ago(2).isoformat(), stdout=out)
    assert out.getvalue() == "Built 1 days of 2 events. Counting by plan: 1 of 3 days.\n"
    of_plan = [("", "shop", "", "", plan) for plan in ("free", "team")]
    assert content(ago(2), "slices")[0] == [(*DIMENSIONS, "plan"), *of_plan]
    assert build.roll_up().sentence == "Built 2 days of 5 events."
    assert (build.due_days(), dimensions_built.still_counting()) == ([], [])


def test_a_sealed_day_has_no_slices():
    day = datetime(2026, 8, 10, tzinfo=UTC).date()
    for user in range(1, 8):
        feature(user, day, event_metadata={"app": f"app-{user % 2}"})
    roll_up()
    assert RollUp.objects.filter(day=day, kind="feature~").exists()
    sealing.seal([day])
    kinds = set(RollUp.objects.filter(day=day).values_list("kind", flat=True))
    assert kinds == {"active", "login", "uses", "requests", "latency"}
    assert RolledDay.objects.get(day=day).dimensions == ""
    assert (build.due_days(), dimensions_built.still_counting()) == ([], [])
