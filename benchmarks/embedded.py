"""PostgreSQL and Redis for a benchmark that runs Django in its own process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from telemetry_site import embedded
from telemetry_site.embedded import SUPERUSER


def checkpoint(connection: psycopg.Connection) -> None:
    """Of the server that this connection is to. The roles that Candid works with may not."""
    where = connection.info
    with psycopg.connect(
        host=where.host, port=where.port, dbname=where.dbname, user=SUPERUSER, autocommit=True
    ) as superuser:
        superuser.execute("CHECKPOINT")


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
