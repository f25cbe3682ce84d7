"""For every test of ingest: no background thread, and nothing left in memory by another test."""

import fcntl
import os
import subprocess
from pathlib import Path

import pytest
from django.db import connections

from ingest.http import cors
from ingest.mapping.name_limits import known_names
from ingest.traffic import counting
from tests.support.needed import needed

NODE = Path(__file__).parent.parent / "node"


@pytest.fixture(autouse=True)
def _quiet_ingest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts are written when a test asks for it, not by the thread; caches are empty."""
    monkeypatch.setattr(counting, "_ensure_started", lambda: None)
    counting._waiting.clear()
    known_names.forget()
    monkeypatch.setattr(cors, "_publishable", cors._PublishableOrigins())


@pytest.fixture
def rolled_back(db: None) -> None:
    """Keep the store's transactions inside the test's: psycopg would commit those that it began itself."""
    connections["analytics"].cursor().execute("SELECT 1")


@pytest.fixture(scope="session")
def node_modules(pytestconfig: pytest.Config) -> Path:
    """The Node SDK, installed once as locked; without npm the test is skipped, or fails if CI is set."""
    needed("node"), needed("npm")
    lock = (NODE / "package-lock.json").read_bytes()
    installed = NODE / "node_modules" / ".package-lock.candid"
    with (NODE / "package.json").open() as held:  # one worker installs, the others wait
        fcntl.flock(held, fcntl.LOCK_EX)
        install(installed, lock)
    return NODE


def install(installed: Path, lock: bytes) -> None:
    if not installed.exists() or installed.read_bytes() != lock:
        result = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund"], cwd=NODE, capture_output=True, text=True, timeout=300
        )
        if result.returncode and not os.environ.get("CI"):
            pytest.skip(f"npm ci could not install the Node SDK: {result.stderr[-200:]}")
        assert result.returncode == 0, result.stderr
        installed.write_bytes(lock)
