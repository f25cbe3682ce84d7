"""The search for what is left, and what may stay."""

import json
from datetime import timedelta

import pytest
import redis
from django.db import connections

from analytics.erasure import leftovers, remains, run
from consent.models import ErasureRequest
from tests.analytics.erasure.stories import (
    DAY,
    JANE,
    JIM,
    SESSION,
    ask,
    carry_out,
    erased,
    rows,
)
from tests.support.events import activity, feature

pytestmark = pytest.mark.django_db


def test_a_session_that_two_used_stays_in_the_others_rows_and_the_receipt_says_so() -> None:
    activity(JANE, DAY, session=SESSION)
    activity("f" * 32, DAY, session=SESSION)
    receipt = erased()
    assert rows()["UserActivity"] == ["f" * 32]
    assert {
        "where": "analytics_user_activity.session_id",
        "rows": 1,
        "why": remains.SHARED_SESSION,
    } in receipt["remains"]


@pytest.mark.usefixtures("_unknown_table")
def test_a_table_that_nobody_thought_of_keeps_the_erasure_open_and_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with connections["analytics"].cursor() as cursor:
        cursor.execute("INSERT INTO somebodys_cache VALUES (%s)", [json.dumps({"who": [f"user={JANE}"]})])
    request = ask()
    with pytest.raises(run.NotErased, match="1 not: The name is still in somebodys_cache"):
        carry_out()
    request.refresh_from_db()
    assert request.state == ErasureRequest.Stage.RUNNING
    assert "somebodys_cache.content" in request.problem
    assert JANE not in request.problem
    assert not run.due_requests().exists()  # for an hour: trying again within a minute would not help
    monkeypatch.setattr(run, "AGAIN_AFTER", timedelta(0))
    with connections["analytics"].cursor() as cursor:
        cursor.execute("DELETE FROM somebodys_cache")
    carry_out()
    request.refresh_from_db()
    assert (request.state, request.problem) == (ErasureRequest.Stage.DONE, "")


def test_a_key_in_redis_is_found(settings) -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.set(f"cache:{JANE}", "1")
        request = ask()
        with pytest.raises(run.NotErased):
            carry_out()
        client.delete(f"cache:{JANE}")
    request.refresh_from_db()
    assert "redis.key" in request.problem


COLUMNS = {
    "short_start": "varchar(32)",
    "short_end": "varchar(32)",
    "long_name": "varchar(33)",
    "words": "text",
    "several": "text[]",
    "content": "jsonb",
    "raw": "json",
}


@pytest.mark.parametrize("alias", ["default", "analytics"])
def test_a_name_is_found_in_every_kind_of_column(alias: str) -> None:
    short = JANE[:27]
    content = json.dumps({"a": [JANE]})
    values = (JANE, f"anon:{short}", f"x{JANE}", f"Of {JANE}.", ["a", JANE], content, content)
    with connections[alias].cursor() as cursor:
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        cursor.execute("CREATE SCHEMA other")
        cursor.execute(f'CREATE TABLE other."A cache" (gone text, number int, {columns})')
        cursor.execute('ALTER TABLE other."A cache" DROP COLUMN gone')
        for column, value in zip(COLUMNS, values, strict=True):
            cursor.execute('TRUNCATE other."A cache"')
            cursor.execute(
                f'INSERT INTO other."A cache" ({column}) VALUES (%s), (%s), (NULL)', [value, value]
            )
            cursor.execute('INSERT INTO other."A cache" (short_start) VALUES (%s)', [JIM])
            traces = leftovers.search([f"anon:{short}"]).traces
            assert traces == [leftovers.Trace("A cache", column, short, 2)]


def test_a_copy_of_a_table_is_searched_too() -> None:
    feature(JANE, DAY)
    with connections["analytics"].cursor() as cursor:
        cursor.execute("CREATE MATERIALIZED VIEW copied AS SELECT user_id FROM analytics_feature_usage")
    assert {trace.table for trace in leftovers.search([JANE]).traces} == {"copied", "analytics_feature_usage"}
    assert leftovers.search(["9" * 32]).traces == []


def test_partitions_are_read_once_through_their_parent() -> None:
    feature(JANE, DAY)
    assert leftovers.search([JANE]).traces == [
        leftovers.Trace("analytics_feature_usage", "user_id", JANE[:27], 1)
    ]


def test_keys_in_redis_are_counted(settings) -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        before = leftovers.search([JANE]).redis_keys
        client.mset({f"a:{JANE}": "1", f"b:{JANE[:27]}": "1", f"c:{JIM}": "1"})
        result = leftovers.search([JANE])
        client.delete(f"a:{JANE}", f"b:{JANE[:27]}", f"c:{JIM}")
    assert result.traces == [leftovers.Trace("redis", "key", JANE[:27], 2)]
    assert result.redis_keys >= before + 3


def test_every_table_that_may_keep_a_name_exists() -> None:
    known = {
        table
        for alias in ("default", "analytics")
        for table in connections[alias].introspection.table_names()
    }
    assert set(remains.KEPT_ON_PURPOSE) | {table for table, _ in remains.MAY_BE_NEWER} <= known


def test_rows_that_should_be_gone_are_no_newer_ones() -> None:
    """Rows written while the erasure ran keep it open."""
    request = ask()
    feature(JANE, DAY)
    result = leftovers.search([JANE])
    assert remains.judge(request, [], result) == (
        [],
        "The name is still in analytics_feature_usage.user_id (1 rows), which erasure does not reach.",
    )


def test_a_problem_makes_the_next_run_begin_with_the_first_day(
    monkeypatch: pytest.MonkeyPatch, settings
) -> None:
    monkeypatch.setattr(run, "AGAIN_AFTER", timedelta(0))
    activity(JANE, DAY)
    request = ask()
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.set(f"cache:{JANE}", "1")
        with pytest.raises(run.NotErased):
            carry_out()
        client.delete(f"cache:{JANE}")
    feature(JANE, DAY - timedelta(days=3))
    carry_out()
    request.refresh_from_db()
    assert request.receipt["deleted"] == {"analytics_user_activity": 1, "analytics_feature_usage": 1}
