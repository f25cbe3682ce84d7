"""Hostile bodies against the decoders and against the whole request path: `python -m benchmarks.fuzz`.

Names and rules are read from the code under test, which needs Django; nothing here needs a database
but the run over HTTP, which starts an instance of its own.
"""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "telemetry_site.settings")
django.setup()
