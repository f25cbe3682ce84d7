"""Grants and withdraws consent while senders send, and checks which rows were committed when.

The rows of a period of consent are known by their dates: the gate admits only events dated since the
grant. The rows are counted when a withdrawal has been answered, and again once every transaction in
flight has ended: both counts must be equal.
"""

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

ROOT = Path(__file__).resolve().parents[3]
USER, ORGANIZATION = "flipping-user", "flipping-organization"
A_WINDOW = 20.0  # seconds within which a period of consent must have rows
SETTLED_AFTER = 0.05  # seconds; longer than a receiver may take before it begins its transaction
DATABASE_PATIENCE = 20.0  # seconds

Decide = Callable[[str, bool], datetime]  # ('user' or 'organization', granted): since when it holds

COUNT = 'SELECT count(*) FROM analytics_feature_usage WHERE "timestamp" >= %s'
STILL_OPEN = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND backend_type = 'client backend' AND xact_start <= %s AND state <> 'idle'
"""


class Flip(NamedTuple):
    """One period of consent and its end."""

    kind: str
    rows: int  # committed before the withdrawal was answered
    late: int  # committed afterwards
    seconds: float  # how long the withdrawal took


class Flips(NamedTuple):
    """The result of a run."""

    flips: list[Flip]
    answers: Counter[str]  # that senders received

    @property
    def late(self) -> int:
        return sum(flip.late for flip in self.flips)

    @property
    def empty(self) -> int:
        return sum(flip.rows == 0 for flip in self.flips)

    def percentile(self, share: float) -> float:
        """The seconds that this share of the withdrawals (0 to 1) did not exceed."""
        return percentile([flip.seconds for flip in self.flips], share)


def percentile(seconds: Sequence[float], share: float) -> float:
    """The time that this share of the times (0 to 1) does not exceed."""
    return sorted(seconds)[min(len(seconds) - 1, int(share * len(seconds)))]


def flip(
    *,
    times: int,
    decide: Decide,
    database: psycopg.Connection[Any],
    orders: dict[str, Any],
    note: Callable[[list[Flip]], bool] = lambda flips: True,
) -> Flips:
    """Flip the user's consent, then the organization's, while senders send; `note` ends it early with False.

    `database` is the analytics database, in autocommit. `orders`: key, ports, grpc_ports, senders, records.
    """
    done: list[Flip] = []
    with senders(orders) as answers:
        for flipped, other in (("user", "organization"), ("organization", "user")):
            decide(other, True)
            for number in range(times // 2):
                done.append(_flip(flipped, decide, database, number))
                if not note(done):
                    return Flips(done, answers)
    return Flips(done, answers)


def _flip(kind: str, decide: Decide, database: psycopg.Connection[Any], number: int) -> Flip:
    since = decide(kind, True)
    end = time.monotonic() + A_WINDOW
    while not _count(database, since) and time.monotonic() < end:
        time.sleep(0.002)
    time.sleep(random.Random(number).uniform(0, 0.03))  # not always at the same point of a request
    begin = time.monotonic()
    decide(kind, False)
    seconds = time.monotonic() - begin
    rows = _count(database, since)
    _settle(database)
    late = _count(database, since) - rows
    return Flip(kind, rows, late, seconds)


def _count(database: psycopg.Connection[Any], since: datetime) -> int:
    row = database.execute(COUNT, [since]).fetchone()
    return int(row[0]) if row else 0


def _settle(database: psycopg.Connection[Any]) -> None:
    """Wait until every transaction that was open at the answer has ended, and a little longer."""
    row = database.execute("SELECT clock_timestamp()").fetchone()
    time.sleep(SETTLED_AFTER)
    end = time.monotonic() + DATABASE_PATIENCE
    while database.execute(STILL_OPEN, row).fetchone() != (0,):
        if time.monotonic() > end:
            raise RuntimeError(f"a transaction is still open after {DATABASE_PATIENCE:g} s")
        time.sleep(0.005)


@contextmanager
def senders(orders: dict[str, Any]) -> Iterator[Counter[str]]:
    """Two processes of senders run inside the block; afterwards the counter holds their answers."""
    answers: Counter[str] = Counter()
    running = []
    for seed in range(2):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.withdrawal.sender"],
            cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        running.append(process)
        given = orders | {"user": USER, "organization": ORGANIZATION, "seed": seed}
        assert process.stdin
        process.stdin.write(json.dumps(given | {"senders": orders["senders"] // 2}) + "\n")
        process.stdin.flush()
    try:
        yield answers
    finally:
        for process in running:
            said, _ = process.communicate(timeout=60)
            answers.update(json.loads(said or "{}"))
