"""Other processes of this project, for tests that need a real one: their environment, and running one."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from django.db import connections

ROOT = Path(__file__).resolve().parent.parent


def named(url: str, database: str) -> str:
    """The address of another database on the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def numbered(url: str, database: int) -> str:
    """The address of another database of the same Redis."""
    if url.startswith("unix:"):
        return f"{url.partition('?')[0]}?db={database}"
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(**changes: str) -> dict[str, str]:
    """For a process that works on the databases of this test run."""
    here = {
        "DATABASE_URL": named(os.environ["DATABASE_URL"], connections["default"].settings_dict["NAME"]),
        "ANALYTICS_DATABASE_URL": named(
            os.environ["ANALYTICS_DATABASE_URL"], connections["analytics"].settings_dict["NAME"]
        ),
        "DJANGO_SETTINGS_MODULE": "telemetry_site.settings",
    }
    return os.environ | here | changes


@contextmanager
def process(*arguments: str, env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process of the project that is stopped at the end."""
    with log.open("wb") as output:
        running = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env=env, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def until(holds: Callable[[], object], *, what: str, seconds: float = 30) -> None:
    """Wait until something holds; a failed test that says what did not."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)
