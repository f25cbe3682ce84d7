"""Real servers for the tests: one embedded PostgreSQL and one Redis for a run, shared by all its workers.

A pytest plugin (`-p tests.support.servers`), because the addresses must be in the environment before
pytest-django reads the settings. With DATABASE_URL set, the tests use what it names. Each worker of
pytest-xdist has test databases (`databases.py`), numbers in Redis and a data dir of its own.

The whole suite runs in workers, each file in one of them. A selection of tests runs in this process, unless
`-n` says otherwise.
"""

import os
import secrets
import shutil
import tempfile
import uuid
from argparse import Namespace
from collections.abc import Generator
from pathlib import Path

import pytest

from telemetry_site import embedded
from tests.support import databases
from tests.support.programs import numbered

RUNNING = pytest.StashKey[embedded.Servers]()
MOST_WORKERS = 5  # each takes three of Redis' 16 databases
CHOOSES = ("file_or_dir", "keyword", "markexpr", "lf", "failedfirst", "stepwise")
STAYS = ("collectonly", "usepdb", "trace", "help", "version", "markers", "showfixtures")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--proofs", action="store_true", help="also run the long tests of `make proofs`")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, args: list[str]
) -> Generator[None, None, None]:
    """Start the servers, or find this worker's place on them, before any settings are read."""
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        take_place(int(worker.removeprefix("gw")))
        return (yield)
    if early_config.pluginmanager.hasplugin("xdist") and is_whole_suite(early_config.known_args_namespace):
        args[:0] = ["-n", str(workers()), "--dist", "loadfile", "--no-loadscope-reorder"]
    os.environ[databases.RUN] = uuid.uuid4().hex[:12]
    for key in ("SECRET_KEY", "ID_HASH_KEY"):  # the same in every worker
        os.environ.setdefault(key, secrets.token_urlsafe(48))
    if not os.environ.get("DATABASE_URL"):
        data_dir = Path(tempfile.mkdtemp(prefix="candid-tests-"))
        data_dir.chmod(0o711)  # as root, the servers' own user must pass
        servers = embedded.start(data_dir, durable=False)
        (data_dir / "static").mkdir()  # whitenoise warns where it is missing
        early_config.stash[RUNNING] = servers
        # Tests make databases of their own; only processes that they start have lesser roles (`programs.py`).
        os.environ.update(servers.environment() | servers.databases(embedded.SUPERUSER))
    return (yield)


def take_place(number: int) -> None:
    """Give this worker its own databases, Redis numbers and data dir on the run's servers."""
    if url := os.environ.get("REDIS_URL"):
        os.environ["REDIS_URL"] = numbered(url, 3 * number)
    if data_dir := os.environ.get("CANDID_DATA_DIR"):
        place = Path(data_dir) / f"worker-{number}"
        (place / "static").mkdir(parents=True)
        os.environ["CANDID_DATA_DIR"] = str(place)


def is_whole_suite(options: Namespace) -> bool:
    """Whether these are the options of a run of all tests that leaves the number of workers to us."""
    if getattr(options, "numprocesses", None) is not None:
        return False
    return not any(getattr(options, name, None) for name in (*CHOOSES, *STAYS))


def workers() -> int:
    """More than there are processors: half of the time a test waits for a database, browser or process."""
    return min(MOST_WORKERS, 2 * (os.cpu_count() or 1))


def pytest_unconfigure(config: pytest.Config) -> None:
    if RUNNING in config.stash:
        config.stash[RUNNING].stop()
        for directory in {config.stash[RUNNING].data_dir, config.stash[RUNNING].home}:
            shutil.rmtree(directory, ignore_errors=True)
    elif "PYTEST_XDIST_WORKER" not in os.environ:
        databases.drop_templates()
