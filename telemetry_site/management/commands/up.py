"""`manage.py up`: starts all of Candid in the foreground, under one supervisor."""

import contextlib
import os
import platform
import sys
from typing import Any, NamedTuple

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, connections
from django.db.migrations.loader import MigrationLoader
from kombu.exceptions import OperationalError as KombuError

from analytics.rollups import zone_change
from consent.api.links import ADDRESS_FILE
from telemetry_site import demo, embedded, metrics
from telemetry_site.celery import app
from telemetry_site.server import probes, programs
from telemetry_site.server.output import Output
from telemetry_site.server.supervisor import Supervisor

OUR_APPS = {"telemetry_site", "dashboards", "ingest", "analytics", "consent"}


class Command(BaseCommand):
    help = (
        "Prepares the databases, then runs web, OTLP (HTTP, gRPC), the Celery worker and beat until Ctrl-C. "
        "Without DATABASE_URL it brings its own PostgreSQL and Redis."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="Address to listen on (127.0.0.1).")
        parser.add_argument("--port", type=int, default=8000, help="Web port (8000).")
        parser.add_argument("--otlp-port", type=int, default=4318, help="OTLP/HTTP port (4318).")
        parser.add_argument("--grpc-port", type=int, default=4317, help="OTLP/gRPC port (4317).")
        parser.add_argument("--data-dir", help="Where the embedded servers keep their data (var).")
        parser.add_argument("--demo", action="store_true", help="Fill in demo data and a demo sign-in, once.")
        workers = min(os.cpu_count() or 1, 4)
        parser.add_argument("--workers", type=int, default=workers, help=f"Processes per port ({workers}).")

    def handle(self, *args: Any, **options: Any) -> None:
        check_options(options)
        output = Output(["web", "otlp", "grpc", "worker", "beat", "up"])
        servers = embedded.start(settings.DATA_DIR) if settings.EMBEDDED else None
        try:
            try:
                prepare_databases(output)
            except OperationalError as error:
                raise CommandError(f"A database does not answer: {error}") from error
            greeting = prepare_demo(output) if options["demo"] else []
            code = supervise(options, output, greeting, servers)
        finally:
            if servers:
                servers.stop()
        if code:
            sys.exit(code)


def check_options(options: dict[str, Any]) -> None:
    """Refuse options that cannot work, before anything is started. Raises `CommandError`."""
    if options["demo"] and not settings.EMBEDDED:
        raise CommandError("--demo works with the embedded servers only: it would write to your databases.")
    if options["workers"] < 1:
        raise CommandError("--workers must be 1 or more.")
    ports = {f"--{name.replace('_', '-')}": options[name] for name in ("port", "otlp_port", "grpc_port")}
    for port in set(ports.values()):
        same = [option for option, number in ports.items() if number == port]
        if len(same) > 1:
            raise CommandError(f"{' and '.join(same)} are both {port}: choose different ports.")
    for option, port in ports.items():
        if problem := probes.port_problem(options["host"], port):
            raise CommandError(f"Port {port} ({option}) {problem}; choose another one with {option}.")


def prepare_databases(output: Output) -> None:
    """Migrate both databases, unless a newer version of Candid already has: its tables would not fit."""
    for alias in connections:
        loader = MigrationLoader(connections[alias])
        replaced = {key for migration in loader.disk_migrations.values() for key in migration.replaces}
        applied = {key for key in loader.applied_migrations if key[0] in OUR_APPS}
        if unknown := sorted(applied - set(loader.disk_migrations) - replaced):
            raise CommandError(
                f"The database {alias} was migrated by a newer version of Candid "
                f"({unknown[-1][0]} {unknown[-1][1]}): use that version, or another database or --data-dir."
            )
    output.line("up", "preparing the databases")
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    call_command("migrate", verbosity=0, interactive=False)
    if rebuild := zone_change.rebuild_needed():
        output.line("up", rebuild)


def prepare_demo(output: Output) -> list[str]:
    """Make demo data and a sign-in; returns what to print when everything is up."""
    if demo.seed_once(settings.DATA_DIR):
        output.line("up", "demo data is in place")
    password = demo.sign_in(settings.DATA_DIR)
    return [f"Demo sign-in: {demo.NAME} / {password or '(the password that was set for it)'}"]


def supervise(
    options: dict[str, Any], output: Output, greeting: list[str], servers: embedded.Servers | None
) -> int:
    """Run the programs until a signal. Returns the exit code."""
    addresses = Addresses.of(options)
    node = f"up-{options['port']}@{platform.node() or 'localhost'}"

    noted_address = settings.DATA_DIR / ADDRESS_FILE

    def announce() -> None:
        connections.close_all()
        with contextlib.suppress(OSError):  # for `manage.py consent_link`, which can do without
            noted_address.write_text(f"{addresses.web}\n")
        output.plain("\n".join([addresses.for_senders(), *greeting, f"Candid is ready: {addresses.web}"]))

    def watch() -> None:
        try:
            if servers and servers.ensure():
                output.line("up", "an embedded server had ended and was started again")
        except embedded.EmbeddedError as error:
            output.line("up", str(error))

    programs.raise_open_files_limit()
    with contextlib.ExitStack() as stack, metrics.directory(settings.DATA_DIR) as directory:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)  # for the programs
        stack.callback(noted_address.unlink, missing_ok=True)
        return Supervisor(
            programs.all_programs(options, node, servers),
            output,
            directory=settings.BASE_DIR,
            missing=lambda: what_is_missing(addresses, options["grpc_port"], node),
            announce=announce,
            watch=watch,
        ).run()


def what_is_missing(addresses: "Addresses", grpc_port: int, node: str) -> str:
    """The name of a program that does not answer yet, '' when all do."""
    for name, address in (("web", addresses.web), ("otlp", addresses.otlp)):
        if not probes.answers(f"{address}/health"):
            return name
    if not probes.speaks_http2(addresses.host.strip("[]"), grpc_port):
        return "grpc"
    with contextlib.suppress(KombuError):
        if app.control.ping(destination=[node], timeout=0.5, limit=1):
            return ""
    return "worker"


class Addresses(NamedTuple):
    """Where the programs answer, as seen from this machine."""

    host: str
    web: str
    otlp: str
    grpc: str

    @classmethod
    def of(cls, options: dict[str, Any]) -> "Addresses":
        host = f"[{options['host']}]" if ":" in options["host"] else options["host"]
        host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104
        ports = (options[name] for name in ("port", "otlp_port", "grpc_port"))
        return cls(host, *(f"http://{host}:{port}" for port in ports))

    def for_senders(self) -> str:
        return f"Send OTLP to {self.otlp}, over gRPC to {self.grpc}"
