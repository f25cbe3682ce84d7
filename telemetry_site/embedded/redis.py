"""The embedded Redis, for the queue and rate limits. As in `postgres.py`, under the lease's lock."""

import contextlib
import signal
import subprocess

import redis

from telemetry_site.embedded.errors import EmbeddedError, Patience
from telemetry_site.embedded.home import Home
from telemetry_site.embedded.processes import is_running, open_log, stop_process

START_LIMIT = 600  # seconds


class RedisServer:
    """The Redis of one home."""

    def __init__(self, home: Home, *, durable: bool) -> None:
        self._home, self._durable = home, durable
        self._log = home.path / "redis.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._home.socket_directory() / 'redis.sock'}?db=0"

    def ensure(self) -> bool:
        """Start or join the server and wait until it answers. Returns whether it had to be started."""
        if self._answers():
            return False
        patience = Patience("Redis is reading its data")
        self._process = None  # a process of an earlier start does not count as a failure of this one
        while not self._answers():
            if patience.seconds > START_LIMIT:
                raise EmbeddedError(f"Redis has not answered for {START_LIMIT} s; see {self._log}.")
            if self._pid() is None and (self._process is None or self._process.poll() is not None):
                if self._process is not None:
                    lines = self._log.read_text(errors="replace").splitlines() or ["it left no message"]
                    raise EmbeddedError(f"Redis does not start: {lines[-1]} (see {self._log})")
                self._launch()
            elif patience.seconds > 1 and not (self._home.socket_directory() / "redis.sock").exists():
                self.stop()  # alive, but nobody can reach it any more
            patience.pause()
        return True

    def stop(self) -> None:
        """SIGTERM lets Redis write and sync its append-only file; after 20 seconds it is killed."""
        pid = self._pid()
        if pid and not stop_process(pid, signal.SIGTERM, seconds=20, child=self._process):
            stop_process(pid, signal.SIGKILL, seconds=5, child=self._process)

    def _launch(self) -> None:
        directory = self._home.own_directory("redis")
        options = {
            "port": "0",
            "unixsocket": str(self._home.socket_directory() / "redis.sock"),
            "unixsocketperm": "700",
            "dir": str(directory),
            "pidfile": str(directory / "redis.pid"),
            "appendonly": "yes" if self._durable else "no",
            "save": "",
            "daemonize": "no",
        }
        with open_log(self._log) as log:
            self._process = subprocess.Popen(
                [
                    self._home.redis_server,
                    *(part for name, value in options.items() for part in (f"--{name}", value)),
                ],
                cwd=directory, stdout=log, stderr=log, **self._home.as_account(),
            )  # fmt: skip

    def _answers(self) -> bool:
        if not (self._home.path / "redis").exists():
            return False
        with contextlib.suppress(redis.RedisError):
            with redis.Redis.from_url(self.url, socket_timeout=5) as connection:
                return bool(connection.ping())
        return False

    def _pid(self) -> int | None:
        with contextlib.suppress(FileNotFoundError, ValueError):
            pid = int((self._home.path / "redis" / "redis.pid").read_text())
            return pid if is_running(pid, "redis-server", "redis.sock") else None
        return None
