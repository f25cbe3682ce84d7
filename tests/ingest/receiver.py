"""The OTLP port as it really runs: granian, in a process of its own, on the databases of this test run."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import instances


@contextmanager
def receiver(log: Path, *, target: str = "telemetry_site.rsgi_otlp", **settings: str) -> Iterator[str]:
    """Start it, give its address, and stop it at the end. `settings` are environment variables."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # fmt: off
    arguments = [
        "-m", "granian", "--interface", "rsgi", "--http", "1", "--host", "127.0.0.1", "--port", str(port),
        "--http1-header-read-timeout", "1500", "--no-ws", "--log-level", "warning", f"{target}:application",
    ]
    # fmt: on
    with instances.process(*arguments, env=instances.environment(DEBUG="1", **settings), log=log):
        instances.until(lambda: _answers(port), what="the OTLP port answers /health")
        yield f"http://127.0.0.1:{port}"


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
