"""`manage.py up`: the whole of Candid in the foreground, under one supervisor."""

import contextlib
import errno
import os
import platform
import resource
import socket
import sys
import urllib.error
import urllib.request
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, connections
from django.db.migrations.loader import MigrationLoader
from kombu.exceptions import OperationalError as KombuError

from analytics.rollups import zone_change
from telemetry_site import demo, embedded, metrics
from telemetry_site.celery import app
from telemetry_site.server.supervisor import Output, Program, Supervisor

CONNECTIONS = 4096  # open at once, per worker
HEADERS_WITHIN = 30_000  # ms; also how long an idle connection is kept
STOP_WITHIN = 8  # seconds for requests under way when a stop is asked for
# Three jobs may take long (roll-ups, erasure, pruning); the short ones need a place beside them.
WORKER_OPTIONS = ("--concurrency=4", "--without-gossip", "--without-mingle")  # no news of other workers
CELERY_ENVIRONMENT = {"PYTHONWARNINGS": "ignore:You're running the worker with superuser"}
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
        held = embedded.start(settings.DATA_DIR) if settings.EMBEDDED else None
        try:
            try:
                prepare_databases(output)
            except OperationalError as error:
                raise CommandError(f"A database does not answer: {error}") from error
            greeting = prepare_demo(output) if options["demo"] else []
            code = supervise(options, output, greeting, held)
        finally:
            if held:
                held.stop()
        if code:
            sys.exit(code)


def check_options(options: dict[str, Any]) -> None:
    """Refuse what cannot work before anything is started."""
    if options["demo"] and not settings.EMBEDDED:
        raise CommandError("--demo works with the embedded servers only: it would write to your databases.")
    if options["workers"] < 1:
        raise CommandError("--workers needs a number from 1.")
    ports = {f"--{name.replace('_', '-')}": options[name] for name in ("port", "otlp_port", "grpc_port")}
    for port in set(ports.values()):
        same = [option for option, number in ports.items() if number == port]
        if len(same) > 1:
            raise CommandError(f"{' and '.join(same)} are both {port}: choose different ports.")
    for option, port in ports.items():
        if problem := port_problem(options["host"], port):
            raise CommandError(f"Port {port} ({option}) {problem}; choose another one with {option}.")


def port_problem(host: str, port: int) -> str:
    """Why this port cannot be listened on, '' when it can."""
    if not 0 < port < 65536:
        return "is no port number"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        reasons = {
            errno.EADDRINUSE: "is already in use by another program",
            errno.EACCES: "may not be used without root's rights",
        }
        return reasons.get(error.errno or 0, f"cannot be listened on at {host} ({error.strerror})")
    return ""


def prepare_databases(output: Output) -> None:
    """Migrate both, unless a newer version has been here: its tables are not ours to use."""
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
    """Demo data and sign-in; what to print when everything is up."""
    if demo.seed_once(settings.DATA_DIR):
        output.line("up", "demo data is in place")
    password = demo.sign_in(settings.DATA_DIR)
    return [f"Demo sign-in: {demo.NAME} / {password or '(the password that was set for it)'}"]


def supervise(
    options: dict[str, Any], output: Output, greeting: list[str], held: embedded.Servers | None
) -> int:
    """Run the programs until a signal; the exit code."""
    host = f"[{options['host']}]" if ":" in options["host"] else options["host"]
    reachable = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104
    web, otlp = (f"http://{reachable}:{options[name]}" for name in ("port", "otlp_port"))
    grpc = f"http://{reachable}:{options['grpc_port']}"
    node = f"up-{options['port']}@{platform.node() or 'localhost'}"

    def missing() -> str:
        for name, address in (("web", web), ("otlp", otlp)):
            if not answers(f"{address}/health"):
                return name
        if not speaks_http2(reachable.strip("[]"), options["grpc_port"]):
            return "grpc"
        with contextlib.suppress(KombuError):
            if app.control.ping(destination=[node], timeout=0.5, limit=1):
                return ""
        return "worker"

    def announce() -> None:
        connections.close_all()
        output.plain(
            "\n".join([f"Send OTLP to {otlp}, over gRPC to {grpc}", *greeting, f"Candid is ready: {web}"])
        )

    def watch() -> None:
        try:
            if held and held.ensure():
                output.line("up", "an embedded server had ended and was started again")
        except embedded.EmbeddedError as error:
            output.line("up", str(error))

    programs = [
        Program("web", granian("telemetry_site.server.rsgi:application", options, options["port"])),
        Program(
            "otlp", granian("telemetry_site.server.rsgi_otlp:application", options, options["otlp_port"])
        ),
        *(Program("grpc", serve_grpc(options)) for _ in range(grpc_processes(options))),
        # What receives is up first and down last: senders give up after some seconds without it.
        Program(
            "worker", celery("worker", f"--hostname={node}", *WORKER_OPTIONS), CELERY_ENVIRONMENT, waits=True
        ),
        Program("beat", celery("beat", "--pidfile="), CELERY_ENVIRONMENT, waits=True),
    ]
    open_files()
    with metrics.directory(settings.DATA_DIR) as figures:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(figures)  # for the programs
        return Supervisor(
            programs, output, directory=settings.BASE_DIR, missing=missing, announce=announce, watch=watch
        ).run()


def open_files() -> None:
    """Let the programs open as many files as they may have connections, where the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + 1024
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def granian(target: str, options: dict[str, Any], port: int) -> list[str]:
    # HTTP/1 only: without TLS nobody speaks HTTP/2, and granian's guessing waits for a first byte without
    # end. Its backpressure counts connections, idle ones too, not requests: `ingest` bounds those.
    # fmt: off
    return [
        sys.executable, "-m", "granian", "--interface", "rsgi", "--http", "1",
        "--host", options["host"], "--port", str(port), "--workers", str(options["workers"]),
        "--backlog", "2048", "--backpressure", str(CONNECTIONS), "--no-ws",
        "--http1-header-read-timeout", str(HEADERS_WITHIN), "--workers-kill-timeout", str(STOP_WITHIN),
        "--respawn-failed-workers", "--respawn-interval", "0.5", "--log-level", "warning", target,
    ]
    # fmt: on


def grpc_processes(options: dict[str, Any]) -> int:
    """Half as many as workers: on two processors that also held the database, one was faster than two."""
    return max(1, int(options["workers"]) // 2)


def serve_grpc(options: dict[str, Any]) -> list[str]:
    # Processes that share a port, not forks: grpcio's threads do not survive one.
    sharing = ["--reuse-port"] if grpc_processes(options) > 1 else []
    # fmt: off
    return [
        sys.executable, str(settings.BASE_DIR / "manage.py"), "serve_grpc", "--verbosity", "0",
        "--host", options["host"], "--port", str(options["grpc_port"]), *sharing,
    ]
    # fmt: on


def celery(*arguments: str) -> list[str]:
    command, *options = arguments
    return [
        sys.executable,
        "-m",
        "celery",
        "--app=telemetry_site",
        "--quiet",
        "--no-color",
        command,
        *options,
    ]


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as response:  # noqa: S310  (our own address)
            return bool(response.status == 200)
    except urllib.error.HTTPError:
        return True  # it answers, if not to this host name (ALLOWED_HOSTS)
    except OSError:
        return False


def speaks_http2(host: str, port: int) -> bool:
    """Whether a gRPC server answers; without gRPC, whose threads must not be in a process that forks."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"  # and empty SETTINGS
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            connection.sendall(preface)
            return connection.recv(4)[3:] == b"\4"  # its own SETTINGS
    except OSError:
        return False
