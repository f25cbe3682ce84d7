"""How long people wait while a policy is published: `python -m benchmarks.publishing [--users N]`.

N users have opted in. A material version is published, and meanwhile one user after another withdraws.
Prints how long publishing took, and how long the withdrawals took meanwhile.
"""

import argparse
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console
from rich.table import Table

from benchmarks.embedded import servers
from tests.support.faults.instance import directory, end_on_sigterm
from tests.support.withdrawal.flips import percentile

WANTED = 0.250  # seconds that 99 in 100 withdrawals may take at most
GRANT = (
    "INSERT INTO consent_telemetryuser (pseudonym, state, is_demo, created_at, updated_at)"
    " SELECT md5(number::text), 'granted', false, now(), now() FROM generate_series(1, %s) AS number",
    "INSERT INTO consent_consentperiod (subject_kind, subject, state, since)"
    " SELECT 'user', md5(number::text), 'granted', now() FROM generate_series(1, %s) AS number",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.publishing")
    parser.add_argument("--users", type=int, default=200_000)
    options = parser.parse_args()
    end_on_sigterm()
    with directory() as folder, servers(folder / "var"):
        seconds, withdrawals = measure(options.users)
    table = Table(title=f"A material version, at {options.users:,} users")
    for head in ("publishing s", "withdrawals", "p50 ms", "p99 ms", "longest ms"):
        table.add_column(head, justify="right")
    shown = [percentile(withdrawals, share) for share in (0.5, 0.99, 1)]
    milliseconds = (f"{one * 1000:.0f}" for one in shown)
    table.add_row(f"{seconds:.1f}", f"{len(withdrawals):,}", *milliseconds)
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    sys.exit(shown[1] > WANTED)


def measure(users: int) -> tuple[float, list[float]]:
    """The seconds that publishing took, and that each withdrawal took."""
    from django.db import connections

    from consent.policies import publishing

    with connections["default"].cursor() as cursor:
        for statement in GRANT:
            cursor.execute(statement, [users])
        cursor.execute("ANALYZE")
    ended = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        leaving = pool.submit(withdraw, ended, users)
        begin = time.monotonic()
        try:
            publishing.publish(text="Another text.", actor="benchmark")
        finally:
            seconds = time.monotonic() - begin
            ended.set()
    return seconds, leaving.result()


def withdraw(ended: threading.Event, users: int) -> list[float]:
    """Withdraw one user after another until publishing has ended. Returns the seconds that each took."""
    from hashlib import md5

    from django.db import connections

    from consent.decisions.recording import record_decision
    from consent.models import Method, State, SubjectKind

    number, taken = 0, []
    try:
        while not ended.is_set():
            number = (number + 7919) % users
            subject = md5(str(number + 1).encode(), usedforsecurity=False).hexdigest()
            begin = time.monotonic()
            record_decision(
                kind=SubjectKind.USER,
                subject=subject,
                state=State.DENIED,
                actor="benchmark",
                method=Method.COMMAND,
            )
            taken.append(time.monotonic() - begin)
    finally:
        connections.close_all()
    return taken


if __name__ == "__main__":
    main()
