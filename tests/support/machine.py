"""A whole instance for a benchmark, and the CPU time of its processes."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = ("DATABASE_URL", "ANALYTICS_DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ID_HASH_KEY", "DEBUG")
OURS += ("CANDID_EMBEDDED", "CANDID_EMBEDDED_NAMES", "CANDID_EMBEDDED_IN", "CANDID_DATA_DIR", "PUBLIC_URL")
TICKS = os.sysconf("SC_CLK_TCK")


class Instance:
    """A whole instance of Candid: `manage.py up` on free ports."""

    def __init__(self, data_dir):
        self.data_dir = data_dir
        self.environment = environment(data_dir)
        self.port, self.otlp_port, self.grpc_port = free_ports(3)
        self.start()

    def start(self):
        ports = {"--port": self.port, "--otlp-port": self.otlp_port, "--grpc-port": self.grpc_port}
        arguments = ["up", *(str(part) for pair in ports.items() for part in pair)]
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
        """CPU time so far of each part, in seconds."""
        processes = process_table()
        postmaster = next(
            pid
            for pid, (_, _, command) in processes.items()
            if "postgres" in command and str(self.data_dir) in command
        )
        backends = {pid: one for pid, one in processes.items() if one[0] == postmaster}
        seconds = {
            name: sum(used for _, used, command in backends.values() if f" {database} " in command)
            for name, database in (("analytics", "candid_analytics"), ("operational", "candid"))
        }
        return {
            "server": sum(
                used
                for _, used, command in processes.values()
                if "granian" in command and f" {self.port}" in command
            ),
            **seconds,
            # Every backend's parent: what ended ones used is its own, and so are the log and the writers.
            "background": tree_seconds(processes, postmaster) - sum(seconds.values()),
        }

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)


def environment(data_dir: Path) -> dict[str, str]:
    """This process's environment, with no variable of any instance but the one in `data_dir`."""
    inherited = {name: value for name, value in os.environ.items() if name not in OURS}
    return inherited | {"CANDID_DATA_DIR": str(data_dir), "PYTHONDONTWRITEBYTECODE": "1"}


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def process_table():
    """Each process by id: its parent, CPU seconds (ended children included), and command line."""
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
