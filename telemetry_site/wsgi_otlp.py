"""The OTLP port (4318): the OTLP paths and /health, and nothing that a browser could use."""

import os

from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "telemetry_site.settings_otlp"
application = get_wsgi_application()

from ingest import measures  # noqa: E402  (after Django is set up)

measures.note_start()
