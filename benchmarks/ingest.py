"""How fast ingest is, compared with the fastest way to get the same rows into PostgreSQL.

Starts a whole instance in a temporary data dir, and sends 512-span trace bodies over a few keep-alive
connections, JSON and protobuf in turn. After each run it copies the rows that were stored back into the same
tables with one `COPY … WITH (FORMAT binary)`, three times. Then it sends requests of one span, and times the
server's stages. Load generator, server and database share the machine: trust the ratio, not absolute figures.
"""

import argparse
import json
import os
import platform
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks.bodies import ORGANIZATION, USERS, JsonBodies, ProtobufBodies, user
from benchmarks.embedded import checkpoint
from tests.support.machine import Instance

TABLES = ("analytics_user_activity", "analytics_endpoint_usage", "analytics_feature_usage")
COPY_OUT = "COPY (SELECT * FROM {table} ORDER BY received_at) TO STDOUT WITH (FORMAT binary)"  # as they came
COPIES = 3
ENCODINGS = {"JSON": JsonBodies, "protobuf": ProtobufBodies}
GRANT = f"""
from datetime import timedelta
from django.utils import timezone
from consent.models import Method, State, SubjectKind
from consent.pseudonyms import pseudonym
from consent.decisions.recording import record_decision, register_organization
register_organization(pseudonym=pseudonym("organization", {ORGANIZATION!r}), deployment_type="cloud")
names = [("organization", {ORGANIZATION!r})] + [("user", {user("%d")!r} % n) for n in range({USERS})]
since = timezone.now() - timedelta(days=1)  # what the first requests tell of is some seconds old
for kind, raw in names:
    record_decision(kind=SubjectKind(kind), subject=pseudonym(kind, raw), state=State.GRANTED,
                    actor="benchmark", method=Method.COMMAND, effective_at=since)
import json
from django.db import connections
parameters = connections["analytics"].get_connection_params()
wanted = parameters.keys() & {"host", "port", "dbname", "user", "password"}
print(json.dumps(dict(zip(wanted, map(parameters.get, wanted)))))
"""


