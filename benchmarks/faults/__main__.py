"""`python -m benchmarks.faults SCENARIO … [--records N] [--kills N]`: injects faults, shows the results."""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from tests.support.faults.instance import directory, end_on_sigterm
from tests.support.faults.run import Outcome, run
from tests.support.faults.scenarios import SCENARIOS, Scenario, Skipped


def main() -> None:
    options = arguments()
    end_on_sigterm()
    console = Console(width=None if sys.stdout.isatty() else 160)
    outcomes, skipped = [], {}
    for name in SCENARIOS if "all" in options.scenario else options.scenario:
        try:
            outcomes.append(one(SCENARIOS[name](), options, console))
            console.print(f"{name}: {outcomes[-1].outcomes} {outcomes[-1].problems}")
        except Skipped as reason:
            skipped[name] = str(reason)
        if options.json:
            found = [outcome.as_json() for outcome in outcomes]
            options.json.write_text(json.dumps({"runs": found, "skipped": skipped}, indent=1))
    show(outcomes, skipped, console)
    sys.exit(any(outcome.problems for outcome in outcomes))


def arguments() -> argparse.Namespace:
    listed = "\n".join(f"  {name:12} {scenario.covers}" for name, scenario in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.faults",
        description="Injects faults into a whole instance under load, and compares what was "
        f"acknowledged with what is stored.\n\nscenarios:\n{listed}\n  all",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenario", nargs="+", choices=[*SCENARIOS, "all"], metavar="SCENARIO")
    parser.add_argument(
        "--records", type=int, default=100_000, help="least number of acknowledged records (100,000)"
    )
    parser.add_argument("--kills", type=int, default=20, help="least number of faults (20)")
    parser.add_argument(
        "--rate", type=float, default=4000, help="most records a second that the clients send (4000)"
    )
    parser.add_argument("--json", type=Path, help="also write everything to this file")
    return parser.parse_args()


def one(scenario: Scenario, options: argparse.Namespace, console: Console) -> Outcome:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as bars, directory() as folder:
        strikes = bars.add_task(f"{scenario.name}: faults", total=options.kills)
        records = bars.add_task("records acknowledged", total=options.records)

        def progress(done: int, acknowledged: int, what: str) -> None:
            bars.update(strikes, completed=done, description=f"{scenario.name}: {what or 'faults'}")
            bars.update(records, completed=acknowledged)

        return run(
            scenario, folder=folder, records=options.records, kills=options.kills, rate=options.rate,
            progress=progress,
        )  # fmt: skip


def show(outcomes: list[Outcome], skipped: dict[str, str], console: Console) -> None:
    table = Table(title="Faults: what was acknowledged must be stored exactly once")
    for head in (
        "scenario", "faults", "in commit", "acked", "missing", "twice", "wrong", "torn", "resent",
        "settled", "500", "503", "recovery s", "gap s", "web MB", "db MB", "s", "",
    ):  # fmt: skip
        table.add_column(head, justify="left" if head in ("scenario", "") else "right")
    for outcome in outcomes:
        found, statuses = outcome.findings, outcome.outcomes
        recoveries = sorted(strike.recovery for strike in outcome.strikes) or [0.0]
        table.add_row(
            outcome.scenario, str(len(outcome.strikes)), str(outcome.in_commit), f"{found.acknowledged:,}",
            *(str(number) for number in (found.missing, found.twice, found.wrong, found.torn)),
            f"{found.resent:,}", f"{found.settled:,}", str(statuses.get("500", 0)),
            f"{statuses.get('503', 0):,}", f"{recoveries[len(recoveries) // 2]:.1f}, {recoveries[-1]:.1f}",
            f"{outcome.longest_gap:.1f}", f"{outcome.memory.get('web', 0):.0f}",
            f"{outcome.memory_together.get('postgres', 0):.0f}", f"{outcome.seconds:.0f}",
            "[red]FAILED" if outcome.problems else "[green]right",
        )  # fmt: skip
    console.print(table)
    console.print(
        "in commit: faults that hit while a commit was under way. resent, settled: requests; settled ones "
        "had been committed by an attempt whose answer was lost. recovery: median and longest, from the end "
        "of a fault to the first 200. gap: the longest time without any 200. MB: the biggest web process; "
        "all of PostgreSQL without its shared buffers.",
        style="dim"
    )  # fmt: skip
    for outcome in outcomes:
        for problem in outcome.problems:
            console.print(f"[red]{outcome.scenario}: {problem}")
    for name, reason in skipped.items():
        console.print(f"{name}: skipped: {reason}")


if __name__ == "__main__":
    main()
