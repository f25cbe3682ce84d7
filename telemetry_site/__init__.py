"""Settings, addresses and servers: what makes the apps one site.

The Celery app is imported here so that `shared_task` finds it in every process.
"""

from telemetry_site.celery import app as celery_app

__all__ = ["celery_app"]
