"""The receivers without the barrier's lock: the proof must fail for them.

`tests.support.withdrawal.unlocked:application` for granian; `python -m tests.support.withdrawal.unlocked
serve_grpc …` for gRPC. Nothing else imports this.
"""

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "telemetry_site.settings")

from consent.gate import barrier
from postgres.pipeline import Statement

# The same statement in the same place, except that it takes no lock.
barrier.TAKE_SHARED = Statement("SELECT $1 + bucket FROM unnest($2) AS bucket", "int4", "int4[]")

if __name__ == "__main__":
    from django.core.management import execute_from_command_line

    execute_from_command_line(["manage.py", *sys.argv[1:]])
else:
    from telemetry_site.server.rsgi_otlp import application  # noqa: F401  (for granian)
