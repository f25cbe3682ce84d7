"""Hostile bodies against the decoders and against the whole request path: `python -m benchmarks.fuzz`.

Names and rules are read from the code under test, which needs Django. Only the run over HTTP needs a
database; it starts an instance of its own.
"""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "telemetry_site.settings")
django.setup()
