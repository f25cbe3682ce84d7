"""A whole Candid to inject faults into: `manage.py up` in a directory of its own, and its processes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil
import psycopg

from tests.support.faults.records import ORGANIZATION, USERS, user
from tests.support.machine import ROOT, environment, free_ports

READY_WITHIN = 180.0  # seconds
PREPARE = f"""
import json
from consent.keys import issue_key
from consent.models import Method, State, SubjectKind
from consent.pseudonyms import pseudonym
from consent.decisions.recording import record_decision, register_organization
from datetime import timedelta
from django.db import connections
from django.utils import timezone
register_organization(pseudonym=pseudonym("organization", {ORGANIZATION!r}), deployment_type="cloud")
names = [("organization", {ORGANIZATION!r})] + [("user", {user(0)[:-1]!r} + str(n)) for n in range({USERS})]
for kind, raw in names:
    record_decision(kind=SubjectKind(kind), subject=pseudonym(kind, raw), state=State.GRANTED,
                    actor="faults", method=Method.COMMAND,
                    effective_at=timezone.now() - timedelta(days=500))
databases = dict()
for alias in ("default", "analytics"):
    given = connections[alias].get_connection_params()
    wanted = given.keys() & dict.fromkeys(("host", "port", "dbname", "user", "password")).keys()
    databases[alias] = dict((name, given[name]) for name in wanted)
print(json.dumps(dict(key=issue_key(name="faults", scopes=["ingest"])[0], databases=databases,
                      pseudonyms=dict((raw, pseudonym(kind, raw)) for kind, raw in names))))
"""


class Prepared:
    """What a run needs to know of the instance: a key, pseudonyms, and where the databases are."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.key: str = told["key"]
        self.pseudonyms: dict[str, str] = told["pseudonyms"]
        self.databases: dict[str, dict[str, str]] = told["databases"]

    def connect(self, alias: str = "analytics", **more: Any) -> psycopg.Connection[Any]:
        return psycopg.connect(**self.databases[alias] | {"autocommit": True} | more)


