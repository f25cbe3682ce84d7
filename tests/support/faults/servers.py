"""Two separate PostgreSQL servers, so that one of the two databases can stop while the other runs on."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from telemetry_site import embedded

DATABASES = {"default": "DATABASE_URL", "analytics": "ANALYTICS_DATABASE_URL"}
STOP_WITHIN = 60.0  # seconds


class OwnServers:
    """The server of the operational database, with Redis, and that of the analytics database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: dict[str, embedded.Servers] = {}

    def __enter__(self) -> "OwnServers":
        for alias in DATABASES:
            home = self._folder / f"{alias}-server"
            self._servers[alias] = embedded.start(home, with_redis=alias == "default")
        return self

    def __exit__(self, *_: object) -> None:
        for servers in self._servers.values():
            servers.stop()

    def variables(self) -> dict[str, str]:
        """Environment variables that tell the instance where its servers are, and that it has no TLS."""
        operational = self._servers["default"].environment()
        kept = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ID_HASH_KEY")
        analytics = self._servers["analytics"].environment()["ANALYTICS_DATABASE_URL"]
        return {name: operational[name] for name in kept} | {
            "ANALYTICS_DATABASE_URL": analytics,
            "PUBLIC_URL": "http://127.0.0.1",
        }

    def postmasters(self) -> list[psutil.Process]:
        found = []
        for alias in self._servers:
            with contextlib.suppress(OSError, ValueError, psutil.NoSuchProcess):
                found.append(self._postmaster(alias))
        return found

    def _postmaster(self, alias: str) -> psutil.Process:
        file = self._servers[alias].home / "postgres" / "postmaster.pid"
        return psutil.Process(int(file.read_text().split("\n")[0]))

    @contextlib.contextmanager
    def stopped(self, alias: str) -> Iterator[None]:
        """The server is shut down inside the block, fast, like `pg_ctl stop`, and started afterwards."""
        process = self._postmaster(alias)
        process.send_signal(signal.SIGINT)
        end = time.monotonic() + STOP_WITHIN
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > end:
                raise RuntimeError("PostgreSQL does not stop")
            time.sleep(0.05)
        try:
            yield
        finally:
            self._servers[alias].ensure()

    @contextlib.contextmanager
    def frozen(self, alias: str) -> Iterator[None]:
        """Every process of the server is stopped inside the block: connections stay open, nothing answers."""
        process = self._postmaster(alias)
        family = [process, *process.children(recursive=True)]
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                os.kill(one.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for one in family:
                with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                    os.kill(one.pid, signal.SIGCONT)
