"""The Celery app. It gives beat the timetable (`analytics/jobs/timetable.py`).

Beat needs no schedule file. Each run of a job leaves a row, so the first tick after a start knows what
was missed, and sends it (`analytics/jobs/status.py`).

The settings are read when a process first asks for the configuration, never at import: the embedded
servers' addresses are put into the environment after this package is imported.
"""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_ready
from django.utils.module_loading import autodiscover_modules

from analytics.jobs.timetable import Job, timetable

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "telemetry_site.settings")

app = Celery("telemetry_site")
app.set_default()  # in every thread
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_after_configure.connect
def keep_no_schedule_file(sender: Celery, source: Any, **kwargs: Any) -> None:
    # Not Celery's default scheduler: SIGKILL can leave its file unreadable, and we do not need one.
    source.beat_scheduler = "celery.beat:Scheduler"


@app.on_after_finalize.connect
def give_beat_the_timetable(sender: Celery, **kwargs: Any) -> None:
    autodiscover_modules("tasks")  # which binds them to their jobs
    sender.conf.beat_schedule = {job.name: _entry(job) for job in timetable()}


def _entry(job: Job) -> dict[str, Any]:
    from analytics.jobs.decorator import task_of

    options = {"expires": job.may_wait.total_seconds()}
    return {"task": task_of(job.name), "schedule": job.when, "options": options}


@worker_ready.connect
def begin(sender: Any, **kwargs: Any) -> None:
    """Send the jobs that run at start, once a worker is ready for them."""
    for job in timetable():
        if job.at_start:
            app.send_task(_entry(job)["task"], **_entry(job)["options"])
