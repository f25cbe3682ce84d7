"""The whole site for a WSGI server: pages, admin, APIs, OTLP over HTTP."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "telemetry_site.settings")
application = get_wsgi_application()

from ingest.traffic import prometheus  # noqa: E402  (after Django is set up)

prometheus.note_start()
