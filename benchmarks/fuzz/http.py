"""Sends hostile bodies over HTTP to a whole instance, from a few processes, and reports on both."""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.faults.instance import ROOT, Instance, Memory, directory
from tests.support.faults.scenarios import count
from tests.support.faults.verify import truncate


class Report(NamedTuple):
    """The result of a run."""

    bodies: int
    seconds: float
    statuses: Counter[str]  # '0': no answer
    stored: int  # bodies of which at least one record reached storage
    rows: int  # in the database at the end
    reconnects: int
    slowest: float  # seconds until an answer
    memory: dict[str, float]  # MB, the biggest process of a kind
    crashes: list[str]
    kept: list[str]  # files with bodies that were answered with 5xx, or not at all

    @property
    def is_right(self) -> bool:
        return not self.crashes and not any(status == "0" or status >= "5" for status in self.statuses)


def run(
    *,
    bodies: int,
    seed: int,
    findings: Path,
    processes: int = 2,
    connections: int = 4,
    instance: Instance | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Report:
    """Send this many bodies; each process uses this many keep-alive connections."""
    findings.mkdir(parents=True, exist_ok=True)
    if instance is not None:
        return _run(instance, bodies, seed, findings, processes, connections, progress)
    with directory() as folder:
        started = Instance(folder / "var")
        try:
            return _run(started, bodies, seed, findings, processes, connections, progress)
        finally:
            started.stop()


def _run(
    instance: Instance,
    bodies: int,
    seed: int,
    findings: Path,
    processes: int,
    connections: int,
    progress: Callable[[int], None],
) -> Report:
    with instance.prepared.connect() as database:
        truncate(database)
    memory, workers = Memory(instance, list), {one.pid for one in instance.web_workers()}
    said: list[dict[str, Any]] = [{"statuses": {}} for _ in range(processes)]
    begin, already = time.monotonic(), len(instance.log)
    senders = [
        _sender(instance, said, number, seed, findings, bodies // processes, connections)
        for number in range(processes)
    ]
    while any(reader.is_alive() for _, reader in senders):
        progress(sum(sum(one["statuses"].values()) for one in said))
        time.sleep(0.2)
    seconds = time.monotonic() - begin
    memory.stop()
    crashes = [f"worker {pid} is gone" for pid in workers - {one.pid for one in instance.web_workers()}]
    crashes += [line for line in instance.log[already:] if "failed" in line or "Traceback" in line][:5]
    crashes += ["a sender ended early" for process, _ in senders if process.wait()]
    with instance.prepared.connect() as database:
        rows = count(database)
    statuses = sum((Counter(one["statuses"]) for one in said), Counter())
    return Report(
        statuses.total(),
        seconds,
        statuses,
        sum(one.get("stored", 0) for one in said),
        rows,
        sum(one.get("reconnects", 0) for one in said),
        max(one.get("slowest", 0.0) for one in said),
        dict(memory.biggest),
        crashes,
        [name for one in said for name in one.get("kept", [])],
    )


def _sender(
    instance: Instance,
    said: list[dict[str, Any]],
    number: int,
    seed: int,
    findings: Path,
    bodies: int,
    connections: int,
) -> tuple[subprocess.Popen[str], threading.Thread]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.fuzz.sender"],
        cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin
    assert process.stdout
    lines = process.stdout
    orders = {
        "host": instance.host, "ports": instance.ports, "key": instance.prepared.key, "bodies": bodies,
        "seed": seed * 1000 + number, "folder": str(findings), "connections": connections,
    }  # fmt: skip
    process.stdin.write(json.dumps(orders) + "\n")
    process.stdin.close()

    def read() -> None:
        for line in lines:
            said[number] = json.loads(line)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    return process, reader
