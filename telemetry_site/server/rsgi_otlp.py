"""The OTLP port (4318) for granian: OTLP and /health, and no pages."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "telemetry_site.settings")
django.setup()

from ingest.traffic import prometheus  # noqa: E402  (after Django is set up)
from telemetry_site.server.ports import Port  # noqa: E402

application = Port()
prometheus.note_start()
