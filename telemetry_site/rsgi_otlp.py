"""The OTLP port (4318) for granian: OTLP and /health, and nothing that a browser could use."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "telemetry_site.settings")
django.setup()

from ingest import measures  # noqa: E402  (after Django is set up)
from telemetry_site.front import Port  # noqa: E402

application = Port()
measures.note_start()
