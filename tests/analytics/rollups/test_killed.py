"""A build that is killed at any point leaves the day as it was, and the next run builds it."""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connections

from analytics.models import Mark, RolledDay, RollUp
from analytics.partitions import Month
from analytics.rollups.building import build
from analytics.rollups.building import erasing as rollups
from consent.models import ErasureRequest, SubjectKind
from postgres import locks
from tests.support.events import TODAY, ago, crowd, feature, months_standing
from tests.support.programs import environment, process, until
from tests.support.rolling import mark_everything, roll_up

pytestmark = pytest.mark.django_db(transaction=True)


def contents():
    return sorted(RollUp.objects.values_list("day", "kind", "content"))


@pytest.fixture
def four_months(transactional_db: None) -> Iterator[None]:
    with months_standing(Month.of(TODAY).plus(-4), Month.of(TODAY)):
        yield


@pytest.mark.usefixtures("four_months")
@pytest.mark.proof
def test_killed_at_random_the_next_run_mends_it(tmp_path: Path) -> None:
    chance, log = random.Random(5), tmp_path / "log"
    crowd(5, events=400)
    roll_up()
    for back in range(0, 96, 8):  # late events: each of these days now has another content
        feature(1000, ago(back), name="late")
    mark_everything()
    before, kills_in_the_middle = contents(), 0
    while Mark.objects.exists():
        left = Mark.objects.count()
        with process("manage.py", "roll_up", env=environment(), log=log) as running:
            end = time.monotonic() + 60
            while running.poll() is None and Mark.objects.count() == left and time.monotonic() < end:
                time.sleep(0.005)
            time.sleep(chance.random() * 0.05)
            assert running.poll() in (None, 0), log.read_text()
            running.kill()
            running.wait()
        assert Mark.objects.count() < left, log.read_text()
        kills_in_the_middle += Mark.objects.exists()
    assert kills_in_the_middle > 2
    mended = contents()
    assert mended != before
    build.roll_up(ago(100), TODAY)
    assert contents() == mended
    assert not RolledDay.objects.filter(version=0, events__gt=0).exists()


def test_erasure_waits_for_a_build_that_may_have_read_the_subject() -> None:
    request = ErasureRequest(kind=SubjectKind.USER, pseudonym="1a2b3c4d" * 4)
    database = connections["analytics"]
    building = database.get_new_connection(database.get_connection_params())
    try:
        building.execute(locks.TAKE_SHARED, locks.ROLL_UP_BUILD)
        with ThreadPoolExecutor() as pool:
            erasing = pool.submit(in_a_thread, lambda: rollups.erase(request))
            until(is_anybody_waiting, what="the erasure waits")
            assert not erasing.done()
            building.rollback()
            assert erasing.result(timeout=10) == {}
    finally:
        building.close()


def in_a_thread(work):
    try:
        return work()
    finally:
        connections.close_all()


def is_anybody_waiting() -> bool:
    with connections["analytics"].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database"
            " WHERE d.datname = current_database() AND classid = %s AND NOT granted",
            [locks.ROLL_UP_BUILD[0]],
        )
        return cursor.fetchone() != (0,)
