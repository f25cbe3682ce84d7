"""`make proofs`: proofs that are run before a release, not with every change; they take hours.

    python -m benchmarks.proofs [NAME …]

Runs one proof after another, writes its output to a file, and shows its latest line. At the end it says in
a sentence what each has shown. Exits with 1 if one failed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

ROOT = Path(__file__).resolve().parents[1]


class Proof(NamedTuple):
    name: str
    command: list[str]  # after the path of Python
    shows: str
    environment: dict[str, str] = {}


class Result(NamedTuple):
    proof: Proof
    passed: bool
    seconds: float
    last_line: str


def module(name: str, *arguments: str) -> list[str]:
    return ["-m", f"benchmarks.{name}", *arguments]


PROOFS = [
    Proof(
        "reports",
        ["-m", "pytest", "-q", "tests/analytics/reports/test_equal_plain_sql.py"],
        "After weeks of random events, withdrawals, erasures and pruning every report equals plain SQL",
        {"SEQUENCES": "3000"},
    ),
    Proof(
        "tests",
        ["-m", "pytest", "-q", "--proofs", "-m", "proof"],
        "Builds, prunes and erasures killed anywhere are finished by the next run; instances side by side",
    ),
    Proof(
        "properties",
        ["-m", "pytest", "-q", "tests/ingest/mapping", "tests/ingest/otlp/test_slices.py"],
        "Thousands of random records are mapped as the rules say, in JSON and protobuf alike",
        {"EXAMPLES_TIMES": "50"},
    ),
    Proof("faults", module("faults", "all"), "Twelve kinds of faults under load lose no acknowledged record"),
    Proof("fuzz", module("fuzz", "http", "--bodies", "1000000"), "A million hostile bodies, no 5xx"),
    Proof("withdrawal", module("withdrawal"), "No row is committed after a withdrawal was answered"),
    Proof("canaries", module("canaries"), "No e-mail address, token or card is in any dump, file or log"),
    Proof("restarts", module("restarts"), "Real SDKs lose nothing over restarts"),
    Proof("mutants", module("mutants"), "At least 90 % of the slips are noticed by the tests of their room"),
    Proof("bare", module("bare"), "Both commands of the README work on a bare Debian (needs root)"),
]


def main() -> int:
    names = [proof.name for proof in PROOFS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones: {', '.join(names)}")
    chosen = parser.parse_args().names or names
    if unknown := sorted({*chosen} - {*names}):
        parser.error(f"no such proof: {unknown[0]}")
    console, logs = Console(highlight=False), Path(tempfile.mkdtemp(prefix="candid-proofs-"))
    console.print(f"What they print is in {logs}.")
    results = [run(proof, logs / f"{proof.name}.log", console) for proof in PROOFS if proof.name in chosen]
    for result in results:
        outcome = "shown" if result.passed else "FAILED"
        console.print(f"{outcome:6} {result.proof.shows} ({result.seconds / 60:.0f} min): {result.last_line}")
    return 0 if all(result.passed for result in results) else 1


def run(proof: Proof, log: Path, console: Console) -> Result:
    """Run a proof to its end, and show its latest line meanwhile."""
    began, last = time.monotonic(), ""
    running = subprocess.Popen(
        [sys.executable, *proof.command], cwd=ROOT, env=os.environ | proof.environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert running.stdout
    with log.open("w") as file, console.status(proof.name) as status:
        for line in running.stdout:
            file.write(line)
            last = line.strip() or last
            status.update(f"{proof.name}: {last[:90]}")
    passed = running.wait() == 0
    return Result(proof, passed, time.monotonic() - began, last)


if __name__ == "__main__":
    sys.exit(main())
