"""What the largest bodies cost: `python -m benchmarks.bounds`.

Sends bodies of just under `OTLP_MAX_BODY_BYTES` (64 MiB) to fresh instances, JSON and protobuf, plain and
gzip, one at a time and six at once, and prints the most memory that a web process held. Then it sends a gzip
bomb (100 MiB in 100 kB) and prints how fast it is refused.
"""

import gzip
import os
import socket
import tempfile
import threading
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.bodies import JsonBodies, ProtobufBodies
from benchmarks.ingest import GRANT, answer
from tests.support.machine import Instance, process_table

LIMIT = 64 * 1024 * 1024


def main():
    console = Console()
    table = Table(title="bodies of 64 MiB")
    for head in ("body", "spans", "seconds", "answers", "largest web process, MiB"):
        table.add_column(head, justify="right" if head != "body" else "left")
    for name, bodies, coding, times in (
        ("JSON", JsonBodies, "", 1),
        ("protobuf", ProtobufBodies, "", 1),
        ("protobuf, gzip", ProtobufBodies, "gzip", 1),
        ("protobuf, six at once", ProtobufBodies, "", 6),
        ("JSON, six at once", JsonBodies, "", 6),
    ):
        with running() as (instance, key):
            body, spans = largest(bodies)
            rest = most_memory(instance)
            content = gzip.compress(body, 1) if coding else body
            began = time.monotonic()
            said = together(times, instance, key, bodies.content_type, coding, content)
            took = time.monotonic() - began
            table.add_row(
                name, f"{spans:,}", f"{took:.1f}", " ".join(said), f"{most_memory(instance)} (at rest {rest})"
            )
    console.print(table)
    with running() as (instance, key):
        bomb = gzip.compress(bytes(100 * 1024 * 1024), 9)
        began = time.monotonic()
        said = together(1, instance, key, "application/json", "gzip", bomb)
        console.print(
            f"A gzip bomb of {len(bomb):,} bytes was answered {said[0]} after "
            f"{time.monotonic() - began:.2f} s; the largest web process: {most_memory(instance)} MiB"
        )


class running:  # noqa: N801  (used like a function)
    """A fresh instance, and a key."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="candid-bench-", ignore_cleanup_errors=True)
        os.chmod(self.folder.name, 0o755)
        self.instance = Instance(Path(self.folder.name) / "var")
        self.instance.manage("shell", "-v", "0", "-c", GRANT)
        return self.instance, self.instance.manage("issue_key", "benchmark")

    def __exit__(self, *_):
        self.instance.stop()
        self.folder.cleanup()


def largest(bodies):
    """The largest body below the limit, and how many spans it has."""
    one = len(bodies(2000).next(time.time_ns())) / 2000
    spans = int(LIMIT * 0.98 / one)
    body = bodies(spans).next(time.time_ns())
    assert len(body) <= LIMIT
    return body, spans


def together(times, instance, key, content_type, coding, content):
    """Send this many equal requests at once. Returns their statuses."""
    said = []

    def send():
        with socket.create_connection(("127.0.0.1", instance.port), timeout=120) as connection:
            encoding = f"Content-Encoding: {coding}\r\n" if coding else ""
            head = (
                f"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
                f"Content-Type: {content_type}\r\n{encoding}Content-Length: {len(content)}\r\n\r\n"
            )
            connection.sendall(head.encode() + content)
            said.append(str(answer(connection)[0]))

    threads = [threading.Thread(target=send) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(said)


def most_memory(instance):
    """The peak memory of the largest web process, in MiB (VmHWM)."""
    found = []
    for pid, (_, _, command) in process_table().items():
        if "granian" in command and f" {instance.port}" in command:
            status = Path(f"/proc/{pid}/status").read_text()
            found.append(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
    return max(found)


if __name__ == "__main__":
    main()
