"""`@job(NAME)`: makes a function the Celery task of a job in the timetable.

The function returns a sentence that says what it did, or '' when nothing was due. Its Celery name is
that of the function (`analytics.tasks.prune`). A failed run is retried up to six times, after random pauses
of at most 10, 20, 40 … seconds, so that a fleet that lost the same server does not return all at once.
"""

from collections.abc import Callable
from functools import wraps

from celery import shared_task
from django.utils import timezone

from analytics.jobs import runs
from analytics.jobs.timetable import Job, all_jobs, find_job

HARD_LIMIT_AFTER = 30  # seconds that a task has to end by itself after its time limit
Work = Callable[[], str]

_tasks: dict[str, str] = {}  # the Celery name of each job's task


def job(
    name: str, *, never_retry: tuple[type[Exception], ...] = (), has_row: bool = True
) -> Callable[[Work], Work]:
    """Bind the function to this job. Raises `UnknownJob`.

    Runs are one at a time, begin after the job's rest, and leave a `JobRun` row. With `has_row=False` there
    is none of this: the function sees to its row itself. `never_retry`: errors that a retry would repeat.
    """
    entry = find_job(name)
    limit = int(entry.time_limit.total_seconds())

    def decorate(work: Work) -> Work:
        task_name = f"{work.__module__}.{work.__name__}"
        if _tasks.setdefault(name, task_name) != task_name:
            raise ValueError(f"The job “{name}” has two tasks: {_tasks[name]} and {task_name}.")
        task: Work = shared_task(
            name=task_name,
            autoretry_for=(Exception,),
            dont_autoretry_for=never_retry,
            max_retries=6,
            retry_backoff=10,
            retry_backoff_max=600,
            retry_jitter=True,
            soft_time_limit=limit,
            time_limit=limit + HARD_LIMIT_AFTER,
        )(_as_run(entry, work) if has_row else work)
        return task

    return decorate


def task_of(name: str) -> str:
    """The Celery name of a job's task, once the apps' `tasks.py` are imported."""
    return _tasks[name]


def jobs_without_task() -> list[str]:
    """The jobs that no imported `tasks.py` has a function for."""
    return [entry.name for entry in all_jobs() if entry.name not in _tasks]


def _as_run(entry: Job, work: Work) -> Work:
    @wraps(work)
    def run() -> str:
        return runs.run_job(entry.name, lambda: work() if _has_rested(entry) else "").summary

    return run


def _has_rested(entry: Job) -> bool:
    return entry.rest is None or runs.has_rested(entry.name, timezone.now(), entry.rest)
