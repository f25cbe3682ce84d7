"""Packages of tests that no lock of Candid holds: installed once a checkout, as their own lock says."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.needed import needed

TESTS = Path(__file__).resolve().parent.parent
NODE = TESTS / "node"
FRAMEWORKS = TESTS / "ingest" / "frameworks"
ENVIRONMENT = TESTS.parent / "var" / "frameworks"


def node_modules() -> Path:
    """The folder of `tests/node/package.json`, with the packages that it names beside it."""
    needed("node"), needed("npm")
    lock, installed = NODE / "package-lock.json", NODE / "node_modules"
    install(lock, installed, ["npm", "ci", "--no-audit", "--no-fund"])
    return NODE


def frameworks() -> Path:
    """The programs of the environment in which the apps of `tests/ingest/frameworks/` run."""
    lock = FRAMEWORKS / "requirements.lock"
    uv = [sys.executable, "-m", "uv"]
    create = [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(ENVIRONMENT)]
    fill = [*uv, "pip", "sync", "--quiet", "--require-hashes", "--python", str(ENVIRONMENT), str(lock)]
    install(lock, ENVIRONMENT, create, fill)
    return ENVIRONMENT / "bin"


def install(lock: Path, installed: Path, *commands: list[str]) -> None:
    """Run these commands unless they have run since the lock was changed. One worker does, the others wait.

    Where they fail, as they do without a network, the test is skipped, or fails if CI is set.
    """
    done = installed / ".installed.candid"
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if done.exists() and done.read_bytes() == lock.read_bytes():
            return
        for command in commands:
            ran = subprocess.run(command, cwd=lock.parent, capture_output=True, text=True, timeout=300)
            if ran.returncode and not os.environ.get("CI"):
                pytest.skip(f"{command[0]} could not install {lock.parent.name}: {ran.stderr[-200:]}")
            assert ran.returncode == 0, ran.stderr
        done.write_bytes(lock.read_bytes())
