"""How fast ingest is, against the fastest thing PostgreSQL can do with the same rows.

Starts a whole instance in a temporary data directory, sends 512-span trace bodies over a few
keep-alive connections, JSON and protobuf in turn, and after each run copies the very rows that it
stored back into the same tables with one `COPY … WITH (FORMAT binary)`. Load generator, server and
database share the machine: trust the ratio, not the absolute figures.
"""

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
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

ROOT = Path(__file__).resolve().parent.parent
TABLES = ("analytics_user_activity", "analytics_endpoint_usage", "analytics_feature_usage")
COPY_OUT = "COPY (SELECT * FROM {table} ORDER BY received_at) TO STDOUT WITH (FORMAT binary)"  # as they came
TICKS = os.sysconf("SC_CLK_TCK")
GRANT = f"""
from consent.models import Method, State, SubjectKind
from consent.pseudonyms import pseudonym
from consent.services import record_decision, register_organization
register_organization(pseudonym=pseudonym("organization", {ORGANIZATION!r}), deployment_type="cloud")
names = [("organization", {ORGANIZATION!r})] + [("user", {user("%d")!r} % n) for n in range({USERS})]
for kind, raw in names:
    record_decision(kind=SubjectKind(kind), subject=pseudonym(kind, raw), state=State.GRANTED,
                    actor="benchmark", method=Method.COMMAND)
import json
from django.db import connections
parameters = connections["analytics"].get_connection_params()
wanted = parameters.keys() & {"host", "port", "dbname", "user", "password"}
print(json.dumps(dict(zip(wanted, map(parameters.get, wanted)))))
"""


class Run(NamedTuple):
    """One run: spans stored a second, latencies in ms, CPU in µs a span, and COPY's rows a second."""

    spans_per_second: float
    p50_ms: float
    p99_ms: float
    server_us: float
    database_us: float
    client_us: float
    copy_per_second: float

    @property
    def ratio(self):
        return self.spans_per_second / self.copy_per_second


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--spans", type=int, default=512)
    parser.add_argument(
        "--runs", type=int, default=1, help="of each encoding, interleaved; medians are shown"
    )
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 120)
    with tempfile.TemporaryDirectory(prefix="candid-bench-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        instance = Instance(Path(folder) / "var")
        try:
            results = measure(instance, options, console)
        finally:
            instance.stop()
    show(results, options, console)


class Instance:
    """A whole Candid of its own: `manage.py up` on free ports."""

    def __init__(self, data_dir):
        self.data_dir = data_dir
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if name not in {"DATABASE_URL", "ANALYTICS_DATABASE_URL", "REDIS_URL", "DEBUG"}
        } | {"CANDID_DATA_DIR": str(data_dir)}
        self.port, otlp, grpc = free_ports(3)
        arguments = ["up", "--port", str(self.port), "--otlp-port", str(otlp), "--grpc-port", str(grpc)]
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.log = []
        for line in self.process.stdout:
            self.log.append(line)
            if "Candid is ready" in line:
                break
        else:
            raise SystemExit("the instance did not start:\n" + "".join(self.log[-20:]))
        threading.Thread(target=self.log.extend, args=(self.process.stdout,), daemon=True).start()

    def manage(self, *arguments):
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def cpu_seconds(self):
        """CPU time so far of (the web server, PostgreSQL)."""
        processes = process_table()
        postmaster = next(
            pid
            for pid, (parent, _, command) in processes.items()
            if "postgres" in command and str(self.data_dir) in command
        )
        database = tree_seconds(processes, postmaster)
        server = sum(
            seconds
            for pid, (_, seconds, command) in processes.items()
            if "granian" in command and f" {self.port}" in command
        )
        return server, database

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def process_table():
    """Of every process: parent, CPU seconds with those of its ended children, command line."""
    table = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        table[int(entry.name)] = (int(fields[1]), sum(map(int, fields[11:15])) / TICKS, command)
    return table


def tree_seconds(processes, root):
    total = processes[root][1]
    return total + sum(
        tree_seconds(processes, pid) for pid, (parent, _, _) in processes.items() if parent == root
    )


