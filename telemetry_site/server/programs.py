"""The programs that `manage.py up` runs: web, OTLP over HTTP and gRPC, the Celery worker and beat."""

import resource
import sys
from typing import Any

from django.conf import settings

from telemetry_site import embedded
from telemetry_site.server.supervisor import Program

CONNECTIONS = 4096  # open at once, per worker
HEADERS_WITHIN = 30_000  # ms; also how long an idle connection is kept
STOP_WITHIN = 8  # seconds for requests under way when a stop is asked for
# Three jobs may take long (roll-ups, erasure, pruning); one place is left for the short ones.
WORKER_OPTIONS = ("--concurrency=4", "--without-gossip", "--without-mingle")  # it ignores other workers
CELERY_ENVIRONMENT = {"PYTHONWARNINGS": "ignore:You're running the worker with superuser"}


def all_programs(options: dict[str, Any], node: str, servers: embedded.Servers | None) -> list[Program]:
    """In the order in which they start. `node` is the worker's name.

    The receivers start first and stop last: without them, senders give up after some seconds. With the
    embedded `servers`, what strangers reach works with roles that may do little (`embedded/roles.py`).
    """
    web = granian("telemetry_site.server.rsgi:application", options, options["port"])
    otlp = granian("telemetry_site.server.rsgi_otlp:application", options, options["otlp_port"])
    worker = celery("worker", f"--hostname={node}", *WORKER_OPTIONS)
    of_web, of_ingest = (
        servers.databases(role) if servers else {} for role in (embedded.WEB, embedded.INGEST)
    )
    return [
        Program("web", web, of_web),
        Program("otlp", otlp, of_ingest),
        *(Program("grpc", serve_grpc(options), of_ingest) for _ in range(grpc_processes(options))),
        Program("worker", worker, CELERY_ENVIRONMENT, waits=True),
        Program("beat", celery("beat", "--pidfile="), CELERY_ENVIRONMENT, waits=True),
    ]


def raise_open_files_limit() -> None:
    """Let the programs open as many files as they may have connections, where the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = CONNECTIONS + 1024
    if soft != resource.RLIM_INFINITY and soft < needed:
        most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def granian(target: str, options: dict[str, Any], port: int) -> list[str]:
    # HTTP/1 only: without TLS nobody speaks HTTP/2, and granian waits without a limit for the byte that tells
    # them apart. Its backpressure counts connections, idle ones too; `ingest` bounds requests.
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
    """Half as many as workers: on two processors shared with the database, one was faster than two."""
    return max(1, int(options["workers"]) // 2)


def serve_grpc(options: dict[str, Any]) -> list[str]:
    # Separate processes that share a port: grpcio's threads do not survive a fork.
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
