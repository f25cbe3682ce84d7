"""The barrier between ingest and a withdrawal: 64 advisory locks on the analytics database.

An ingest transaction holds, shared and until it ends, the bucket of every subject it names, and
only then reads consent. A withdrawal first commits its state, then takes its subject's bucket
exclusively: once it has it, every transaction that read the older state has ended.
Transaction-level locks, so that they survive PgBouncer in transaction mode.
"""

from collections.abc import Iterable

from django.db import Error, connections

from consent.pseudonyms import ANONYMOUS
from postgres import locks
from postgres.binary import int_array, integer
from postgres.pipeline import Question, Statement

BUCKETS = 64
LOCK_SPACE = locks.INGEST_BARRIER
WAIT = "5s"

# Ascending, in one statement: two requests never wait for each other in a circle.
_SHARED = "SELECT pg_advisory_xact_lock_shared({}, bucket) FROM unnest({}::int[]) AS bucket"
LOCK_SHARED, TAKE_SHARED = _SHARED.format("%s", "%s"), Statement(_SHARED.format("$1", "$2"), "int4", "int4[]")

# The timeout first: what is selected is computed for the rows of FROM.
TAKE_AND_RELEASE = "SELECT pg_advisory_xact_lock(%s, %s) FROM set_config('lock_timeout', %s, true)"


class BarrierNotReached(Exception):
    """What was to hold is recorded, but it is not certain that nothing is in flight. Ask again."""


def bucket(pseudonym: str) -> int:
    """The bucket of a subject, or of the `anon:` form of a session."""
    return int(pseudonym.removeprefix(ANONYMOUS)[:4], 16) % BUCKETS


def buckets(pseudonyms: Iterable[str]) -> list[int]:
    """The buckets of all these subjects, ascending, each once. '' (a subject not named) has none."""
    return sorted({bucket(pseudonym) for pseudonym in pseudonyms if pseudonym})


def lock_shared(pseudonyms: Iterable[str]) -> Question:
    """The question that takes these subjects' locks, until its transaction ends (see `wire.ask`)."""
    return TAKE_SHARED, (integer(LOCK_SPACE), int_array(buckets(pseudonyms)))


def wait_for_ingest(pseudonym: str) -> None:
    """Return once every ingest transaction that may have read this subject's earlier state has ended."""
    wait_for_bucket(bucket(pseudonym))


def wait_for_all_ingest() -> None:
    """The same for all subjects. One bucket after another: ingest of the others goes on."""
    for number in range(BUCKETS):
        wait_for_bucket(number)


def wait_for_bucket(number: int) -> None:
    """The same for all subjects of a bucket. A statement by itself is its own transaction."""
    try:
        with connections["analytics"].cursor() as cursor:
            cursor.execute(TAKE_AND_RELEASE, [LOCK_SPACE, number, WAIT])
    except Error as error:
        raise BarrierNotReached("events in flight could not be ruled out") from error
