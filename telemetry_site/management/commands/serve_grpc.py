"""`manage.py serve_grpc`: OTLP over gRPC in one process. `up` or a service manager starts it."""

import asyncio
import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

THREADS = 4  # each holds a connection to both databases


class Command(BaseCommand):
    help = "Serves OTLP/gRPC and grpc.health.v1 until SIGTERM. TLS is left to a proxy."
    requires_system_checks = []  # the keys are checked at every start (telemetry_site/apps.py)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="Address to listen on (127.0.0.1).")
        parser.add_argument("--port", type=int, default=4317, help="OTLP/gRPC port (4317).")
        parser.add_argument("--threads", type=int, default=THREADS, help=f"Exports at a time ({THREADS}).")
        parser.add_argument(
            "--reuse-port", action="store_true", help="Let several of these processes share the port."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its log may quote what was sent
        from ingest.grpc import server

        host = f"[{options['host']}]" if ":" in options["host"] else options["host"]

        def announce(port: int) -> None:
            if options["verbosity"]:
                self.stdout.write(f"Serving OTLP/gRPC on {host}:{port}")

        try:
            asyncio.run(
                server.serve(
                    f"{host}:{options['port']}",
                    threads=options["threads"],
                    reuse_port=options["reuse_port"],
                    announce=announce,
                )
            )
        except server.CannotListen as error:
            raise CommandError(str(error)) from error
