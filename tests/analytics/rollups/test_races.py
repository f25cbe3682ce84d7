"""Building while others write: what is committed meanwhile, and who waits for whom."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connections

from analytics.models import Mark, RolledDay
from analytics.partitions import Month
from analytics.rollups import sealing
from analytics.rollups.building import build, erasing, marks
from analytics.rollups.reading import reader as rollups
from analytics.rollups.reading.reader import Segment
from consent.models import ErasureRequest, SubjectKind
from postgres import locks
from tests.support.events import TODAY, ago, at, feature, months_standing, person

pytestmark = pytest.mark.django_db(transaction=True)
DAY = ago(3)


@pytest.fixture(autouse=True)
def _room(transactional_db: None) -> Iterator[None]:
    with months_standing(Month.of(TODAY).plus(-1), Month.of(TODAY)):
        yield


def arrive(user: int) -> None:
    """An event of DAY, committed with its mark by another connection."""

    def commit() -> None:
        feature(user, DAY)
        with connections["analytics"].cursor() as cursor:
            marks.mark(cursor, at(DAY, 12), at(DAY, 12.1))
        connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(commit).result(30)


def active() -> int:
    with rollups.reading() as reader:
        return reader.presence(Segment(), DAY, DAY).distinct(DAY, DAY)


def after(function: Callable, then: Callable[[], None]) -> Callable:
    """The function, followed by something else the first time it is called."""
    due = [then]

    def both(*arguments, **named):
        answer = function(*arguments, **named)
        while due:
            due.pop()()
        return answer

    return both


@pytest.mark.parametrize("step", ["scan", "number_members", "contents"])
def test_an_event_that_is_committed_during_a_build_keeps_its_mark(monkeypatch, step):
    arrive(1)
    monkeypatch.setattr(build, step, after(getattr(build, step), lambda: arrive(2)))
    build.build_day(DAY)
    assert (active(), marks.marked_days()) == (1, [DAY])
    build.roll_up()
    assert (active(), Mark.objects.count()) == (2, 0)


def test_an_event_that_is_committed_after_the_marks_are_read_counts_now_and_is_built_again(monkeypatch):
    arrive(1)
    monkeypatch.setattr(build, "quarters_of_day", lambda day: marks.quarters_of_day(day))
    monkeypatch.setattr(build, "_windows", after(build._windows, lambda: arrive(2)))
    build.build_day(DAY)
    assert (active(), marks.marked_days()) == (2, [DAY])


@pytest.fixture
def holding():
    """Runs statements on another connection, which holds their locks until the test ends."""
    database = connections["analytics"]
    other = database.get_new_connection(database.get_connection_params())
    yield other.execute
    other.close()


@pytest.fixture
def impatient(monkeypatch):
    """Whoever waits for a lock gives up at once."""
    database = connections["analytics"]
    monkeypatch.setitem(database.settings_dict["OPTIONS"], "options", "-c lock_timeout=50ms")
    database.close()
    yield
    database.close()


WAITS = pytest.raises(OperationalError, match="lock timeout")
ERASURE = ErasureRequest(kind=SubjectKind.USER, pseudonym=person(1))
SHARED, ALONE = locks.TAKE_SHARED, locks.TAKE


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("lock", "work"),
    [
        ((ALONE, locks.ROLL_UP_BUILD), lambda: build.build_day(DAY)),
        ((ALONE, locks.ROLL_UP_MEMBERS), lambda: build.build_day(DAY)),
        ((SHARED, locks.ROLL_UP_BUILD), lambda: erasing.erase(ERASURE)),
        ((SHARED, locks.ROLL_UP_MEMBERS), lambda: erasing.erase(ERASURE)),
        ((SHARED, locks.ROLL_UP_BUILD), lambda: sealing.seal([DAY])),
        ((SHARED, locks.ROLL_UP_MEMBERS), lambda: sealing.seal([DAY])),
    ],
)
def test_building_erasing_and_sealing_wait_for_each_other(holding, lock, work):
    arrive(1)
    holding(*lock)
    with WAITS:
        work()


@pytest.mark.usefixtures("impatient")
def test_two_builds_go_on_at_once_but_not_of_one_day(holding):
    arrive(1)
    build.build_day(DAY)
    holding(SHARED, locks.ROLL_UP_BUILD)
    build.build_day(DAY)
    holding("SELECT state FROM analytics_rolledday WHERE day = %s FOR UPDATE", [DAY])
    build.build_day(ago(2))
    with WAITS:
        build.build_day(DAY)


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_a_build_that_others_get_in_the_way_of_is_tried_three_times(monkeypatch, state):
    arrive(1)
    failures: list[int] = []

    def fail(cursor, *arguments):
        failures.append(1)
        cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$")

    number_members = build.number_members
    monkeypatch.setattr(
        build, "number_members", lambda *a: (number_members if len(failures) == 2 else fail)(*a)
    )
    assert build.build_day(DAY) == 1
    failures.clear()
    monkeypatch.setattr(build, "number_members", fail)
    with pytest.raises(OperationalError):
        build.build_day(DAY)
    assert len(failures) == 3
    assert RolledDay.objects.get().events == 1
