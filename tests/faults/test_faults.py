"""The most telling faults, briefly: one instance is hurt in turn, and loses nothing.

The long runs, and the other faults, are `python -m benchmarks.faults`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faults.instance import Instance, directory
from tests.support.faults.run import Outcome, run
from tests.support.faults.scenarios import Away, Disconnects, Postgres, Redis, Scenario, Workers

RATE = 3000  # records a second: faults are to be met, not speed


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with directory() as folder:
        running = Instance(folder / "var")
        try:
            yield running
        finally:
            running.stop()


def hurt(instance: Instance, scenario: Scenario, *, kills: int, tmp_path: Path) -> Outcome:
    scenario.pause = 0.2
    outcome = run(scenario, folder=tmp_path, records=500, kills=kills, rate=RATE, instance=instance)
    assert outcome.problems == []
    assert len(outcome.strikes) == kills
    assert outcome.findings.are_right
    assert outcome.findings.acknowledged >= 500
    return outcome


def test_killed_web_workers_lose_nothing(instance: Instance, tmp_path: Path) -> None:
    hurt(instance, Workers(), kills=3, tmp_path=tmp_path)


def test_a_killed_postgres_loses_nothing_and_comes_back(instance: Instance, tmp_path: Path) -> None:
    outcome = hurt(instance, Postgres(), kills=2, tmp_path=tmp_path)
    assert outcome.findings.resent


@pytest.mark.proof
def test_a_killed_redis_is_not_even_noticed(instance: Instance, tmp_path: Path) -> None:
    outcome = hurt(instance, Redis(), kills=1, tmp_path=tmp_path)
    assert set(outcome.outcomes) == {"200", "gRPC OK"}


@pytest.mark.proof
def test_without_a_database_senders_are_asked_to_come_again(instance: Instance, tmp_path: Path) -> None:
    scenario = Away(long_holds=0)
    scenario.hold = 1.5
    outcome = hurt(instance, scenario, kills=2, tmp_path=tmp_path)
    assert outcome.outcomes["503"] >= 4
    assert set(outcome.outcomes) == {"200", "503", "gRPC OK", "gRPC UNAVAILABLE"}
    assert outcome.retry_after


@pytest.mark.proof
def test_senders_that_go_away_leave_no_halves(instance: Instance, tmp_path: Path) -> None:
    outcome = hurt(instance, Disconnects(), kills=1, tmp_path=tmp_path)
    assert outcome.outcomes["broke off in the body"]
    assert outcome.outcomes["broke off before the answer"]
