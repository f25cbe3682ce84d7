"""`@job`: a function becomes the task of a job in the timetable, or a check says what does not fit."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from celery import current_app
from django.core.checks import CheckMessage
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules

from analytics.jobs import decorator, runs, timetable
from analytics.jobs.timetable import HOUR, MINUTE, Job, Rest, all_jobs
from analytics.models import JobRun
from telemetry_site import checks

LONG = Rest(9, at_most=6 * HOUR)


def work() -> str:
    return "Swept."


@pytest.fixture
def sweep(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One more line in the timetable."""
    autodiscover_modules("tasks")
    current_app.finalize()
    table = [*all_jobs(), Job("sweep", MINUTE, MINUTE, 2 * MINUTE, rest=LONG)]
    for module in (decorator, timetable):
        monkeypatch.setattr(module, "all_jobs", lambda: table)
    monkeypatch.setattr(decorator, "_tasks", dict(decorator._tasks))
    yield
    current_app.tasks.pop(f"{__name__}.work", None)


def messages() -> list[CheckMessage]:
    return [message for message in checks.candid(None) if message.id == "candid.E028"]


@pytest.mark.usefixtures("sweep")
def test_a_job_without_a_task_is_named_at_start_with_where_to_add_it() -> None:
    (message,) = messages()
    assert "“sweep”" in message.msg
    assert "@job('sweep')" in message.hint
    decorator.job("sweep")(work)
    assert messages() == []


def test_a_task_without_a_job_is_named_at_start_with_where_to_add_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checks, "autodiscover_modules", lambda name: decorator.job("polish")(work))
    (message,) = messages()
    assert "“polish”: add a line for it to analytics/jobs/timetable.py" in message.msg


@pytest.mark.usefixtures("sweep")
def test_a_job_has_one_task() -> None:
    decorator.job("sweep")(work)
    with pytest.raises(ValueError, match=r"has two tasks: .*\.work and .*\.messages"):
        decorator.job("sweep")(messages)


@pytest.mark.usefixtures("sweep")
def test_a_task_has_its_functions_name_and_its_jobs_limit() -> None:
    task = decorator.job("sweep", never_retry=(KeyError,))(work)
    assert task.name == decorator.task_of("sweep") == "tests.analytics.jobs.test_decorator.work"
    assert (task.soft_time_limit, task.time_limit) == (120, 150)
    assert (task.dont_autoretry_for, task.retry_backoff_max) == ((KeyError,), 600)


@pytest.mark.django_db
@pytest.mark.usefixtures("sweep")
@pytest.mark.parametrize(("minutes", "outcome"), [(8, ""), (10, "Swept.")])
def test_a_task_runs_its_job_after_its_rest(minutes: int, outcome: str) -> None:
    ended = timezone.now() - timedelta(minutes=minutes)
    JobRun.objects.create(
        job="sweep", started_at=ended - MINUTE, ended_at=ended, outcome="done", summary="Swept before."
    )
    assert decorator.job("sweep")(work)() == outcome
    assert runs.latest_runs()["sweep"].summary == (outcome or runs.NOTHING_DUE)
