"""Real servers for the tests: the embedded PostgreSQL and Redis, in a directory of their own for each run.

A pytest plugin (`-p tests.support.servers`), because the addresses must be in the environment before
pytest-django reads the settings. With DATABASE_URL set, the tests use what it names.
"""

import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from telemetry_site import embedded

RUNNING = pytest.StashKey[embedded.Servers]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    """Start the servers before any settings are read."""
    if not os.environ.get("DATABASE_URL"):
        data_dir = Path(tempfile.mkdtemp(prefix="candid-tests-"))
        data_dir.chmod(0o711)  # as root, the servers' own user must pass
        servers = embedded.start(data_dir, durable=False)
        (data_dir / "static").mkdir()  # whitenoise warns where it is missing
        early_config.stash[RUNNING] = servers
        os.environ.update(servers.environment())
    return (yield)


def pytest_unconfigure(config: pytest.Config) -> None:
    if RUNNING in config.stash:
        config.stash[RUNNING].stop()
        for directory in {config.stash[RUNNING].data_dir, config.stash[RUNNING].home}:
            shutil.rmtree(directory, ignore_errors=True)
