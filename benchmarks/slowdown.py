"""How much roll-ups slow ingest: `python -m benchmarks.slowdown`.

An instance has events of today already, spread over the hours so far. It gets the same load again and again,
with roll-ups off, on, on, off; before each run the tables are put back to those first events. To switch
roll-ups off, this holds the lock of their job, so that each run of the job ends at once; everything else goes
on, marks included. Runs are long enough for the job to build today several times. Load generator, server
and databases share the machine: trust the ratio.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import psycopg
from rich.console import Console

from benchmarks.bodies import LASTS, SECOND
from benchmarks.ingest import (
    ENCODINGS,
    GRANT,
    Run,
    a_table,
    copied,
    load,
    machine,
    middle,
    save,
    send,
    stored,
)
from postgres import locks
from tests.support.machine import Instance

WANTED = 0.9  # least share of the spans a second without roll-ups
WORDS = {False: "off", True: "on"}
PAUSE = "SELECT pg_advisory_lock(%s, hashtext('roll-ups'))"  # waits for a build that is under way
RESUME = "SELECT pg_advisory_unlock(%s, hashtext('roll-ups'))"
BUILDING = """
SELECT count(*), sum(extract(epoch FROM least(ended_at, %(end)s) - greatest(started_at, %(begin)s)))::float8
  FROM analytics_jobrun
 WHERE job = 'roll-ups' AND summary LIKE 'Built%%' AND started_at < %(end)s AND ended_at > %(begin)s
"""


class Beside(NamedTuple):
    """A run of ingest, and what roll-ups did meanwhile: number of builds, and the share of time they took."""

    ingest: Run
    builds: int
    share: float

    @property
    def sentence(self):
        spans, p99 = self.ingest.spans_per_second, self.ingest.p99_ms
        return f"{spans:,.0f} spans/s, p99 {p99:.0f} ms, {self.builds} builds in {self.share:.0%} of the time"


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slowdown")
    parser.add_argument("--events", type=int, default=400_000, help="least events of today before each run")
    parser.add_argument(
        "--seconds", type=float, default=60, help="length of each run; enough for several builds"
    )
    parser.add_argument("--runs", type=int, default=4, help="runs without roll-ups, and as many with them")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--spans", type=int, default=512, help="of each request")
    parser.add_argument("--encoding", choices=ENCODINGS, default="JSON")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(machine())
    with tempfile.TemporaryDirectory(prefix="candid-bench-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        instance = Instance(Path(folder) / "var")
        try:
            results = measure(instance, options, console)
        finally:
            instance.stop()
    sys.exit(show(results, options, console) < WANTED)


def measure(instance, options, console):
    """The runs without roll-ups (False) and with them (True)."""
    parameters = json.loads(instance.manage("shell", "-v", "0", "-c", GRANT).splitlines()[-1])
    lock = [locks.JOB]
    key = instance.manage("issue_key", "benchmark")
    bodies = ENCODINGS[options.encoding](options.spans)
    results = {False: [], True: []}
    with psycopg.connect(**parameters, autocommit=True) as database:
        database.execute(PAUSE, lock)
        while (rows := stored(database)) < options.events:
            send(instance.port, bodies, key, options.connections, 0.5, some_time_today)
        console.print(f"{rows:,} events of today")
        saved = save(database)
        for number in range(2 * options.runs):
            beside = number % 4 in (1, 2)
            copied(database, saved)
            database.execute("TRUNCATE analytics_mark")
            send(instance.port, bodies, key, options.connections, 1.0)  # warm up
            if beside:
                database.execute(RESUME, lock)
            begin = datetime.now(UTC)
            run = load(instance, bodies, key, options.connections, options, database)
            end = datetime.now(UTC)
            if beside:
                database.execute(PAUSE, lock)
            builds, seconds = database.execute(BUILDING, {"begin": begin, "end": end}).fetchone()
            if bool(builds) != beside:
                raise SystemExit(f"{builds} builds, roll-ups {WORDS[beside]}: --seconds may be too few")
            one = Beside(run, builds, (seconds or 0) / (end - begin).total_seconds())
            results[beside].append(one)
            console.print(f"roll-ups {WORDS[beside]}: {one.sentence}")
    return results


def some_time_today():
    """A random time of today in nanoseconds since 1970, at least some seconds past midnight (UTC)."""
    now = time.time_ns()
    midnight = now - now % (24 * 3600 * SECOND)
    return random.randint(min(midnight + LASTS, now), now)


def show(results, options, console):
    """Print the figures. Returns spans a second with roll-ups, as a share of those without."""
    heads = ("roll-ups", "spans/s", "p50 ms", "p99 ms", "builds a run", "share of the time")
    title = f"{options.spans}-span requests, {options.encoding}, {options.connections} connections, "
    table = a_table(f"{title}{options.seconds:g} s, median of {options.runs}", heads)
    medians = {beside: middle([one.ingest for one in runs]) for beside, runs in results.items()}
    for beside, run in medians.items():
        builds = statistics.median(one.builds for one in results[beside])
        share = statistics.median(one.share for one in results[beside])
        figures = (f"{run.spans_per_second:,.0f}", f"{run.p50_ms:.1f}", f"{run.p99_ms:.1f}")
        table.add_row(WORDS[beside], *figures, f"{builds:g}", f"{share:.0%}")
    console.print(table)
    ratio = medians[True].spans_per_second / medians[False].spans_per_second
    console.print(f"With roll-ups, ingest stored {ratio:.3f} times as many spans a second as without.")
    return ratio


if __name__ == "__main__":
    main()