class Instance:
    """A running `manage.py up`, with consent given and a key issued."""

    host = "127.0.0.1"

    def __init__(
        self,
        data_dir: Path,
        *,
        workers: int = 2,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.data_dir = data_dir
        self.environment = environment(data_dir) | variables
        self.port, self.otlp_port, self.grpc_port = free_ports(3)
        self.log: list[str] = []
        self.process = subprocess.Popen(
            [
                sys.executable, "manage.py", "up", "--data-dir", str(data_dir), "--workers", str(workers),
                "--port", str(self.port), "--otlp-port", str(self.otlp_port),
                "--grpc-port", str(self.grpc_port),
            ],
            cwd=ROOT, env=self.environment, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            self._wait_until_it_says("Candid is ready")
            self.prepared = Prepared(json.loads(self.manage("shell", "-v", "0", "-c", PREPARE)))
        except BaseException:
            self.stop()
            raise

    def _wait_until_it_says(self, text: str) -> None:
        said = threading.Event()
        assert self.process.stdout
        lines = self.process.stdout

        def read() -> None:
            for line in lines:
                self.log.append(line.rstrip("\n"))
                if text in line:
                    said.set()
            said.set()

        threading.Thread(target=read, daemon=True).start()
        if not said.wait(READY_WITHIN) or self.process.poll() is not None:
            raise RuntimeError("the instance did not start:\n" + "\n".join(self.log[-20:]))

    @property
    def ports(self) -> list[int]:
        return [self.otlp_port, self.port]

    def manage(self, *arguments: str) -> str:
        """The last line that a command prints."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.environment, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"manage.py {arguments[0]}: {done.stderr}")
        return done.stdout.strip().splitlines()[-1]

    def is_ready(self) -> tuple[bool, str]:
        """What /ready says."""
        try:
            with urllib.request.urlopen(f"http://{self.host}:{self.port}/ready", timeout=5) as answer:
                return answer.status == 200, ""
        except urllib.error.HTTPError as error:
            return False, error.read().decode(errors="replace")
        except OSError as error:
            return False, type(error).__name__

    # --- Its processes ---------------------------------------------------------------------------
    def processes(self) -> list[psutil.Process]:
        """The supervisor, its programs, and the servers that it has started."""
        with contextlib.suppress(psutil.NoSuchProcess):
            own = psutil.Process(self.process.pid)
            return [own, *own.children(recursive=True)]
        return []

    def masters(self) -> list[psutil.Process]:
        """The processes that `up` runs on the HTTP ports: one granian each."""
        own = psutil.Process(self.process.pid)
        return [child for child in own.children() if "granian" in command(child)]

    def web_workers(self, port: int | None = None) -> list[psutil.Process]:
        """The processes that answer HTTP, of one port or of both."""
        masters = [one for one in self.masters() if port is None or f" {port} " in command(one)]
        children = [child for master in masters for child in children_of(master)]
        return [child for child in children if "resource_tracker" not in command(child)]

    def grpc_servers(self) -> list[psutil.Process]:
        return [one for one in children_of(psutil.Process(self.process.pid)) if "serve_grpc" in command(one)]

    def redis(self) -> psutil.Process:
        return next(one for one in self.processes() if "redis-server" in command(one))

    def stop(self) -> None:
        """Send SIGTERM, as an operator would; then SIGKILL to whatever is left."""
        everything = self.processes()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for process in everything:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def command(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def children_of(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.children()
    return []


def postmaster(database: psycopg.Connection[Any]) -> psutil.Process:
    """The first process of the server that this connection leads to."""
    parent = psutil.Process(database.info.backend_pid).parent()
    if parent is None or "postgres" not in command(parent):  # it has just ended: an orphan's is init
        raise psutil.NoSuchProcess(0)
    return parent


def end_on_sigterm() -> None:
    """Let SIGTERM unwind the stack, so that no server and no directory is left behind."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))


@contextlib.contextmanager
def directory() -> Iterator[Path]:
    """A temporary directory that the servers' user may pass through."""
    with tempfile.TemporaryDirectory(prefix="candid-faults-", ignore_cleanup_errors=True) as name:
        os.chmod(name, 0o711)
        yield Path(name)


class Memory:
    """Peaks of memory in MB by kind of process: of the biggest process, and of all together."""

    EVERY = 0.5  # seconds
    KINDS = (
        ("redis", "redis-server"),
        ("postgres", "postgres"),
        ("web", "granian"),
        ("grpc", "serve_grpc"),
        ("jobs", "celery"),
    )

    def __init__(self, instance: Instance, others: Callable[[], list[psutil.Process]]) -> None:
        self._instance, self._others = instance, others  # servers that `up` has not started
        self.biggest: defaultdict[str, float] = defaultdict(float)
        self.together: defaultdict[str, float] = defaultdict(float)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stopping.wait(self.EVERY):
            now: defaultdict[str, float] = defaultdict(float)
            for process in self._all():
                with contextlib.suppress(psutil.Error):
                    kind, used = self._kind_of(process), megabytes(process)
                    self.biggest[kind] = max(self.biggest[kind], used)
                    now[kind] += used
            for kind, used in now.items():
                self.together[kind] = max(self.together[kind], used)

    def _all(self) -> list[psutil.Process]:
        found = self._instance.processes()
        for server in self._others():
            with contextlib.suppress(psutil.NoSuchProcess):
                found += [server, *server.children(recursive=True)]
        return found

    def _kind_of(self, process: psutil.Process) -> str:
        """The kind by command line. If a worker's own does not tell, its parent's does."""
        words = command(process)
        for kind, word in self.KINDS:
            if word in words:
                return kind
        parent = process.parent()
        if parent is not None and "granian" in command(parent):
            return "web"
        return "jobs" if parent is not None and "celery" in command(parent) else "up"

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()


def megabytes(process: psutil.Process) -> float:
    """Resident memory without what is shared with other processes (PostgreSQL's buffers)."""
    used = process.memory_info()
    return (used.rss - getattr(used, "shared", 0)) / 1e6


def until(holds: Callable[[], object], seconds: float) -> bool:
    """Wait until something holds. Returns whether it did within this many seconds."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
