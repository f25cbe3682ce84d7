"""`python -m benchmarks.fuzz {decoders,http}`: tries bodies, prints what became of them and what failed."""

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.fuzz import http
from tests.support.faults.instance import end_on_sigterm
from tests.support.fuzz import decoders


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument(
        "what", choices=["decoders", "http"], help="decoders: in this process; http: over a whole instance"
    )
    parser.add_argument("--bodies", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats a run's bodies")
    parser.add_argument("--connections", type=int, default=4, help="of each of the two sending processes (4)")
    parser.add_argument(
        "--findings", type=Path, default=Path("var/fuzz"), help="where bodies that fail are kept"
    )
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    end_on_sigterm()
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(f"seed {options.seed}")
    with Progress(console=console) as bars:
        task = bars.add_task(f"{options.what}: hostile bodies", total=options.bodies)

        def progress(done: int) -> None:
            bars.update(task, completed=done)

        is_right = (in_process if options.what == "decoders" else over_http)(options, progress, console)
    sys.exit(not is_right)


def in_process(options: argparse.Namespace, progress: Callable[[int], None], console: Console) -> bool:
    report = decoders.run(bodies=options.bodies, seed=options.seed, progress=progress)
    show("outcome", report.outcomes, console)
    megabytes = psutil.Process().memory_info().rss / 1e6
    console.print(
        f"{options.bodies / report.seconds:,.0f} bodies/s, slowest {report.slowest * 1000:.0f} ms, "
        f"memory {megabytes:.0f} MB"
    )
    for finding, file in zip(report.findings, decoders.keep(report.findings, options.findings), strict=True):
        console.print(f"[red]{finding.what}: {file}")
    return not report.findings


def over_http(options: argparse.Namespace, progress: Callable[[int], None], console: Console) -> bool:
    report = http.run(
        bodies=options.bodies,
        seed=options.seed,
        findings=options.findings,
        connections=options.connections,
        progress=progress,
    )
    show("status", report.statuses, console)
    console.print(
        f"{report.bodies:,} bodies in {report.seconds:.0f} s ({report.bodies / report.seconds:,.0f}/s), "
        f"{report.stored / report.bodies:.0%} reached storage, {report.rows:,} rows; slowest answer "
        f"{report.slowest:.2f} s, {report.reconnects} reconnects; biggest processes: "
        + ", ".join(f"{kind} {used:.0f} MB" for kind, used in sorted(report.memory.items()))
    )
    for problem in [*report.crashes, *report.kept]:
        console.print(f"[red]{problem}")
    if options.json:
        options.json.write_text(json.dumps(report._asdict() | {"seed": options.seed}, indent=1))
    return report.is_right


def show(head: str, counts: Counter[str], console: Console) -> None:
    table = Table()
    table.add_column(head)
    table.add_column("bodies", justify="right")
    table.add_column("share", justify="right")
    for name, number in counts.most_common():
        table.add_row(name, f"{number:,}", f"{number / counts.total():.1%}")
    console.print(table)


if __name__ == "__main__":
    main()
