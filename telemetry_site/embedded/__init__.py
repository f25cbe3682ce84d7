"""The embedded servers: a real PostgreSQL and a real Redis for a machine that has neither.

Every command and `manage.py up` share the servers of a data dir. Each holds a lease (`lease.py`);
the last one to let go stops them. When DATABASE_URL is set, nothing is started here. Nothing here
imports Django: the addresses must be in the environment before the settings are read.

A data dir holds `version`, `keys.json` and, if the servers' user can reach it (`home.py`), the
servers' own files: `postgres/`, `redis/`, `run/` (sockets), two logs, two locks.
"""

import os
from pathlib import Path

from telemetry_site.embedded.errors import EmbeddedError
from telemetry_site.embedded.home import Home, claim_data_dir, find_home
from telemetry_site.embedded.keys import read_or_make_keys
from telemetry_site.embedded.lease import Lease
from telemetry_site.embedded.postgres import Postgres
from telemetry_site.embedded.redis import RedisServer
from telemetry_site.embedded.roles import INGEST, OWNER, SUPERUSER, WEB
from telemetry_site.embedded.stepping_down import hand_over

__all__ = ["INGEST", "OWNER", "SUPERUSER", "WEB", "EmbeddedError", "Servers", "start"]


class Servers:
    """The servers of one data dir, held by this process until `stop`."""

    def __init__(self, data_dir: Path, home: Home, lease: Lease, *, durable: bool, with_redis: bool) -> None:
        self.data_dir, self._home, self._lease, self._owner = data_dir, home, lease, os.getpid()
        self._postgres = Postgres(home, durable=durable)
        self._redis = RedisServer(home, durable=durable) if with_redis else None

    def ensure(self) -> bool:
        """Start what is not running and wait until it answers. Returns whether anything had to be started."""
        with self._lease.exclusive():
            started = self._postgres.ensure()
            return (self._redis.ensure() if self._redis else False) or started

    @property
    def home(self) -> Path:
        """Where the servers' files are: the data dir, unless their user cannot reach it."""
        return self._home.path

    def databases(self, role: str = OWNER) -> dict[str, str]:
        """The variables with the addresses of both databases, for a role (`roles.py`)."""
        return {
            "DATABASE_URL": self._postgres.url("candid", role),
            "ANALYTICS_DATABASE_URL": self._postgres.url("candid_analytics", role),
        }

    def environment(self) -> dict[str, str]:
        """The variables that settings.py reads, for `os.environ`."""
        addresses = self.databases() | {
            "CANDID_EMBEDDED": "1",
            "CANDID_DATA_DIR": str(self.data_dir),
        }
        if self._redis:
            addresses["REDIS_URL"] = self._redis.url
        return addresses | read_or_make_keys(self.data_dir)

    def stop(self) -> None:
        """Let go of the servers; stop them if nobody else holds them. Does nothing in a forked child."""
        if os.getpid() != self._owner or not self._lease.is_held:
            return
        with self._lease.exclusive():
            if self._lease.is_last_holder():
                if self._redis:
                    self._redis.stop()
                self._postgres.stop()
                self._home.forget_socket_directory()
            self._lease.let_go()


def start(data_dir: Path, *, durable: bool = True, with_redis: bool = True) -> Servers:
    """Start or join the servers of a data dir, and return when they answer. Raises `EmbeddedError`.

    `durable=False` (tests only) gives up safety against power loss for speed.
    """
    try:
        claim_data_dir(data_dir)
        home = find_home(data_dir)
        lease = Lease(home.path)
        servers = Servers(data_dir, home, lease, durable=durable, with_redis=with_redis)
        with lease.exclusive():
            lease.hold()
            read_or_make_keys(data_dir)
    except PermissionError as error:
        raise EmbeddedError(
            f"{error.filename or data_dir} belongs to another user: run as that user, "
            "or choose another place with --data-dir."
        ) from error
    except OSError as error:
        raise EmbeddedError(f"The data dir {data_dir} cannot be used: {error.strerror or error}.") from error
    try:
        servers.ensure()
        if home.account:  # root's files must not lock the user out who runs commands later
            for place in {data_dir, home.path}:
                hand_over(place, home.account)
    except BaseException:
        servers.stop()
        raise
    return servers
