"""PostgreSQL and Redis for a benchmark that runs Django in its own process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from telemetry_site import embedded


@contextmanager
def servers(data_dir: Path, *, with_redis: bool = True) -> Iterator[None]:
    """Start durable servers with every table, and set up Django. Child processes use them, too."""
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
