"""Whether one caller keeps others waiting: `python -m benchmarks.doors WHAT`.

Each starts an instance of its own on loopback, puts one caller's load on it, and times what another one asks:

- `starve-withdrawals`: visitors ask for `/api/schema/` (or `--path`) while an app withdraws consents;
- `starve-keys`: one key sends bodies of just under 4 MiB (inflated) while another sends single spans, over
  HTTP or, with `--grpc`, over gRPC;
- `slow-readers`: exports are asked for whose answers nobody reads.

`--tree DIR` measures the code of another checkout.
"""

import argparse
import gzip
import http.client
import multiprocessing
import os
import socket
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from benchmarks.bodies import JsonBodies, ProtobufBodies
from benchmarks.ingest import GRANT
from tests.support import machine
from tests.support.machine import Instance, process_table

LARGE = 4 * 1024 * 1024 - 64 * 1024  # bytes
TRACE_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
SETTLE = 3.0  # seconds of load before anything is timed
ROWS = """
INSERT INTO analytics_feature_usage (id, timestamp, user_id, organization_id, deployment_type, is_internal,
    event_metadata, received_at, feature_name, action)
SELECT gen_random_uuid(), now() - make_interval(secs => n / 100.0), %s, '', 'cloud', false, '{{}}', now(),
    repeat('x', 90), 'opened' FROM generate_series(1, {rows}) AS n
"""
FILL = """
from django.db import connections
from consent.pseudonyms import pseudonym
with connections["analytics"].cursor() as cursor:
    cursor.execute({statement!r}, [pseudonym("user", "reader")])
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=MEASUREMENTS)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--connections", type=int, help="of the load; 40, 32 or 24")
    parser.add_argument("--path", default="/api/schema/", help="what the visitors ask for")
    parser.add_argument("--grpc", action="store_true", help="bodies and spans over gRPC")
    parser.add_argument("--rows", type=int, default=100_000, help="of each export")
    parser.add_argument("--tree", type=Path, help="another checkout")
    options = parser.parse_args()
    if options.tree:
        machine.ROOT = options.tree.resolve()
    with tempfile.TemporaryDirectory(prefix="candid-bench-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        instance = Instance(Path(folder) / "var")
        try:
            MEASUREMENTS[options.what](instance, options, Console(width=120))
        finally:
            instance.stop()


# --- The three measurements ------------------------------------------------------------------------
def starve_withdrawals(instance, options, console):
    connections = options.connections or 40
    key = instance.manage("issue_key", "app", "--scope", "consent")
    with Load(connections, visit, instance.port, options.path) as load:
        time.sleep(SETTLE)
        times, said = probe(options.seconds, Withdrawals(instance.port, key))
    console.print(f"{connections} visitors of {options.path}: {told(load.said)}")
    console.print(f"withdrawals: {told(said)}; {latencies(times)}")


def starve_keys(instance, options, console):
    connections = options.connections or 32
    instance.manage("shell", "-v", "0", "-c", GRANT)
    greedy, modest = instance.manage("issue_key", "greedy"), instance.manage("issue_key", "modest")
    kind = ProtobufBodies if options.grpc else JsonBodies
    spans = int(LARGE / (len(kind(2000).next(time.time_ns())) / 2000))
    body = kind(spans).next(time.time_ns())
    console.print(f"bodies of {spans:,} spans, {len(body):,} bytes inflated")
    if options.grpc:
        load = Load(connections, call, instance.grpc_port, greedy, body)
        single = Calls(instance.grpc_port, modest)
    else:
        load = Load(connections, post, instance.port, greedy, gzip.compress(body, 1))
        single = Spans(instance.port, modest)
    with load:
        time.sleep(SETTLE)
        times, said = probe(options.seconds, single)
    console.print(f"{connections} connections of one key: {told(load.said)}; {latencies(load.times)}")
    console.print(f"single spans of another key: {told(said)}; {latencies(times)}")


def slow_readers(instance, options, console):
    connections = options.connections or 24
    key = instance.manage("issue_key", "app", "--scope", "consent")
    statement = ROWS.format(rows=options.rows)
    instance.manage("shell", "-v", "0", "-c", FILL.format(statement=statement))
    before = web_memory(instance)
    held = [unread_export(instance.port, key) for _ in range(connections)]
    most, until = before, time.monotonic() + options.seconds
    while time.monotonic() < until:
        most = max(most, web_memory(instance))
        time.sleep(0.2)
    said = Counter(status_of(connection) for connection in held)
    console.print(f"{connections} exports of {options.rows:,} rows asked for, none read: {told(said)}")
    console.print(f"web processes: {before} MiB before, {most} MiB at most, {web_memory(instance)} MiB now")
    began = time.monotonic()
    status, size = whole_export(instance.port, key)
    console.print(f"one more, read: {status}, {size / 2**20:.0f} MiB in {time.monotonic() - began:.1f} s")


MEASUREMENTS = {
    "starve-withdrawals": starve_withdrawals,
    "starve-keys": starve_keys,
    "slow-readers": slow_readers,
}


# --- The load, in a process of its own ---------------------------------------------------------------
class Load:
    """Runs a function on so many connections until the block ends; `said` and `times` tell of its answers."""

    def __init__(self, connections, function, *arguments):
        self._pipe, theirs = multiprocessing.Pipe()
        target = (connections, function, arguments, theirs)
        self._process = multiprocessing.get_context("spawn").Process(target=_drive, args=target)

    def __enter__(self):
        self._process.start()
        return self

    def __exit__(self, *_):
        self._pipe.send("stop")
        self.times, self.said = self._pipe.recv() if self._pipe.poll(100) else ([], Counter(unknown=1))
        self._process.terminate()
        self._process.join()


def _drive(connections, function, arguments, pipe):
    import threading

    times, said = [], Counter()

    def go_on():
        while True:
            try:
                function(times, said, *arguments)
            except OSError as error:
                said[type(error).__name__] += 1
                time.sleep(0.1)

    for _ in range(connections):
        threading.Thread(target=go_on, daemon=True).start()
    pipe.recv()
    pipe.send((list(times), Counter(said)))
    time.sleep(1)  # until it has been read


def visit(times, said, port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    while True:
        one_request(connection, times, said, "GET", path, None, {})


def post(times, said, port, key, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = bearer(key) | {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    while True:
        one_request(connection, times, said, "POST", "/v1/traces", body, headers)


def call(times, said, port, key, message):
    calls = Calls(port, key, message)
    while True:
        began = time.perf_counter()
        said[calls.ask()] += 1
        times.append(time.perf_counter() - began)


def one_request(connection, times, said, method, path, body, headers):
    began = time.perf_counter()
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    answer.read()
    times.append(time.perf_counter() - began)
    said[answer.status] += 1


# --- What is timed ----------------------------------------------------------------------------------
def probe(seconds, asking):
    """Ask one after another. Returns the times, in seconds, and the count of each answer."""
    times, said = [], Counter()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.perf_counter()
        said[asking.ask()] += 1
        times.append(time.perf_counter() - began)
        time.sleep(0.02)
    return times, said


class Withdrawals:
    """Each for another user."""

    def __init__(self, port, key):
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._key, self._number = key, 0

    def ask(self):
        self._number += 1
        headers = bearer(self._key) | {"X-User-Id": f"person-{self._number}"}
        self._connection.request("PUT", "/api/users/telemetry/disable", b"{}", headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status


class Spans:
    """Single spans over HTTP."""

    def __init__(self, port, key):
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._headers = bearer(key) | {"Content-Type": "application/json"}
        self._bodies = JsonBodies(1)

    def ask(self):
        self._connection.request("POST", "/v1/traces", self._bodies.next(time.time_ns()), self._headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status


class Calls:
    """The same over gRPC; or always the same message."""

    def __init__(self, port, key, message=b""):
        import grpc

        channel = grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)])
        self._export, self._error = channel.unary_unary(TRACE_EXPORT), grpc.RpcError
        self._metadata, self._message = [("x-api-key", key)], message
        self._bodies = ProtobufBodies(1)

    def ask(self):
        message = self._message or self._bodies.next(time.time_ns())
        try:
            self._export(message, metadata=self._metadata, timeout=120)
        except self._error as error:
            return error.code().name
        return "OK"


# --- Exports ----------------------------------------------------------------------------------------
def unread_export(port, key):
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    connection.settimeout(0.2)
    connection.connect(("127.0.0.1", port))
    connection.sendall(
        f"POST /api/privacy/export HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        "X-User-Id: reader\r\nContent-Length: 0\r\n\r\n".encode()
    )
    return connection


def status_of(connection):
    try:
        text = connection.recv(16)
    except OSError as error:
        return type(error).__name__
    return text[9:12].decode() or "closed"


def whole_export(port, key):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    status, size = 503, 0
    for _ in range(30):
        connection.request("POST", "/api/privacy/export", b"", bearer(key) | {"X-User-Id": "reader"})
        answer = connection.getresponse()
        status, size = answer.status, len(answer.read())
        if status == 200:
            break
        time.sleep(1)
    return status, size


def web_memory(instance):
    """What the web processes hold together, in MiB."""
    total = 0
    for pid, (_, _, command) in process_table().items():
        if "granian" in command and f" {instance.port}" in command:
            with suppress(OSError):
                status = Path(f"/proc/{pid}/status").read_text()
                total += int(status.partition("VmRSS:")[2].split()[0]) // 1024
    return total


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def told(said):
    return ", ".join(f"{number:,} × {what}" for what, number in said.most_common()) or "no answer"


def latencies(times):
    if not times:
        return "no times"
    times = sorted(times)
    p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
    return f"p50 {p50:.3f} s, p99 {p99:.3f} s, max {times[-1]:.3f} s"


if __name__ == "__main__":
    main()
