"""`python -m benchmarks.mutants [LIST.toml …]`: puts each slip into a copy of the tree and runs its tests.

Prints a line for each slip as it ends, then the survivors. A slip is killed when a test fails, or when the
tests do not end in time. Exits with 1 when fewer than 90 % are killed.
"""

import argparse
import queue
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.mutants.mutants import ROOT, Mutant, WrongMutant, lists, read

ENOUGH = 0.9  # of the slips that are not equivalent
SECONDS = 900  # for the tests of one slip
PYTEST = ("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider")
TESTS_FAILED = 1  # pytest's exit code

console = Console(soft_wrap=True)


class Verdict(NamedTuple):
    mutant: Mutant
    outcome: str  # killed, survived, equivalent, broken
    by: str  # the test that failed, or what pytest said


def main() -> int:
    arguments = _arguments()
    try:
        mutants = read(arguments.lists or lists())
    except WrongMutant as error:
        console.print(f"[red]{escape(str(error))}[/]")
        return 2
    chosen = [mutant for mutant in mutants if arguments.match in f"{mutant.file} {mutant.what}"]
    if arguments.check:
        console.print(f"{len(chosen)} slips fit the code.")
        return 0
    with tempfile.TemporaryDirectory(prefix="candid-mutants-") as directory:
        Path(directory).chmod(0o755)  # as root, the servers' own user must pass
        verdicts = _run(chosen, Path(directory), arguments.jobs)
    return _conclude(verdicts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__)
    parser.add_argument("lists", nargs="*", type=Path, help="lists of slips; all of them if none is named")
    parser.add_argument("--match", default="", help="only slips whose file or description contains this")
    parser.add_argument("--jobs", type=int, default=2, help="how many slips are tried at the same time")
    parser.add_argument("--check", action="store_true", help="only check that the lists fit the code")
    return parser.parse_args()


def _run(mutants: list[Mutant], directory: Path, jobs: int) -> list[Verdict]:
    """Try all slips, each in a copy of the tree that no other slip uses meanwhile."""
    copies: queue.Queue[Path] = queue.Queue()
    for number in range(jobs):
        copies.put(_copied(directory / f"copy-{number}"))

    def judge(mutant: Mutant) -> Verdict:
        copy = copies.get()
        try:
            return _try(mutant, copy)
        finally:
            copies.put(copy)

    verdicts: list[Verdict] = []
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress, ThreadPoolExecutor(jobs) as pool:
        task = progress.add_task("slips tried", total=len(mutants))
        for done in as_completed([pool.submit(judge, mutant) for mutant in mutants]):
            verdict = done.result()
            verdicts.append(verdict)
            colour = "green" if verdict.outcome in ("killed", "equivalent") else "red"
            line = f"{verdict.mutant.file}: {verdict.mutant.what} ({verdict.by})"
            progress.console.print(f"[{colour}]{verdict.outcome:>10}[/] {escape(line)}", highlight=False)
            progress.advance(task)
    return verdicts


def _copied(target: Path) -> Path:
    """Copy the tree as it is: the files that git tracks, and new ones that it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def _try(mutant: Mutant, copy: Path) -> Verdict:
    file = copy / mutant.file
    correct = file.read_bytes()
    file.write_text(mutant.mutated(copy))
    try:
        ended = subprocess.run(
            [sys.executable, *PYTEST, *mutant.tests.split()],
            cwd=copy, check=False, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Verdict(mutant, "killed", f"the tests had not ended after {SECONDS} seconds")
    finally:
        file.write_bytes(correct)
    said = [line for line in (*ended.stdout.splitlines(), *ended.stderr.splitlines()) if line.strip()]
    failed = [line for line in said if line.startswith(("FAILED ", "ERROR "))]
    if ended.returncode == TESTS_FAILED and failed:
        return Verdict(mutant, "killed", failed[0].split(" - ")[0])
    last = said[-1] if said else "pytest said nothing"
    if ended.returncode:
        return Verdict(mutant, "broken", last)
    return Verdict(mutant, "equivalent" if mutant.equivalent else "survived", mutant.equivalent or last)


def _conclude(verdicts: list[Verdict]) -> int:
    count = Counter(verdict.outcome for verdict in verdicts)
    judged = count["killed"] + count["survived"] + count["broken"]
    share = count["killed"] / judged if judged else 1.0
    for verdict in verdicts:
        if verdict.outcome in ("survived", "broken"):
            console.print(f"{verdict.outcome}: {verdict.mutant.file}: {verdict.mutant.what}", markup=False)
    console.print(
        f"{len(verdicts)} slips: {count['killed']} killed, {count['survived']} survived, "
        f"{count['equivalent']} equivalent, {count['broken']} broken. "
        f"Killed of those that matter: {share:.1%}."
    )
    return int(share < ENOUGH or count["broken"] > 0)


if __name__ == "__main__":
    sys.exit(main())
