"""Runs real processes of this project on the databases of the test run."""

import os
import random
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

from django.db import connections

from telemetry_site.embedded import SUPERUSER, WEB
from tests.support.databases import addresses

ROOT = Path(__file__).resolve().parents[2]


def numbered(url: str, database: int) -> str:
    """The address of another database of the same Redis."""
    if url.startswith("unix:"):
        return f"{url.partition('?')[0]}?db={database}"
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def another_redis(url: str) -> str:
    """The address of a second database of Redis that belongs to this worker (`servers.py`)."""
    parts = urlsplit(url)
    path, query = parts.path.strip("/"), parse_qs(parts.query)
    number = query["db"][0] if "db" in query else path if path.isdigit() else "0"
    return numbered(url, int(number) + 1)


def free_port() -> int:
    """A port that nobody listens on, below those that the kernel uses for outgoing connections.

    Chosen at random: other workers look for free ports at the same time.
    """
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def environment(*, role: str = "", **changes: str) -> dict[str, str]:
    """For a process that works on the databases of this test run.

    `role` is the one that `up` gives such a process; other servers than the embedded ones have no roles.
    """
    here = addresses({alias: connections[alias].settings_dict["NAME"] for alias in connections})
    if role and os.environ.get("CANDID_EMBEDDED"):
        here = {name: url.replace(f"//{SUPERUSER}@", f"//{role}@") for name, url in here.items()}
    return os.environ | here | {"DJANGO_SETTINGS_MODULE": "telemetry_site.settings"} | changes


@contextmanager
def process(*arguments: str, env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process in the project's directory, stopped at the end."""
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


def manage(*arguments: str, env: dict[str, str]) -> str:
    """The output of a command, which must succeed."""
    ran = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@contextmanager
def web_server(log: Path, **variables: str) -> Iterator[str]:
    """Run the web port as a process, on the databases of this test run. Yields its address."""
    port = free_port()
    web = ("-m", "granian", "--interface", "wsgi", "--port", str(port), "telemetry_site.wsgi:application")
    with process(*web, env=environment(role=WEB, **variables), log=log):
        address = f"http://127.0.0.1:{port}"
        until(lambda: answers(address), what=f"{address} is up")
        yield address


def answers(address: str) -> bool:
    """Whether a server at this address says that it is alive."""
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def until(holds: Callable[[], object], *, what: str, seconds: float = 30) -> None:
    """Wait until something holds; if it does not in time, fail the test and say what did not."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)
