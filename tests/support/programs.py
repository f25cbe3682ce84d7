"""Other processes of this project, for tests that need a real one: their environment, and running one."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from django.db import connections

ROOT = Path(__file__).resolve().parents[2]


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
    here = addresses({alias: connections[alias].settings_dict["NAME"] for alias in connections})
    return os.environ | here | {"DJANGO_SETTINGS_MODULE": "telemetry_site.settings"} | changes


def addresses(names: Mapping[str, str]) -> dict[str, str]:
    """The variables that lead to databases of these names, which are by alias."""
    variables = {"default": "DATABASE_URL", "analytics": "ANALYTICS_DATABASE_URL"}
    return {variables[alias]: named(os.environ[variables[alias]], name) for alias, name in names.items()}


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """Two empty ones beside those of this test run; their names, by alias."""
    suffix = uuid.uuid4().hex[:12]
    names = {alias: f"candid_test_{alias}_{suffix}" for alias in connections}
    try:
        for alias, name in names.items():
            with connections[alias].cursor() as cursor:
                cursor.execute(f"CREATE DATABASE {name}")
        yield names
    finally:
        for alias, name in names.items():
            with connections[alias].cursor() as cursor:
                cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


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


def manage(*arguments: str, env: dict[str, str]) -> str:
    """What a command says that must end well."""
    ran = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@contextmanager
def web_server(log: Path, **variables: str) -> Iterator[str]:
    """The web port on the databases of this test run, as a process of its own; its address."""
    port = free_port()
    web = ("-m", "granian", "--interface", "wsgi", "--port", str(port), "telemetry_site.wsgi:application")
    with process(*web, env=environment(**variables), log=log):
        address = f"http://127.0.0.1:{port}"
        until(lambda: answers(address), what=f"{address} is up")
        yield address


def answers(address: str) -> bool:
    """Whether a server says there that it is alive."""
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def until(holds: Callable[[], object], *, what: str, seconds: float = 30) -> None:
    """Wait until something holds; a failed test that says what did not."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)
