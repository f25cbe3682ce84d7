"""PostgreSQL and Redis of a benchmark's own, for one that works in Django itself."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from telemetry_site import embedded


@contextmanager
def servers(data_dir: Path, *, with_redis: bool = True) -> Iterator[None]:
    """Durable ones, with every table; Django is set up, and processes started from here use them too."""
    held = embedded.start(data_dir.absolute(), with_redis=with_redis)
    os.environ.update(held.environment() | {"DJANGO_SETTINGS_MODULE": "telemetry_site.settings"})
    try:
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0, interactive=False)
        yield
    finally:
        held.stop()