class Run(NamedTuple):
    """One run: requests and spans a second, latencies in ms, CPU in µs a span, and COPY's rows a second."""

    requests_per_second: float
    spans_per_second: float
    p50_ms: float
    p99_ms: float
    server_us: float
    analytics_us: float
    operational_us: float
    background_us: float
    client_us: float
    copy_per_second: float

    @property
    def ratio(self):
        return self.spans_per_second / self.copy_per_second


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10, help="of each run")
    # Eight, over two processes, leave a processor idle a tenth of the time.
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--spans", type=int, default=512, help="of each request")
    parser.add_argument("--one-span-connections", type=int, default=16)
    parser.add_argument("--runs", type=int, default=5, help="of each encoding, interleaved")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(machine())
    with tempfile.TemporaryDirectory(prefix="candid-bench-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        instance = Instance(Path(folder) / "var")
        try:
            results, single, stages = measure(instance, options, console)
        finally:
            instance.stop()
    show(results, options, console)
    show_single(single, options, console)
    show_stages(stages, results, options, console)


def machine():
    """What the figures depend on: processors, memory and Python."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    python = f"Python {platform.python_version()} ({sys._base_executable})"
    return f"{len(names)} × {names[0]}, {memory:.0f} GiB, {python}"


def measure(instance, options, console):
    console.print("Preparing consent for one organization and", USERS, "users …")
    parameters = json.loads(instance.manage("shell", "-v", "0", "-c", GRANT).splitlines()[-1])
    key = instance.manage("issue_key", "benchmark")
    results = {name: [] for name in ENCODINGS}
    single = {name: [] for name in ENCODINGS}
    with psycopg.connect(**parameters, autocommit=True) as database:
        for number in range(options.runs):
            for name, bodies in ENCODINGS.items():
                run = one_run(instance, bodies(options.spans), key, options, database)
                results[name].append(run)
                console.print(
                    f"{name} run {number + 1}: {run.spans_per_second:,.0f} spans/s, "
                    f"COPY {run.copy_per_second:,.0f} rows/s, ratio {run.ratio:.2f}"
                )
        for _ in range(options.runs):
            for name, bodies in ENCODINGS.items():
                single[name].append(
                    load(instance, bodies(1), key, options.one_span_connections, options, database)
                )
    console.print("Timing the stages …")
    code = f"from benchmarks.stages import main; main({options.spans})"
    stages = json.loads(instance.manage("shell", "-v", "0", "-c", code).splitlines()[-1])
    return results, single, stages


def one_run(instance, bodies, key, options, database):
    """Ingest into empty tables, then COPY of the rows that were stored."""
    for table in TABLES:
        database.execute(f"TRUNCATE {table}")
    checkpoint(database)
    send(instance.port, bodies, key, options.connections, 1.0)  # warm up
    run = load(instance, bodies, key, options.connections, options, database)
    return run._replace(copy_per_second=copy_rate(database))


def load(instance, bodies, key, connections, options, database):
    """One run of requests, without COPY's figure."""
    before, cpu, own = stored(database), instance.cpu_seconds(), time.process_time()
    begin = time.perf_counter()
    latencies = send(instance.port, bodies, key, connections, options.seconds)
    elapsed = time.perf_counter() - begin
    own = time.process_time() - own
    used = {part: seconds - cpu[part] for part, seconds in instance.cpu_seconds().items()}
    spans, sent = stored(database) - before, len(latencies) * bodies.spans
    if spans != sent:
        raise SystemExit(f"{sent} spans were acknowledged but {spans} rows were stored")
    latencies.sort()
    per_span = {part: seconds / spans * 1e6 for part, seconds in used.items()}
    return Run(
        len(latencies) / elapsed,
        spans / elapsed,
        latencies[len(latencies) // 2] * 1000,
        latencies[int(len(latencies) * 0.99)] * 1000,
        per_span["server"],
        per_span["analytics"],
        per_span["operational"],
        per_span["background"],
        own / spans * 1e6,
        float("nan"),
    )


def send(port, bodies, key, connections, seconds, clock=time.time_ns):
    """Send over a few connections. Returns the latencies in seconds; every answer must be 200.

    The events of each request are from the seconds before `clock()` (nanoseconds since 1970).
    """
    latencies, failures = [], []
    until = time.perf_counter() + seconds
    head = (
        f"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: {bodies.content_type}\r\nContent-Length: "
    ).encode()

    def client():
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while time.perf_counter() < until and not failures:
                body = bodies.next(clock())
                begin = time.perf_counter()
                connection.sendall(b"%b%d\r\n\r\n%b" % (head, len(body), body))
                status, text = answer(connection)
                latencies.append(time.perf_counter() - begin)
                if status != 200 or len(text) > 2:
                    failures.append((status, text[:300]))

    threads = [threading.Thread(target=client) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise SystemExit(f"not everything was accepted: {failures[0]}")
    return latencies


def answer(connection):
    """Status and content of the next answer. Cheap, because client and server share the processors."""
    text = b""
    while b"\r\n\r\n" not in text:
        piece = connection.recv(65536)
        if not piece:
            raise SystemExit("the server closed the connection")
        text += piece
    head, _, content = text.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    while len(content) < length:
        content += connection.recv(65536)
    return int(head[9:12]), content


def stored(database):
    return sum(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES)


def copy_rate(database):
    """Rows a second (median) of binary COPY of the stored rows into empty tables, on one connection."""
    saved, rows = save(database), stored(database)
    return statistics.median(rows / copied(database, saved) for _ in range(COPIES))


def save(database):
    """The stored rows of each table, as COPY gives them."""
    saved = {}
    for table in TABLES:
        with database.cursor() as cursor, cursor.copy(COPY_OUT.format(table=table)) as copy:
            saved[table] = b"".join(copy)
    return saved


def copied(database, saved):
    """Seconds of one COPY of all tables, in one transaction."""
    for table in TABLES:
        database.execute(f"TRUNCATE {table}")
    checkpoint(database)
    begin = time.perf_counter()
    with database.transaction():
        for table in TABLES:
            with database.cursor() as cursor:
                with cursor.copy(f"COPY {table} FROM STDIN WITH (FORMAT binary)") as copy:
                    content = memoryview(saved[table])
                    for at in range(0, len(content), 1 << 18):
                        copy.write(content[at : at + (1 << 18)])
    return time.perf_counter() - begin


def middle(runs):
    """The median of each figure."""
    return Run(*(statistics.median(column) for column in zip(*runs, strict=True)))


def show(results, options, console):
    heads = ("", "spans/s", "p50 ms", "p99 ms", "COPY rows/s", "spans / COPY")
    table = a_table(
        f"{options.spans}-span requests, {options.connections} connections, "
        f"{options.seconds:g} s, median of {options.runs}",
        heads,
    )
    for name, runs in results.items():
        run, ratio = middle(runs), statistics.median(run.ratio for run in runs)
        table.add_row(
            name,
            f"{run.spans_per_second:,.0f}",
            f"{run.p50_ms:.1f}",
            f"{run.p99_ms:.1f}",
            f"{run.copy_per_second:,.0f}",
            f"{ratio:.3f}",
        )
    console.print(table)


def show_single(single, options, console):
    heads = ("", "requests/s", "p50 ms", "p99 ms", "server µs", "databases µs", "client µs")
    table = a_table(f"one-span requests, {options.one_span_connections} connections", heads)
    for name, runs in single.items():
        run = middle(runs)
        databases = run.analytics_us + run.operational_us + run.background_us
        figures = (run.p50_ms, run.p99_ms, run.server_us, databases, run.client_us)
        table.add_row(name, f"{run.requests_per_second:,.0f}", *(f"{figure:.1f}" for figure in figures))
    console.print(table)


def show_stages(stages, results, options, console):
    """CPU a span: of each stage measured alone, and of the whole server and the databases under load."""
    table = a_table(f"CPU, µs a span of {options.spans}-span requests", ("", *stages))
    for stage in stages["JSON"]:
        table.add_row(stage, *(f"{stages[name][stage]:.2f}" for name in stages))
    totals = {name: sum(stages[name].values()) for name in stages}
    table.add_row("all stages, one request at a time", *(f"{totals[name]:.2f}" for name in stages))
    runs = {name: middle(results[name]) for name in stages}
    table.add_section()
    for label, figure in (
        ("whole server under load (with HTTP, threads, caches lost)", "server_us"),
        ("analytics database", "analytics_us"),
        ("operational database", "operational_us"),
        ("database background", "background_us"),
        ("load generator", "client_us"),
    ):
        table.add_row(label, *(f"{getattr(runs[name], figure):.2f}" for name in stages))
    console.print(table)


def a_table(title, heads):
    table = Table(title=title)
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left")
    return table


if __name__ == "__main__":
    main()
