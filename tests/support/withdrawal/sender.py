"""A process of senders that never stop: `python -m tests.support.withdrawal.sender`, orders on stdin.

The orders are one line of JSON. At the end of stdin it stops, and prints how often it received which
answer, as a line of JSON. Every other sender speaks gRPC.
"""

import http.client
import json
import random
import sys
import threading
import time
from collections import Counter
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PATIENCE = 20.0  # seconds for an answer
AFTER_AN_ERROR = 0.05  # seconds


class Sender(threading.Thread):
    """One connection that sends one request after another, each with events dated now."""

    def __init__(self, orders: dict[str, Any], number: int, stopping: threading.Event) -> None:
        super().__init__(daemon=True)
        self._orders, self._stopping = orders, stopping
        self._choose = random.Random(f"{orders['seed']} {number}")
        ports = orders["grpc_ports" if number % 2 else "ports"]
        self._send = (self._grpc if number % 2 else self._http)(ports[number // 2 % len(ports)])
        self.answers: Counter[str] = Counter()

    def run(self) -> None:
        while not self._stopping.is_set():
            answer = self._send(self._body())
            self.answers[answer] += 1
            if not answer.endswith(("200", "OK")):
                time.sleep(AFTER_AN_ERROR)

    def _body(self) -> bytes:
        message = ExportTraceServiceRequest()
        group = message.resource_spans.add()
        who = {"user.id": self._orders["user"], "organization.id": self._orders["organization"]}
        for name, value in who.items():
            group.resource.attributes.add(key=name).value.string_value = value
        spans = group.scope_spans.add().spans
        now = time.time_ns()
        for _ in range(self._orders["records"]):
            trace_id, span_id = self._choose.randbytes(16), self._choose.randbytes(8)
            span = spans.add(trace_id=trace_id, span_id=span_id, name="work", kind=1)
            span.start_time_unix_nano = span.end_time_unix_nano = now
            span.attributes.add(key="feature.name").value.string_value = "flip"
        return bytes(message.SerializeToString())

    def _http(self, port: int) -> Any:
        headers = {
            "Content-Type": "application/x-protobuf",
            "Authorization": f"Bearer {self._orders['key']}",
        }
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

        def send(body: bytes) -> str:
            try:
                connection.request("POST", "/v1/traces", body, headers)
                answer = connection.getresponse()
                answer.read()
                return f"HTTP {answer.status}"
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                return f"HTTP {type(error).__name__}"

        return send

    def _grpc(self, port: int) -> Any:
        # A connection of its own: otherwise channels to the same address share one.
        options = [("grpc.use_local_subchannel_pool", 1)]
        export = grpc.insecure_channel(f"127.0.0.1:{port}", options=options).unary_unary(EXPORT)
        metadata = [("authorization", f"Bearer {self._orders['key']}")]

        def send(body: bytes) -> str:
            try:
                export(body, timeout=PATIENCE, metadata=metadata)
            except grpc.RpcError as error:
                return f"gRPC {error.code().name}"
            return "gRPC OK"

        return send


def main() -> None:
    orders = json.loads(sys.stdin.readline())
    stopping = threading.Event()
    senders = [Sender(orders, number, stopping) for number in range(orders["senders"])]
    for sender in senders:
        sender.start()
    sys.stdin.read()
    stopping.set()
    for sender in senders:
        sender.join(PATIENCE + 1)
    print(json.dumps(sum((sender.answers for sender in senders), Counter())), flush=True)


if __name__ == "__main__":
    main()
