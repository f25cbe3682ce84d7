"""How each job stands against the timetable, and what the tick sends again."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from celery import current_app
from celery.schedules import crontab

from analytics.jobs import decorator, runs, status
from analytics.jobs.timetable import Job
from analytics.models import JobRun

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, float]]]:
    """Two jobs, at 4:40 and every 90 minutes; and what is sent to the queue, with its expiry."""
    table = [
        Job("sweep", crontab(minute=40, hour=4), HOUR, HOUR),
        Job("wash", timedelta(minutes=90), HOUR, HOUR),
    ]
    monkeypatch.setattr(status, "timetable", lambda: table)
    monkeypatch.setattr(decorator, "_tasks", {"sweep": "a.sweep", "wash": "a.wash"})
    messages: list[tuple[str, float]] = []
    monkeypatch.setattr(current_app, "send_task", lambda task, expires: messages.append((task, expires)))
    return messages


def ran(job: str, at: datetime, outcome: str = "done", summary: str = "Done.") -> None:
    ended = None if outcome == "running" else at + timedelta(seconds=3)
    JobRun.objects.create(job=job, started_at=at, ended_at=ended, outcome=outcome, summary=summary)


def sweep(now: datetime = NOON) -> status.JobState:
    return status.states(now)[0]


def test_a_job_that_never_ran_is_new() -> None:
    assert (sweep().standing, sweep().run) == ("new", None)
    assert sweep().next_at == datetime(2026, 3, 2, 4, 40, tzinfo=UTC)


def test_a_job_that_ran_in_its_time_is_done() -> None:
    ran("sweep", NOON.replace(hour=4, minute=40), summary="Swept.")
    assert (sweep().standing, sweep().sentence, sweep().took) == ("done", "Swept.", timedelta(seconds=3))
    assert sweep().next_at == datetime(2026, 3, 2, 4, 40, tzinfo=UTC)


def test_a_run_by_hand_does_not_stand_for_a_later_one() -> None:
    ran("sweep", NOON.replace(hour=4, minute=39))
    assert sweep().standing == "late"
    ran("sweep", NOON.replace(hour=4, minute=41))
    assert sweep().standing == "done"


def test_failed_and_late_are_bad_and_nothing_else() -> None:
    bad = {
        one
        for one in status.JobStanding
        if status.JobState("sweep", one, run=None, sentence="", next_at=NOON).is_bad
    }
    assert bad == {"failed", "late"}


@pytest.mark.parametrize(("minutes", "standing"), [(0, "done"), (3, "done"), (3.01, "late")])
def test_a_job_is_late_three_minutes_after_its_time(minutes: float, standing: str) -> None:
    ran("sweep", datetime(2026, 2, 28, 4, 40, tzinfo=UTC))
    state = sweep(datetime(2026, 3, 1, 4, 40, tzinfo=UTC) + minutes * MINUTE)
    assert state.standing == standing
    if standing == "late":
        assert state.sentence.startswith("It was due at 2026-03-01 04:40 UTC and did not begin")


def test_a_job_that_runs_for_long_is_not_late() -> None:
    ran("sweep", NOON - timedelta(days=2), outcome="running")
    assert sweep().standing == "running"


def test_a_failed_run_is_told_until_one_ends_well() -> None:
    ran("sweep", NOON - 3 * HOUR, outcome="failed", summary="The broom is broken.")
    ran("sweep", NOON - 2 * HOUR, outcome="skipped")
    ran("sweep", NOON - HOUR, outcome="running")
    assert (sweep().standing, sweep().sentence) == ("failed", "The broom is broken.")
    ran("sweep", NOON - HOUR / 2)
    assert sweep().standing == "done"


def test_jobs_that_are_no_longer_in_the_timetable_are_left_out() -> None:
    ran("polish", NOON, outcome="failed")
    assert [state.job for state in status.states(NOON)] == ["sweep", "wash"]


def test_an_interval_is_counted_from_the_last_run() -> None:
    ran("wash", NOON - HOUR)
    assert status.states(NOON)[1].next_at == NOON + HOUR / 2


def test_the_tick_sends_what_was_missed_and_lets_the_next_tick_try_again(
    sent: list[tuple[str, float]],
) -> None:
    ran("sweep", NOON - timedelta(days=3))
    ran("wash", NOON - HOUR)
    status.tick(now=NOON)
    assert sent == [("a.sweep", 60)]
    assert runs.last_beat() == NOON
    status.tick(now=NOON + MINUTE)
    assert sent == [("a.sweep", 60)] * 2
    ran("sweep", NOON + MINUTE)
    status.tick(now=NOON + 2 * MINUTE)
    assert len(sent) == 2


@pytest.mark.parametrize(("seconds", "tasks"), [(30, []), (31, ["a.sweep"])])
def test_the_tick_gives_beat_half_a_minute(
    sent: list[tuple[str, float]], seconds: int, tasks: list[str]
) -> None:
    due = datetime(2026, 3, 1, 4, 40, tzinfo=UTC)
    ran("sweep", due - timedelta(days=1))
    ran("wash", due)
    status.tick(now=due + timedelta(seconds=seconds))
    assert [task for task, _ in sent] == tasks


def test_the_tick_sends_what_never_ran(sent: list[tuple[str, float]]) -> None:
    status.tick(now=NOON)
    assert [task for task, _ in sent] == ["a.sweep", "a.wash"]


def test_the_tick_leaves_alone_what_runs_or_has_just_been_sent_by_beat(sent: list[tuple[str, float]]) -> None:
    ran("sweep", datetime(2026, 2, 28, 4, 40, tzinfo=UTC))
    ran("wash", NOON)
    status.tick(now=datetime(2026, 3, 1, 4, 40, 20, tzinfo=UTC))
    assert sent == []
    ran("sweep", datetime(2026, 3, 1, 4, 39, tzinfo=UTC), outcome="running")
    with runs._only_one("sweep"):
        status.tick(now=NOON + HOUR)
    assert sent == []


def test_the_tick_accounts_for_killed_runs_and_sends_them_again(sent: list[tuple[str, float]]) -> None:
    ran("sweep", NOON - timedelta(days=1), outcome="running", summary="")
    ran("wash", NOON)
    status.tick(now=NOON)
    assert sent == [("a.sweep", 60)]
    assert sweep().sentence == "Its process ended before it did."
