"""A client process of a fault run: sends, and resends until it is answered, as an SDK should.

`python -m tests.support.faults.client` reads its orders from stdin, as a line of JSON; a later line
changes what is sent, and it stops at the end of stdin. It reports progress on stdout, in lines of JSON, and
finally everything that it has sent. Times within a run are CLOCK_MONOTONIC, which all processes share.
"""

import json
import random
import sys
import threading
import time
from collections import Counter
from typing import Any

from tests.support.faults.records import MIXED, Piece
from tests.support.faults.transport import PARTLY, TAKEN, Grpc, Http, Transport

SIZES = (1, 1, 3, 10, 40, 100, 256, 512)  # records in a request
PATIENCE = 90.0  # seconds that the last request of a sender may still take
MICROSECONDS_OF_SENDER = 1_000_000_000  # each sender dates its records within a stretch of this length


class Orders:
    """What the harness wants; `aside` may change while the clients run."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.host: str = given["host"]
        self.ports: list[int] = given["ports"]
        self.grpc_port: int = given["grpc_port"]
        self.key: str = given["key"]
        self.base: int = given["base"]  # microseconds since 1970 of the first sender's first record
        self.first_sender: int = given["first_sender"]
        self.senders: int = given["senders"]
        self.rate: float = given["rate"]  # records a second of all senders here; 0: as fast as they can
        self.disconnects: float = given["disconnects"]  # share of attempts that break off
        self.offsets: list[int] = given["offsets"]  # microseconds: clocks that are wrong
        self.refused: list[int] = given["refused"]  # offsets whose records must be refused
        self.aside: tuple[int, int] | None = None  # (offset, kind) of every other request


class Sender(threading.Thread):
    """One connection: one request at a time, each sent again until it is acknowledged."""

    def __init__(self, orders: Orders, number: int, stopping: threading.Event) -> None:
        super().__init__(daemon=True)
        self.orders, self._stopping = orders, stopping
        self._next = orders.base + number * MICROSECONDS_OF_SENDER
        self._choose = random.Random(number)
        self._transport = self._made(number)
        self.outcomes: Counter[str] = Counter()
        self.acknowledged = 0  # records
        self.last_acknowledged = 0.0  # when the latest acknowledged attempt began
        self.answers: list[tuple[float, float]] = []  # (sent, acknowledged)
        self.retry_after: set[str] = set()
        self.sent: list[tuple[int, int, int, str, int, int]] = []  # as clients.Sent
        self._attempt_at = 0  # microseconds since 1970

    def _made(self, number: int) -> Transport:
        """One sender in four speaks gRPC; the others share the HTTP ports."""
        orders = self.orders
        if number % 4 == 3 and orders.grpc_port:
            return Grpc(orders.host, orders.grpc_port, orders.key)
        port = orders.ports[number % len(orders.ports)]
        return Http(orders.host, port, orders.key, orders.disconnects, self._choose)

    def run(self) -> None:
        while not self._stopping.is_set():
            begin = time.monotonic()
            piece, is_refused = self._piece()
            end, attempts = self._send_until_answered(piece, is_refused)
            self.sent.append((*piece, end, attempts, self._attempt_at))
            if end == "acknowledged":
                self.acknowledged += piece.count
            if self.orders.rate:
                own_rate = self.orders.rate / self.orders.senders
                self._stopping.wait(max(0.0, begin + piece.count / own_rate - time.monotonic()))
        self._transport.close()

    def _piece(self) -> tuple[Piece, bool]:
        count = self._choose.choice(SIZES)
        first, self._next = self._next, self._next + count
        if self.orders.aside and self._choose.random() < 0.5:
            offset, kind = self.orders.aside
            return Piece(first + offset, count, kind), False
        offset = self._choose.choice(self.orders.offsets + self.orders.refused)
        return Piece(first + offset, count, MIXED), offset in self.orders.refused

    def _send_until_answered(self, piece: Piece, is_refused: bool) -> tuple[str, int]:
        give_up_at, attempts, pause = 0.0, 0, 0.1
        while True:
            if self._stopping.is_set():
                give_up_at = give_up_at or time.monotonic() + PATIENCE
                if time.monotonic() > give_up_at:
                    return "given up", attempts
            attempts += 1
            sent, self._attempt_at = time.monotonic(), time.time_ns() // 1000
            outcome, means, after = self._transport.attempt(piece)
            if means == PARTLY and not is_refused:
                outcome, means = f"{outcome} without a reason", "rejected"
            self.outcomes[outcome] += 1
            if means == TAKEN:
                self.last_acknowledged = sent
                self.answers.append((sent, time.monotonic()))
                return "acknowledged", attempts
            if means in (PARTLY, "rejected"):
                return ("refused" if means == PARTLY else "rejected"), attempts
            if means == "broke off" and self._choose.random() < 0.2:
                return "given up", attempts
            if after is not None:
                self.retry_after.add(after)
            pause = min(pause * 2, 2.0)
            wait = float(after) if after and after.isdecimal() else 0.0 if means == "broke off" else pause
            time.sleep(wait * self._choose.uniform(0.8, 1.2))


def say(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def progress(senders: list[Sender]) -> dict[str, Any]:
    return {
        "acknowledged": sum(sender.acknowledged for sender in senders),
        "last_acknowledged": max(sender.last_acknowledged for sender in senders),
        "outcomes": sum((Counter(sender.outcomes) for sender in senders), Counter()),
    }


def main() -> None:
    orders = Orders(json.loads(sys.stdin.readline()))
    stopping = threading.Event()

    def listen() -> None:
        for line in sys.stdin:
            orders.aside = tuple(json.loads(line)["aside"])
        stopping.set()

    threading.Thread(target=listen, daemon=True).start()
    numbers = range(orders.first_sender, orders.first_sender + orders.senders)
    senders = [Sender(orders, number, stopping) for number in numbers]
    for sender in senders:
        sender.start()
    while any(sender.is_alive() for sender in senders):
        say(**progress(senders))
        time.sleep(0.2)
    say(
        **progress(senders),
        sent=[piece for sender in senders for piece in sender.sent],
        answers=sorted(answer for sender in senders for answer in sender.answers),
        retry_after=sorted({value for sender in senders for value in sender.retry_after}),
    )


if __name__ == "__main__":
    main()
