"""Programs that a machine may lack: a test that needs one is skipped, or fails if CI is set."""

import os
import shutil
from typing import NoReturn

import pytest


def needed(*names: str) -> str:
    """The path of the first of these programs that is installed."""
    return next(filter(None, map(shutil.which, names)), "") or missing(f"{names[0]} is not installed")


def missing(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
