"""The whole site for granian: pages, admin, APIs, OTLP over HTTP."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "telemetry_site.settings")
site = get_wsgi_application()

from ingest import measures  # noqa: E402  (after Django is set up)
from telemetry_site.front import Port  # noqa: E402

application = Port(site)
measures.note_start()
