"""Proves that real SDKs lose nothing while the server restarts: `python -m benchmarks.restarts`.

Python over HTTP and over gRPC, and Node over HTTP, each with its default settings except endpoint and key,
make a few thousand spans. Meanwhile the whole instance is stopped (SIGTERM) and started again, twice. Prints
how many spans each SDK made and how many rows were stored. Installs the Node SDK in tests/node, once.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks.ingest import GRANT
from tests.support.machine import ROOT, Instance

NODE = ROOT / "tests" / "node"
PYTHON = """
import sys, time
protocol, address, key, times, seconds = sys.argv[1:]
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
if protocol == "http":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    exporter = OTLPSpanExporter(address + "/v1/traces", headers={"Authorization": "Bearer " + key})
else:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    exporter = OTLPSpanExporter(address, headers=(("authorization", "Bearer " + key),))
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(BatchSpanProcessor(exporter))
tracer = provider.get_tracer("steady")
attributes = {"user.id": "bench-user-1", "feature.name": "python-" + protocol, "feature.action": "used"}
for _ in range(int(times)):
    tracer.start_span("x", attributes=attributes).end()
    time.sleep(float(seconds) / int(times))
provider.shutdown()
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spans", type=int, default=3000, help="spans that each SDK makes")
    parser.add_argument("--seconds", type=float, default=45)
    options = parser.parse_args()
    console = Console()
    if not (NODE / "node_modules").exists():
        console.print("Installing the Node SDK …")
        subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund"], cwd=NODE, check=True, stdout=subprocess.DEVNULL
        )
    with tempfile.TemporaryDirectory(prefix="candid-bench-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        instance = Instance(Path(folder) / "var")
        parameters = json.loads(instance.manage("shell", "-v", "0", "-c", GRANT).splitlines()[-1])
        key = instance.manage("issue_key", "benchmark")
        http, grpc = f"http://127.0.0.1:{instance.otlp_port}", f"http://127.0.0.1:{instance.grpc_port}"
        amount = [key, str(options.spans), str(options.seconds)]
        node = ["node", "steadily.mjs", http, *amount]
        senders = {
            "python-http": subprocess.Popen([sys.executable, "-c", PYTHON, "http", http, *amount]),
            "python-grpc": subprocess.Popen([sys.executable, "-c", PYTHON, "grpc", grpc, *amount]),
            "node": subprocess.Popen(node, cwd=NODE),
        }
        away = []
        for _ in range(2):
            time.sleep(options.seconds / 3)
            began = time.monotonic()
            instance.stop()
            instance.start()
            away.append(time.monotonic() - began)
            console.print(f"restarted within {away[-1]:.1f} s")
        failed = [name for name, sender in senders.items() if sender.wait(120)]
        if failed:
            raise SystemExit(f"these senders failed: {', '.join(failed)}")
        with psycopg.connect(**parameters, autocommit=True) as database:
            rows = dict(
                database.execute(
                    "SELECT feature_name, count(*) FROM analytics_feature_usage GROUP BY 1"
                ).fetchall()
            )
        instance.stop()
    table = Table(title=f"restarts of {away[0]:.1f} s and {away[1]:.1f} s")
    for head in ("SDK", "spans made", "rows", "lost"):
        table.add_column(head, justify="right" if head != "SDK" else "left")
    for name in senders:
        found = rows.get(name, 0)
        table.add_row(name, f"{options.spans:,}", f"{found:,}", f"{options.spans - found:,}")
    console.print(table)
    sys.exit(any(rows.get(name, 0) != options.spans for name in senders))


if __name__ == "__main__":
    main()