def measure(instance, options, console):
    console.print("Preparing consent for one organization and", USERS, "users …")
    parameters = json.loads(instance.manage("shell", "-v", "0", "-c", GRANT).splitlines()[-1])
    key = instance.manage("issue_key", "benchmark")
    results = {"JSON": [], "protobuf": []}
    with psycopg.connect(**parameters, autocommit=True) as database:
        for number in range(options.runs):
            for name, bodies in (("JSON", JsonBodies), ("protobuf", ProtobufBodies)):
                run = one_run(instance, bodies(options.spans), key, options, database)
                results[name].append(run)
                console.print(
                    f"{name} run {number + 1}: {run.spans_per_second:,.0f} spans/s, "
                    f"COPY {run.copy_per_second:,.0f} rows/s, ratio {run.ratio:.2f}"
                )
    return results


def one_run(instance, bodies, key, options, database):
    for table in TABLES:
        database.execute(f"TRUNCATE {table}")
    database.execute("CHECKPOINT")
    send(instance.port, bodies, key, options.connections, 1.0)  # warm up
    server, postgres = instance.cpu_seconds()
    own = time.process_time()
    before = stored(database)
    begin = time.perf_counter()
    latencies = send(instance.port, bodies, key, options.connections, options.seconds)
    elapsed = time.perf_counter() - begin
    spans = stored(database) - before
    sent = len(latencies) * options.spans
    if spans != sent:
        raise SystemExit(f"{sent} spans were acknowledged but {spans} rows were stored")
    server_after, postgres_after = instance.cpu_seconds()
    latencies.sort()
    return Run(
        spans / elapsed,
        latencies[len(latencies) // 2] * 1000,
        latencies[int(len(latencies) * 0.99)] * 1000,
        (server_after - server) / spans * 1e6,
        (postgres_after - postgres) / spans * 1e6,
        (time.process_time() - own) / spans * 1e6,
        copy_rate(database),
    )


def send(port, bodies, key, connections, seconds):
    """Latencies in seconds of the requests that a few connections made, all of them answered 200."""
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
                body = bodies.next(int(time.time()))
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
    """Status and content of the next answer. With little work: client and server share processors."""
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
    """Rows a second of one binary COPY of the stored rows into the emptied tables, on one connection."""
    saved, rows = {}, stored(database)
    for table in TABLES:
        with database.cursor() as cursor, cursor.copy(COPY_OUT.format(table=table)) as copy:
            saved[table] = b"".join(copy)
        database.execute(f"TRUNCATE {table}")
    database.execute("CHECKPOINT")
    begin = time.perf_counter()
    with database.transaction():
        for table in TABLES:
            with database.cursor() as cursor:
                with cursor.copy(f"COPY {table} FROM STDIN WITH (FORMAT binary)") as copy:
                    content = memoryview(saved[table])
                    for at in range(0, len(content), 1 << 18):
                        copy.write(content[at : at + (1 << 18)])
    return rows / (time.perf_counter() - begin)


def show(results, options, console):
    table = Table(
        title=f"{options.spans}-span bodies, {options.connections} connections, "
        f"{options.seconds:g} s, median of {options.runs}"
    )
    for head in (
        "",
        "spans/s",
        "p50 ms",
        "p99 ms",
        "server µs/span",
        "database µs",
        "client µs",
        "COPY rows/s",
        "spans / COPY",
    ):
        table.add_column(head, justify="right")
    for name, runs in results.items():
        middle = [statistics.median(column) for column in zip(*runs, strict=True)]
        ratio = statistics.median(run.ratio for run in runs)
        table.add_row(
            name,
            f"{middle[0]:,.0f}",
            f"{middle[1]:.1f}",
            f"{middle[2]:.1f}",
            f"{middle[3]:.1f}",
            f"{middle[4]:.1f}",
            f"{middle[5]:.1f}",
            f"{middle[6]:,.0f}",
            f"{ratio:.2f}",
        )
    console.print(table)


if __name__ == "__main__":
    main()
