"""The Celery app, and the timetable of every job.

Each task works out from the data what is due, so a missed beat costs nothing and a second run
changes nothing. That is why beat needs no schedule file: it starts afresh, and what was missed
while it was away its first tick sends (`analytics/jobs/status.py`), for each run has left a row.

The settings are read when a process first asks for the configuration, never at import: the
embedded default sets the environment after this package is imported.
"""

import os
from datetime import timedelta
from typing import Any, NamedTuple

from celery import Celery
from celery.schedules import crontab
from celery.signals import worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "telemetry_site.settings")

app = Celery("telemetry_site")
app.set_default()  # in every thread
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


class Entry(NamedTuple):
    """One line of the timetable; `name` is the job's in its rows.

    A task not begun within `stale_after` is dropped: the next one will do. With `at_start` it also
    runs when a worker starts, whenever it ran last: the settings may be others now.
    """

    name: str
    when: crontab | timedelta
    task: str
    stale_after: timedelta
    at_start: bool = False


def timetable() -> list[Entry]:
    """Every job: its name, when it runs (UTC), what runs, how long it may wait for a worker."""
    from django.conf import settings

    minute, hour = timedelta(minutes=1), timedelta(hours=1)
    often = timedelta(seconds=20)
    interval = timedelta(seconds=settings.HEARTBEAT_INTERVAL_SECONDS)
    from_analytics_hour = crontab(minute="5,35", hour=f"{settings.ANALYTICS_HOUR_UTC}-23")
    table = [
        Entry("beat", crontab(), "analytics.tasks.tick", minute, at_start=True),
        Entry("partitions", crontab(minute=10), "analytics.tasks.make_partitions", hour, at_start=True),
        Entry("prune", crontab(minute=30), "analytics.tasks.prune", hour, at_start=True),
        Entry("erasure", crontab(), "analytics.tasks.erase", minute, at_start=True),
        Entry("roll-ups", often, "analytics.tasks.roll_up", often),
        Entry("roll up traffic counts", crontab(minute=20), "ingest.tasks.roll_up_counts", hour),
        Entry("prune traffic counts", crontab(minute=40, hour=4), "ingest.tasks.prune_counts", hour),
    ]
    if settings.HEARTBEAT_ENDPOINT:
        # "From 03:00 on": the heartbeat goes out once a day, at a minute of its own after three.
        table += [
            Entry("first seen", crontab(minute=50), "analytics.tasks.send_first_seen", hour),
            Entry("heartbeat", crontab(minute="*/10", hour="3-23"), "analytics.tasks.send_heartbeat", hour),
            Entry("metrics", interval, "analytics.tasks.send_metrics", interval),
            Entry("daily analytics", from_analytics_hour, "analytics.tasks.send_daily_analytics", hour),
        ]
    return table


@app.on_after_configure.connect
def give_beat_the_timetable(sender: Celery, source: Any, **kwargs: Any) -> None:
    # Not celery's default scheduler: its file is left unreadable by a SIGKILL, and nothing here needs it.
    source.beat_scheduler = "celery.beat:Scheduler"
    source.beat_schedule = {
        entry.name: {
            "task": entry.task,
            "schedule": entry.when,
            "options": {"expires": entry.stale_after.total_seconds()},
        }
        for entry in timetable()
    }


@worker_ready.connect
def begin(sender: Any, **kwargs: Any) -> None:
    """What runs at start goes out when a worker is ready for it."""
    for entry in timetable():
        if entry.at_start:
            app.send_task(entry.task, expires=entry.stale_after.total_seconds())
