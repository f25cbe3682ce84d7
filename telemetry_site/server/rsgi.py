"""The whole site for granian: pages, admin, APIs, OTLP over HTTP."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "telemetry_site.settings")
site = get_wsgi_application()

from ingest.traffic import prometheus  # noqa: E402  (after Django is set up)
from telemetry_site.server.ports import Port  # noqa: E402

application = Port(site)
prometheus.note_start()
