"""Runs the OTLP port as in production: granian, as a process, on the databases of this test run."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from telemetry_site.embedded import INGEST, WEB
from telemetry_site.server.programs import granian
from tests.support import programs


class Running(NamedTuple):
    address: str
    process: subprocess.Popen[bytes]


@contextmanager
def receiver(log: Path, *, target: str = "telemetry_site.server.rsgi_otlp", **settings: str) -> Iterator[str]:
    """Start it, yield its address, and stop it at the end. `settings` are environment variables."""
    with running(log, target=target, **settings) as here:
        yield here.address


@contextmanager
def running(
    log: Path, *, target: str = "telemetry_site.server.rsgi_otlp", **settings: str
) -> Iterator[Running]:
    """The same; yields granian's own process, too."""
    port = programs.free_port()
    address = f"http://127.0.0.1:{port}"
    options = {"host": "127.0.0.1", "workers": 1}
    _python, *arguments, application = granian(f"{target}:application", options, port)
    arguments += ["--http1-header-read-timeout", "1500", application]  # ms
    role = INGEST if target.endswith("otlp") else WEB
    environment = programs.environment(role=role, DEBUG="1", **settings)
    with programs.process(*arguments, env=environment, log=log) as process:
        programs.until(lambda: programs.answers(address), what="the OTLP port answers /health")
        yield Running(address, process)
