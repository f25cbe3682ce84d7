"""The client processes of a run, as the harness sees them: orders in, progress and results out."""

import json
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.faults.records import Piece

ROOT = Path(__file__).resolve().parents[3]
STOP_WITHIN = 120.0  # seconds


class Sent(NamedTuple):
    """One request and how it ended: acknowledged, refused (as it should be), rejected or given up."""

    piece: Piece
    end: str
    attempts: int
    last_attempt_at: int  # microseconds since 1970


class Results(NamedTuple):
    """Everything that the clients report at the end."""

    sent: list[Sent]
    outcomes: Counter[str]  # of attempts: status, or what happened to the connection
    answers: list[tuple[float, float]]  # monotonic seconds: (sent, acknowledged), by time of sending
    retry_after: list[str]


class Clients:
    """A few client processes, each with several connections. They run until `stop`."""

    def __init__(
        self,
        *,
        host: str,
        ports: list[int],
        grpc_port: int,
        key: str,
        base: int,
        processes: int = 2,
        connections: int = 8,
        rate: float = 0,
        disconnects: float = 0,
        offsets: list[int] | None = None,
        refused: list[int] | None = None,
    ) -> None:
        each = connections // processes
        self._said: list[dict[str, Any]] = [{} for _ in range(processes)]
        self._processes, self._readers = [], []
        for number in range(processes):
            orders = {
                "host": host, "ports": ports, "grpc_port": grpc_port, "key": key, "base": base,
                "first_sender": number * each, "senders": each, "rate": rate / processes,
                "disconnects": disconnects,
                "offsets": offsets or [0], "refused": refused or [],
            }  # fmt: skip
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.faults.client"],
                cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip
            self._processes.append(process)
            self._tell(process, orders)
            reader = threading.Thread(target=self._read, args=(number, process), daemon=True)
            reader.start()
            self._readers.append(reader)

    def _tell(self, process: subprocess.Popen[str], what: dict[str, Any]) -> None:
        assert process.stdin
        process.stdin.write(json.dumps(what) + "\n")
        process.stdin.flush()

    def _read(self, number: int, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        for line in process.stdout:
            self._said[number] = json.loads(line)

    @property
    def acknowledged(self) -> int:
        """How many records have been acknowledged so far."""
        return sum(said.get("acknowledged", 0) for said in self._said)

    @property
    def last_acknowledged(self) -> float:
        """When the latest acknowledged attempt began, in monotonic seconds."""
        return max(said.get("last_acknowledged", 0.0) for said in self._said)

    @property
    def outcomes(self) -> Counter[str]:
        return sum((Counter(said.get("outcomes", {})) for said in self._said), Counter())

    def send_aside(self, offset: int, kind: int) -> None:
        """From now on, every other request is dated `offset` microseconds away and goes to one table."""
        for process in self._processes:
            self._tell(process, {"aside": [offset, kind]})

    def stop(self) -> Results:
        """Let each client finish what it is sending. Returns everything that they did."""
        for process in self._processes:
            assert process.stdin
            process.stdin.close()
        for process, reader in zip(self._processes, self._readers, strict=True):
            process.wait(STOP_WITHIN)
            reader.join(10)
        return Results(
            [Sent(Piece(*one[:3]), *one[3:]) for said in self._said for one in said["sent"]],
            self.outcomes,
            sorted(tuple(answer) for said in self._said for answer in said["answers"]),
            sorted({value for said in self._said for value in said["retry_after"]}),
        )

    def kill(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
