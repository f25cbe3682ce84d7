"""Recognizes and stops server processes that may not be our children; opens their logs."""

import importlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import IO, Any

LOG_LIMIT = 10_000_000  # bytes; a longer log is put aside once, at the next start


def is_running(pid: int, program: str, argument: str) -> bool:
    """Whether this process is alive and is this program with this argument: process ids are reused."""
    psutil: Any = importlib.import_module("psutil")  # comes with the embedded servers' packages
    try:
        process = psutil.Process(pid)
        command = " ".join(process.cmdline())
        return process.status() != psutil.STATUS_ZOMBIE and program in command and argument in command
    except psutil.Error:
        return False


def stop_process(
    pid: int, how: signal.Signals, *, seconds: float, child: subprocess.Popen[bytes] | None
) -> bool:
    """Send a signal and wait. Returns whether the process is gone (a zombie is gone)."""
    psutil: Any = importlib.import_module("psutil")
    try:
        process = psutil.Process(pid)
        process.send_signal(how)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if child is not None:
                child.poll()  # reaps it when it is ours
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                return True
            time.sleep(0.01)
    except psutil.NoSuchProcess:
        return True
    return False


def open_log(path: Path) -> IO[bytes]:
    """Open a server's log to append to; a long one becomes `<name>.1` first."""
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_name(f"{path.name}.1"))
    return open(path, "ab", opener=lambda name, flags: os.open(name, flags, 0o600))
