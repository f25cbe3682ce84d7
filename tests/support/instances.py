"""Runs Candid's commands as real processes, each in a data dir of its own."""

import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.support.programs import ROOT, free_port

OURS = ("DATABASE_URL", "ANALYTICS_DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ID_HASH_KEY", "DEBUG")
OURS += (
    "CANDID_EMBEDDED",
    "CANDID_EMBEDDED_NAMES",
    "CANDID_EMBEDDED_IN",
    "CANDID_DATA_DIR",
    "PUBLIC_URL",
    "DJANGO_ALLOW_ASYNC_UNSAFE",
)


def environment(**more: str) -> dict[str, str]:
    """This process's environment, without the variables that the test run itself has set."""
    kept = {name: value for name, value in os.environ.items() if name not in OURS}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1"} | more


@contextmanager
def data_dir(name: str = "data") -> Iterator[Path]:
    """A path for a data dir that the servers' user can reach. At the end no process and no file is left."""
    with place() as parent:
        yield parent / name


@contextmanager
def place() -> Iterator[Path]:
    parent = Path(tempfile.mkdtemp(prefix="candid-test-"))
    parent.chmod(0o711)
    try:
        yield parent
    finally:
        kill(processes(parent))
        shutil.rmtree(parent, ignore_errors=True)


def processes(directory: Path | str) -> list[psutil.Process]:
    """Every other process that has this text in its command line."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if str(directory) in " ".join(process.info["cmdline"] or ())
        and process.info["status"] != psutil.STATUS_ZOMBIE
        and process.pid != os.getpid()
    ]


def kill(those: list[psutil.Process]) -> None:
    """Send SIGKILL. Some may already have ended because others did."""
    for process in those:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(those, timeout=10)


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT, env=environment(**variables), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


class Instance:
    """A running `manage.py up`."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory, self.port, self.otlp_port = directory, free_port(), free_port()
        self.grpc_port = free_port()
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            [
                sys.executable, "manage.py", "up", "--data-dir", str(directory), "--workers", "1",
                "--port", str(self.port), "--otlp-port", str(self.otlp_port),
                "--grpc-port", str(self.grpc_port), *options,
            ],
            cwd=ROOT, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def ready(self) -> float:
        """Wait until `up` says that Candid is ready. Returns the seconds that it took."""
        self.wait_for("Candid is ready")
        return time.monotonic() - self.started_at

    def wait_for(self, text: str) -> None:
        """Read the output until a line has this text."""
        while True:
            line = self._queue.get(timeout=60)
            assert line is not None, "\n".join(["it ended:", *self.lines])
            self.lines.append(line)
            if text in line:
                return

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal and wait. Returns the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=30)
        while (line := self._queue.get(timeout=10)) is not None:
            self.lines.append(line)
        return code

    def everything(self) -> list[psutil.Process]:
        """Supervisor, programs, servers and their children."""
        own = [psutil.Process(self.process.pid), *processes(self.directory)]
        return list({one for process in own for one in (process, *process.children(recursive=True))})
