"""`python -m benchmarks.withdrawal [--flips N] [--instances N] [--workers N] [--unlocked]`."""

import argparse
import contextlib
import json
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.embedded import servers
from tests.support.faults.instance import directory, end_on_sigterm
from tests.support.machine import free_ports
from tests.support.withdrawal.flips import ORGANIZATION, USER, Flip, Flips, flip

ROOT = Path(__file__).resolve().parent.parent.parent
UNLOCKED = "tests.support.withdrawal.unlocked"
READY_WITHIN = 60.0  # seconds
WANTED = 0.250  # seconds that 99 in 100 withdrawals may take at most


def main() -> None:
    options = arguments()
    end_on_sigterm()
    console = Console(width=None if sys.stdout.isatty() else 140)
    with directory() as folder, servers(folder / "var"), contextlib.ExitStack() as running:
        from consent.keys import issue_key

        orders = {"key": issue_key(name="senders", scopes=["ingest"])[0]}
        orders |= {"senders": options.senders, "records": options.records}
        orders |= start(options, folder, running)
        result = measure(options, orders, console)
    show(result, options, console)
    if options.json:
        flips = [one._asdict() for one in result.flips]
        options.json.write_text(json.dumps({"flips": flips, "answers": result.answers}, indent=1))
    sys.exit(bool(problems(result, options)))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.withdrawal")
    parser.add_argument("--flips", type=int, default=1000, help="grants and withdrawals (1000)")
    parser.add_argument("--senders", type=int, default=8, help="senders, half of which speak gRPC (8)")
    parser.add_argument("--records", type=int, default=40, help="records in each request (40)")
    parser.add_argument("--instances", type=int, default=1, help="instances on one pair of databases (1)")
    parser.add_argument("--workers", type=int, default=1, help="web processes of each instance (1)")
    parser.add_argument("--minutes", type=float, default=60, help="most minutes (60), even if flips are left")
    parser.add_argument(
        "--unlocked", action="store_true", help="without the lock, until a row comes too late"
    )
    parser.add_argument("--json", type=Path, help="also write every flip to this file")
    return parser.parse_args()


def start(options: argparse.Namespace, folder: Path, running: contextlib.ExitStack) -> dict[str, list[int]]:
    """Start the receivers of every instance. Returns their ports once they answer."""
    from telemetry_site.server import probes
    from telemetry_site.server.programs import granian

    target = UNLOCKED if options.unlocked else "telemetry_site.server.rsgi_otlp"
    serve = ["-m", UNLOCKED, "serve_grpc"] if options.unlocked else ["manage.py", "serve_grpc"]
    ports, grpc_ports = free_ports(options.instances), free_ports(options.instances)
    commands = [
        granian(f"{target}:application", {"host": "127.0.0.1", "workers": options.workers}, port)
        for port in ports
    ]
    commands += [[sys.executable, *serve, "--port", str(port), "--verbosity", "0"] for port in grpc_ports]
    for number, command in enumerate(commands):
        log = running.enter_context((folder / f"{number}.log").open("wb"))
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        running.callback(end, process)
    end_at = time.monotonic() + READY_WITHIN
    while not (
        all(probes.answers(f"http://127.0.0.1:{port}/health") for port in ports)
        and all(probes.speaks_http2("127.0.0.1", port) for port in grpc_ports)
    ):
        if time.monotonic() > end_at:
            raise RuntimeError("the receivers did not start; look at the logs in " + str(folder))
        time.sleep(0.1)
    return {"ports": ports, "grpc_ports": grpc_ports}


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def measure(options: argparse.Namespace, orders: dict[str, Any], console: Console) -> Flips:
    from django.db import connections

    given = connections["analytics"].get_connection_params()
    where = {name: given[name] for name in ("host", "port", "dbname", "user", "password") if name in given}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with psycopg.connect(**where, autocommit=True) as database, Progress(*columns, console=console) as bars:
        bar = bars.add_task("flips", total=options.flips)
        end_at = time.monotonic() + options.minutes * 60

        def note(done: list[Flip]) -> bool:
            late = sum(one.late for one in done)
            bars.update(bar, completed=len(done), description=f"flips ({late} rows too late)")
            return not (options.unlocked and late) and time.monotonic() < end_at

        return flip(times=options.flips, decide=decide, database=database, orders=orders, note=note)


def decide(kind: str, granted: bool) -> datetime:
    """As the API does it: recorded, and the barrier passed, before it returns."""
    from consent.decisions.recording import record_decision
    from consent.models import Method, State, SubjectKind
    from consent.pseudonyms import pseudonym

    return record_decision(
        kind=SubjectKind(kind),
        subject=pseudonym(kind, {"user": USER, "organization": ORGANIZATION}[kind]),
        state=State.GRANTED if granted else State.DENIED,
        actor="benchmark",
        method=Method.COMMAND,
    ).effective_at


def show(result: Flips, options: argparse.Namespace, console: Console) -> None:
    lock = "lock taken out" if options.unlocked else "as it is"
    title = f"Withdrawals: {options.instances} instances of {options.workers} web workers, {lock}"
    table = Table(title=title)
    for head in ("flips", "rows", "too late", "empty periods", "p50 ms", "p99 ms", "longest ms", "answers"):
        table.add_column(head, justify="right")
    table.add_row(
        f"{len(result.flips):,}", f"{sum(one.rows for one in result.flips):,}", f"{result.late:,}",
        str(result.empty), *(f"{result.percentile(share) * 1000:.0f}" for share in (0.5, 0.99, 1.0)),
        ", ".join(f"{number:,} {answer}" for answer, number in result.answers.most_common()),
    )  # fmt: skip
    console.print(table)
    for problem in problems(result, options):
        console.print(f"[red]{problem}")


def problems(result: Flips, options: argparse.Namespace) -> list[str]:
    if options.unlocked:
        return [] if result.late else ["no row was too late without the lock, so this proves nothing"]
    found = []
    if result.late:
        found.append(f"{result.late} rows were committed after a withdrawal had been answered")
    if result.empty:
        found.append(f"{result.empty} periods of consent have no rows")
    if result.percentile(0.99) > WANTED:
        found.append(f"the withdrawal's p99 is above {WANTED * 1000:g} ms")
    return found


if __name__ == "__main__":
    main()
