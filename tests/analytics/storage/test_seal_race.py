"""Requests in flight while a month is dropped: what they write counts, or is refused."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connections
from django.utils import timezone
from pytest_django import Settings

from analytics.models import FeatureUsage
from analytics.partitions import Month
from analytics.reports.active_users import active_users_report
from analytics.reports.sealed_days import last_sealed_day
from analytics.rollups import sealing
from analytics.storage import pruning, seal_border
from analytics.storage.rows import Row
from analytics.storage.store import Storing
from consent.decisions.recording import record_decision
from consent.gate import barrier
from consent.models import Method, State, SubjectKind
from postgres.instants import microseconds
from tests.support.events import feature, filters, months_standing, person
from tests.support.programs import until
from tests.support.second_connection import WAITING
from tests.support.storing import store

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2024, 3, 20, tzinfo=UTC)  # January is dropped
BORDER = date(2024, 2, 1)  # in Tokyo: the last 9 hours of January, and the first 15 of February
IN_FEBRUARY = datetime(2024, 2, 1, 3, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _in_tokyo(transactional_db: None, settings: Settings) -> Iterator[None]:
    settings.REPORT_TIME_ZONE, settings.EVENT_RETENTION_MONTHS, settings.SUPPRESS_BELOW = "Asia/Tokyo", 1, 1
    with months_standing(Month(2024, 1), Month(2024, 3)):
        for user in (1, 2):
            record_decision(
                kind=SubjectKind.USER,
                subject=person(user),
                state=State.GRANTED,
                actor="test",
                method=Method.COMMAND,
                effective_at=timezone.now() - timedelta(days=3000),
            )
        yield


def row(user: int) -> Row:
    return Row(
        table="feature",
        id=uuid.uuid4().bytes,
        timestamp=microseconds(IN_FEBRUARY),
        user=person(user),
        user_id=person(user),
        organization_id="",
        deployment_type="cloud",
        is_internal=False,
        metadata={},
        names=("timer", "started"),
        do_not_track=False,
    )


@contextmanager
def in_a_thread(work) -> Iterator[threading.Thread]:
    def run() -> None:
        work()
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(30)


def somebody_waits() -> bool:
    """Asked on a connection of its own: within a transaction, the answer would never change."""
    with closing(connections["analytics"].copy()) as another, another.cursor() as cursor:
        cursor.execute(WAITING)
        return bool(cursor.fetchone()[0])


def people_on_the_border() -> int:
    asked = filters(NOW.date(), last_sealed_day(), from_="2024-01-25", to="2024-02-10")
    return {day.day: day.total for day in active_users_report(asked).days}[BORDER]


def test_what_was_admitted_before_a_month_is_dropped_is_counted() -> None:
    storing = Storing([row(1)])
    (attempt,) = storing.attempts()
    with attempt:
        admitted = attempt.admit()
        with in_a_thread(lambda: pruning.prune(now=NOW)) as pruner:
            until(lambda: somebody_waits() or not pruner.is_alive(), what="the month goes, or waits")
            attempt.write(admitted)
    assert (storing.receipt.inserted, FeatureUsage.objects.count(), people_on_the_border()) == (1, 1, 1)


def test_what_is_sent_while_a_month_is_dropped_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the moment between the last count and the drop, another connection stores."""
    feature(1, IN_FEBRUARY)
    seal, told = sealing.seal, []

    def seal_and_receive(*arguments: object) -> int:
        sealed = seal(*arguments)
        with in_a_thread(lambda: told.append(store([row(2)]))):
            pass
        return sealed

    monkeypatch.setattr(sealing, "seal", seal_and_receive)
    pruning.prune(now=NOW)
    assert told[0].refused == {"too_old": 1}
    assert (FeatureUsage.objects.count(), people_on_the_border()) == (1, 1)


def test_a_request_that_does_not_end_holds_the_month_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(barrier, "WAIT", "20ms")
    pauses: list[float] = []
    storing = Storing([row(1)])
    (attempt,) = storing.attempts()
    with attempt:
        admitted = attempt.admit()
        with in_a_thread(lambda: pauses.append(len(blocked()))):
            pass
        attempt.write(admitted)
    assert pauses == [pruning.TRIES - 1]
    assert storing.receipt.inserted == 1
    assert seal_border.sealed_until() > IN_FEBRUARY, "what comes later is refused all the same"


def blocked() -> list[float]:
    pauses: list[float] = []
    with pytest.raises(pruning.PruningBlocked):
        pruning.prune(now=NOW, pause=pauses.append)
    return pauses
