"""Runs OTLP/gRPC as in production (`manage.py serve_grpc`), with the plainest of clients."""

import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ingest.grpc.service import SERVICES
from telemetry_site.embedded import INGEST
from tests.support import programs

UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


class Receiver:
    """A running receiver: its process, its port, and its log."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log
        self.address = f"127.0.0.1:{port}"

    @contextmanager
    def channel(self, *options: tuple[str, Any]) -> Iterator[grpc.Channel]:
        with grpc.insecure_channel(self.address, options=[*UNLIMITED, *options]) as channel:
            yield channel

    def health(self, service: str = "") -> str:
        """The state of a service, or the name of the status code if the check fails."""
        with self.channel() as channel:
            try:
                answer = health_pb2_grpc.HealthStub(channel).Check(
                    health_pb2.HealthCheckRequest(service=service), timeout=5
                )
            except grpc.RpcError as error:
                return str(error.code().name)
            return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


@contextmanager
def receiver(log: Path, *arguments: str, port: int = 0, **variables: str) -> Iterator[Receiver]:
    """Start a receiver, wait until it answers, and stop it at the end."""
    port = port or programs.free_port()
    command = ["manage.py", "serve_grpc", "--port", str(port), "--verbosity", "0", *arguments]
    environment = programs.environment(role=INGEST, **{"DEBUG": "1"} | variables)
    with programs.process(*command, env=environment, log=log) as process:
        running = Receiver(process, port, log)
        programs.until(lambda: running.health() == "SERVING", what="OTLP/gRPC answers")
        yield running


def export(
    channel: grpc.Channel, message: bytes, key: str = "", *, signal: str = "traces", **options: Any
) -> bytes:
    """One Export call with raw bytes. Raises `grpc.RpcError`."""
    metadata = [("authorization", f"Bearer {key}")] if key else []
    metadata += options.pop("metadata", [])
    method = channel.unary_unary(f"/{SERVICES[signal]}/Export")
    answer: bytes = method(message, metadata=metadata, timeout=options.pop("timeout", 30), **options)
    return answer


def refusal(channel: grpc.Channel, message: bytes, key: str = "", **options: Any) -> grpc.RpcError:
    """The error that refuses a call."""
    try:
        export(channel, message, key, **options)
    except grpc.RpcError as error:
        return error
    raise AssertionError("it was accepted")


# --- HTTP/2 by hand, for what no client would send -----------------------------------------------
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def call_frames(path: str, data: bytes, *, end: bool = True, **headers: str) -> bytes:
    """The HTTP/2 bytes of one call: preface, headers (HPACK literals, no table) and data."""
    fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "localhost"}
    fields |= {"content-type": "application/grpc", "te": "trailers"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    block = b"".join(
        b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in fields.items()
    )
    flags = END_STREAM if end else 0
    opening = PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, 1, block)
    return opening + frame(DATA, flags, 1, data)


def prefixed(message: bytes, *, compressed: bool = False, length: int | None = None) -> bytes:
    """A message as gRPC frames it; `length` may claim another one."""
    return bytes([compressed]) + struct.pack(">I", len(message) if length is None else length) + message


def resident_mib(pid: int, *, peak: bool = False) -> float:
    """The memory of a process now, or its peak (Linux)."""
    name = "VmHWM" if peak else "VmRSS"
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))
