"""How long verifying the consent log takes: `python -m benchmarks.consent_log [--decisions N]`.

N decisions of N/4 users, each granted, denied, granted and taken back, with their rows in the gate's table.
Prints the seconds for seals and table, and how much memory verifying added.
"""

import argparse
import resource
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any

from benchmarks.embedded import servers
from tests.support.faults.instance import directory, end_on_sigterm

STATES = ("granted", "denied", "granted", "unset")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = "consent_consentperiod (subject_kind, subject, state, since, until, is_superseded)"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.consent_log")
    parser.add_argument("--decisions", type=int, default=1_000_000)
    options = parser.parse_args()
    end_on_sigterm()
    with directory() as folder, servers(folder / "var"):
        write(options.decisions)
        print(measure())


def write(count: int) -> None:
    """Records as `decisions/log.py` seals them, and each user's rows."""
    from django.db import connections

    from consent.decisions import log, seals

    head = seals.START
    with connections["default"].cursor() as cursor:
        with cursor.copy(f"COPY consent_decision ({', '.join(log.COLUMNS)}) FROM STDIN") as copy:
            for number, record in enumerate(records(count), 1):
                digest = seals.seal(head, (number, *record))
                copy.write_row((number, *record, head, digest))
                head = digest
        with cursor.copy(f"COPY {ROWS} FROM STDIN") as copy:
            for row in rows(count):
                copy.write_row(row)
        cursor.execute(
            "UPDATE consent_decisionhead SET count = %s, digest = %s, signature = %s",
            [count, head, seals.signature(count, head)],
        )
        cursor.execute("ANALYZE")


def records(count: int) -> Iterator[tuple[Any, ...]]:
    users = count // len(STATES)
    for number in range(users * len(STATES)):
        turn, user = divmod(number, users)
        state, at = STATES[turn], BEGIN + timedelta(seconds=number)
        level = "detailed" if state == "granted" else "base"
        yield "user", named(user), state, level, "1", "app", "api", "", at, at


def rows(count: int) -> Iterator[tuple[Any, ...]]:
    users = count // len(STATES)
    for user in range(users):
        moments = [BEGIN + timedelta(seconds=turn * users + user) for turn in range(len(STATES))]
        for turn, (state, since) in enumerate(zip(STATES, moments, strict=True)):
            until = moments[turn + 1] if turn + 1 < len(STATES) else None
            yield "user", named(user), state, since, until, turn < 2


def named(user: int) -> str:
    return md5(str(user).encode(), usedforsecurity=False).hexdigest()


def measure() -> str:
    from consent.decisions.verification import verify

    halves: list[float] = []

    def advance(done: int, of: int) -> None:
        if 2 * done == of:
            halves.append(time.monotonic())

    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    verdict = verify(advance=advance)
    end = time.monotonic()
    added = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return (
        f"{verdict.sentence()} Seals {halves[0] - begin:.1f} s, table {end - halves[0]:.1f} s; "
        f"memory grew by {added / 1024:.0f} MiB."
    )


if __name__ == "__main__":
    main()
