"""The OTLP port as it really runs: granian, in a process of its own, on the databases of this test run."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import instances


@contextmanager
def receiver(log: Path, *, threads: int = 4) -> Iterator[str]:
    """Start it, give its address, and stop it at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [
        "-m",
        "granian",
        "--interface",
        "wsgi",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--no-ws",
    ]
    arguments += [
        "--blocking-threads",
        str(threads),
        "--log-level",
        "warning",
        "telemetry_site.wsgi_otlp:application",
    ]
    with instances.process(*arguments, env=instances.environment(DEBUG="1"), log=log):
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
