"""The embedded PostgreSQL of a data dir: creates its cluster, starts or joins it, and stops it.

Everything here runs under the lease's exclusive lock. The server listens on a socket in a directory
that only its own user can enter, so it asks for no password (`trust`).
"""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg

from telemetry_site.embedded import roles
from telemetry_site.embedded.errors import EmbeddedError, Patience, say
from telemetry_site.embedded.home import Home
from telemetry_site.embedded.processes import is_running, open_log, stop_process

MAJOR_VERSION = 18
DATABASES = ("candid", "candid_analytics")
RECOVERY_LIMIT = 3600  # seconds; replaying the log of a crashed bulk load takes minutes
STALE_LIMIT = 30  # seconds until processes that a killed server left behind are gone
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    # A failed statement must not leave ids or values in the log.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
STILL_THERE = ("shared memory block", "postmaster.pid")  # in messages about a server that is still ending


class Postgres:
    """The PostgreSQL of one home."""

    def __init__(self, home: Home, *, durable: bool) -> None:
        self._home, self._durable = home, durable
        self._data = home.path / "postgres"
        self._log = home.path / "postgres.log"
        self._log_start = 0  # bytes; where the current server's lines begin
        self._process: subprocess.Popen[bytes] | None = None
        self._has_roles = False

    def url(self, database: str, role: str) -> str:
        return f"postgres://{role}@/{database}?host={self._home.socket_directory()}"

    def ensure(self) -> bool:
        """Start or join the server and wait until it answers. Returns whether it had to be started."""
        started = not self._answers()
        if started:
            self._initialise()
            self._start()
        if started or not self._has_roles:  # a server that an earlier version has started has none
            self._make_databases()
            self._has_roles = True
        return started

    def stop(self) -> None:
        """Fast shutdown, with a checkpoint; after a minute, immediate shutdown."""
        pid = self._pid()
        if pid and not stop_process(pid, signal.SIGINT, seconds=60, child=self._process):
            stop_process(pid, signal.SIGQUIT, seconds=10, child=self._process)

    def _initialise(self) -> None:
        marker = self._data / "PG_VERSION"
        if not marker.exists():
            self._initdb()
        version = marker.read_text().strip()
        if version != str(MAJOR_VERSION):
            age = "newer" if int(version) > MAJOR_VERSION else "older"
            raise EmbeddedError(
                f"The data dir {self._home.path} holds a database of PostgreSQL {version}, {age} than the "
                f"embedded {MAJOR_VERSION}: use the version of Candid that made it, or another --data-dir."
            )

    def _initdb(self) -> None:
        """Create the cluster under a draft name, then rename it: a killed initdb leaves nothing half-made."""
        for left_behind in self._home.path.glob("postgres.new.*"):
            shutil.rmtree(left_behind, ignore_errors=True)
        draft = self._home.path / f"postgres.new.{os.getpid()}"
        self._home.own_directory(draft.name)
        # fmt: off
        options = ["-D", str(draft), "-U", roles.SUPERUSER, "--auth=trust", "--encoding=UTF8", "--locale=C",
                   "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
        # fmt: on
        if not self._durable:
            options.append("--no-sync")
        initdb = subprocess.run(
            [self._home.postgres_programs / "initdb", *options],
            cwd=draft, check=False, capture_output=True, text=True, **self._home.as_account(),
        )  # fmt: skip
        if initdb.returncode != 0:
            lines = initdb.stderr.strip().splitlines() or [f"initdb ended with {initdb.returncode}"]
            raise EmbeddedError(f"PostgreSQL could not make its data directory: {lines[-1]}")
        draft.rename(self._data)

    def _start(self) -> None:
        patience = Patience("PostgreSQL is getting ready; after a crash it replays its log")
        self._process = None  # a process of an earlier start does not count as a failure of this one
        while not self._answers():
            if patience.seconds > RECOVERY_LIMIT:
                raise EmbeddedError(f"PostgreSQL has not answered for an hour; see {self._log}.")
            if self._pid() is None and (self._process is None or self._process.poll() is not None):
                self._check_failure(patience)
                self._launch()
            elif self._is_unreachable():
                self.stop()
            patience.pause()

    def _check_failure(self, patience: Patience) -> None:
        """Raise for a server that ended by itself, unless its predecessor was merely still ending."""
        if self._process is None:
            return
        reason = _last_fatal(self._log, self._log_start)
        if patience.seconds > STALE_LIMIT or not any(sign in reason for sign in STILL_THERE):
            raise EmbeddedError(f"PostgreSQL does not start: {reason} (see {self._log})")

    def _launch(self) -> None:
        settings = SETTINGS | {"unix_socket_directories": str(self._home.socket_directory())}
        if not self._durable:
            settings |= NOT_DURABLE
        extra = {}
        stale = self._pid_in_file()
        if stale and not self._pid():
            # The number may belong to an unrelated process by now, for which PostgreSQL would not start.
            # With this it does, and still looks for its predecessor's shared memory
            # (src/backend/utils/init/miscinit.c).
            extra = {"PG_GRANDPARENT_PID": str(stale)}
        with open_log(self._log) as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                [
                    self._home.postgres_programs / "postgres", "-D", self._data,
                    *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
                ],
                cwd=self._data, stdout=log, stderr=log, **self._home.as_account(extra),
            )  # fmt: skip

    def _answers(self) -> bool:
        if not self._pid_file_line(7).startswith("ready"):  # asking any earlier fills the log with refusals
            return False
        try:
            with self._connect():
                return True
        except psycopg.OperationalError:
            return False

    def _make_databases(self) -> None:
        with self._connect() as connection:
            present = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
            for name in DATABASES:
                if name not in present:
                    connection.execute(f"CREATE DATABASE {name}")
        try:
            roles.make_roles(self._connect, DATABASES)
        except psycopg.errors.LockNotAvailable as error:
            raise EmbeddedError(
                "The tables are in use by an earlier version of Candid: stop its `up`, and try again."
            ) from error

    def _connect(self, database: str = "postgres") -> psycopg.Connection[tuple[str]]:
        """As the superuser, which nothing but this file uses."""
        directory = str(self._home.socket_directory())
        return psycopg.connect(
            host=directory, user=roles.SUPERUSER, dbname=database, autocommit=True, connect_timeout=5
        )

    def _pid_file_line(self, number: int) -> str:
        """A line of postmaster.pid: 0 process, 3 port, 4 socket directory, 7 status; '' if none."""
        with contextlib.suppress(FileNotFoundError, IndexError):
            return (self._data / "postmaster.pid").read_text().split("\n")[number]
        return ""

    def _pid_in_file(self) -> int | None:
        first = self._pid_file_line(0)
        return int(first) if first.isdigit() else None

    def _pid(self) -> int | None:
        """The running server's process id; None if there is no file, or it names another process."""
        pid = self._pid_in_file()
        return pid if pid and is_running(pid, "postgres", str(self._data)) else None

    def _is_unreachable(self) -> bool:
        """Whether the server is ready but its socket is gone, so that nobody can use it any more."""
        if self._pid() is None or not self._pid_file_line(7).startswith("ready"):
            return False
        directory = self._pid_file_line(4)
        socket = Path(directory) / f".s.PGSQL.{self._pid_file_line(3)}"
        lost = directory != str(self._home.socket_directory()) or not socket.exists()
        if lost:
            say("PostgreSQL lost its socket and is started again.")
        return lost


def _last_fatal(log: Path, since: int) -> str:
    with log.open("rb") as file:
        file.seek(since)
        lines = file.read(1_000_000).decode(errors="replace").splitlines()
    serious = [line for line in lines if "FATAL" in line or "PANIC" in line or "error" in line]
    return (serious or lines or ["it ended without a message"])[-1]
