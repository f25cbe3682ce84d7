"""Sends a request once, over HTTP or gRPC, and says what became of it."""

import http.client
import random
import socket
import time
from typing import NamedTuple, Protocol

import grpc

from tests.support.faults.records import Piece, Request, protobuf, request

ANSWER_WITHIN = 10.0  # seconds; the default of the SDKs
# OTLP 1.11, "Retryable Response Codes" of HTTP and "Failures" of gRPC.
RESEND = frozenset({"429", "502", "503", "504"})
RESEND_GRPC = frozenset(
    {
        "CANCELLED",
        "DEADLINE_EXCEEDED",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNAVAILABLE",
        "DATA_LOSS",
        "RESOURCE_EXHAUSTED",
    }
)
TAKEN = "taken"  # whole, and acknowledged
PARTLY = "partly"  # acknowledged, with some or all of its records refused


class Attempt(NamedTuple):
    """One attempt: its name in the tables, what it means, and how long the server asks to wait."""

    outcome: str
    means: str  # TAKEN, PARTLY, 'resend', 'broke off' or 'rejected'
    after: str | None = None


class Transport(Protocol):
    """One connection."""

    def attempt(self, piece: Piece) -> Attempt: ...

    def close(self) -> None: ...


class Http:
    """A keep-alive connection. A share of the attempts is broken off on purpose."""

    def __init__(self, host: str, port: int, key: str, disconnects: float, choose: random.Random) -> None:
        self._host, self._port, self._key = host, port, key
        self._disconnects, self._choose = disconnects, choose
        self._connection: http.client.HTTPConnection | None = None
        self._prepared: tuple[Piece, Request] | None = None

    def attempt(self, piece: Piece) -> Attempt:
        if self._prepared is None or self._prepared[0] != piece:
            self._prepared = (piece, request(piece))
        wire = self._prepared[1]
        if self._choose.random() < self._disconnects:
            return self._break_off(wire)
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(self._host, self._port, timeout=ANSWER_WITHIN)
            self._connection.request("POST", wire.path, wire.body, self._headers(wire))
            answer = self._connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return Attempt(f"connection: {type(error).__name__}", "resend")
        if answer.status == 200:
            return Attempt("200", TAKEN) if len(body) <= 2 else Attempt("200 in part", PARTLY)
        status = str(answer.status)
        return Attempt(
            status, "resend" if status in RESEND else "rejected", answer.headers.get("Retry-After")
        )

    def _break_off(self, wire: Request) -> Attempt:
        """Disconnect in the middle of the body, or after it but before the answer."""
        in_the_middle = self._choose.random() < 0.5
        lines = [f"POST {wire.path} HTTP/1.1", f"Host: {self._host}"]
        lines += [f"{name}: {value}" for name, value in self._headers(wire).items()]
        lines += [f"Content-Length: {len(wire.body)}", "", ""]
        raw = "\r\n".join(lines).encode()
        raw += wire.body[: len(wire.body) // 2] if in_the_middle else wire.body
        try:
            with socket.create_connection((self._host, self._port), timeout=ANSWER_WITHIN) as wild:
                if self._choose.random() < 0.5:  # a reset instead of an orderly end
                    wild.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                wild.sendall(raw)
                time.sleep(self._choose.choice([0.0, 0.001, 0.01]))
        except OSError as error:
            return Attempt(f"connection: {type(error).__name__}", "resend")
        return Attempt(f"broke off {'in the body' if in_the_middle else 'before the answer'}", "broke off")

    def _headers(self, wire: Request) -> dict[str, str]:
        return wire.headers | {"Authorization": f"Bearer {self._key}"}

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Grpc:
    """A channel, opened again after each failure, as the Python SDK does."""

    METHOD = "/opentelemetry.proto.collector.{0}.v1.{1}Service/Export"

    def __init__(self, host: str, port: int, key: str) -> None:
        self._address, self._metadata = f"{host}:{port}", [("authorization", f"Bearer {key}")]
        self._channel: grpc.Channel | None = None

    def attempt(self, piece: Piece) -> Attempt:
        self._channel = self._channel or grpc.insecure_channel(self._address)
        method = self.METHOD.format(*(("logs", "Logs") if piece.are_logs else ("trace", "Trace")))
        export = self._channel.unary_unary(method)
        compression = grpc.Compression.Gzip if piece.is_compressed else None
        try:
            answer = export(
                protobuf(piece), timeout=ANSWER_WITHIN, metadata=self._metadata, compression=compression
            )
        except grpc.RpcError as error:
            self.close()
            name = error.code().name
            return Attempt(f"gRPC {name}", "resend" if name in RESEND_GRPC else "rejected")
        return Attempt("gRPC OK", TAKEN) if not answer else Attempt("gRPC OK in part", PARTLY)

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
