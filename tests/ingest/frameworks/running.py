"""Starts the apps of `apps/` as their documentation says, each with the code that it shows."""

import os
import re
import shlex
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support import installing
from tests.support.programs import ROOT, free_port

APPS = Path(__file__).parent / "apps"
DOCS = ROOT / "docs" / "clients"
INSTRUMENT = "opentelemetry-instrument"


class Shop(NamedTuple):
    """How an app is started, and where it sends."""

    name: str  # of the service; also of the page of the documentation
    command: tuple[str, ...]
    protocol: str = "http/protobuf"
    variables: Mapping[str, str] = {}
    others: str = (
        ""  # instrumentations of other frameworks, which nobody would have installed beside this one
    )


SHOPS = (
    Shop("fastapi", ("uvicorn", "fastapi_shop:app"), variables={"FASTAPI_OTEL_AUTO_CONFIGURE": "true"}),
    Shop("fastapi-instrumented", (INSTRUMENT, "uvicorn", "fastapi_shop:app"), others="flask,django"),
    Shop("flask", (INSTRUMENT, "gunicorn", "flask_shop:app"), others="fastapi,django"),
    Shop(
        "django",
        (INSTRUMENT, "granian", "--interface", "wsgi", "django_wsgi:application"),
        protocol="grpc",
        variables={"DJANGO_SETTINGS_MODULE": "django_shop"},
        others="fastapi,flask",
    ),
    Shop("express", ("node", "--import", "./instrumentation.mjs", "express_shop.mjs"), protocol="http/json"),
)


class App(NamedTuple):
    """An app that runs."""

    name: str
    address: str
    log: Path

    def get(self, path: str, headers: Mapping[str, str]) -> int:
        """The status of a request, read to the end of its answer; 0 if nobody answers."""
        request = urllib.request.Request(self.address + path, headers=dict(headers))
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                answer.read()
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0


@contextmanager
def running(shop: Shop, folder: Path, *, key: str, receivers: Mapping[str, str]) -> Iterator[App]:
    """Start an app in a folder of its own, and stop it at the end. Does not wait until it answers.

    `receivers` are addresses by protocol.
    """
    folder.mkdir()
    put_together(shop, folder)
    port = free_port()
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(shop, port),
            cwd=folder,
            env=environment(shop, port=port, key=key, endpoint=receivers[shop.protocol]),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield App(shop.name, f"http://127.0.0.1:{port}", log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def put_together(shop: Shop, folder: Path) -> None:
    """The apps, and beside them the modules that the documentation shows."""
    block = re.compile(r"^```\w+\n(?:#|//) (\w+\.\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
    for name, code in block.findall(page(shop)):
        (folder / name).write_text(code)
    for app in APPS.iterdir():
        if app.is_file():
            shutil.copy(app, folder)
    if shop.protocol == "http/json":
        (folder / "node_modules").symlink_to(installing.node_modules() / "node_modules")


def page(shop: Shop) -> str:
    return (DOCS / f"{shop.name.partition('-')[0]}.md").read_text()


def command(shop: Shop, port: int) -> list[str]:
    if shop.protocol == "http/json":
        return list(shop.command)
    programs = installing.frameworks()
    options = ["--bind", f"127.0.0.1:{port}"] if "gunicorn" in shop.command else ["--port", str(port)]
    return [str(programs / word) if (programs / word).exists() else word for word in shop.command] + options


def environment(shop: Shop, *, port: int, key: str, endpoint: str) -> dict[str, str]:
    """What the page of the documentation exports, with a place to send to, and spans that are sent soon."""
    theirs = ("DJANGO_SETTINGS_MODULE", "PYTEST_", "OTEL_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
    exported = {
        name: value.replace("YOUR_KEY", key)
        for line in re.findall(r"^export (.+)$", page(shop), re.MULTILINE)
        for name, _, value in (pair.partition("=") for pair in shlex.split(line, comments=True))
    }
    assert exported["OTEL_EXPORTER_OTLP_ENDPOINT"].startswith("https://telemetry.example")
    ours = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": shop.others,
        "PORT": str(port),
        "PYTHONPATH": ".",
    }
    return inherited | exported | ours | shop.variables
