"""The barrier between ingest and a withdrawal: 64 advisory locks on the analytics database.

An ingest transaction first takes a shared lock on the bucket of every subject it names, then reads consent,
and holds the locks to its end. A withdrawal first commits the new state, and then takes its subject's bucket
exclusively: once it has the lock, every transaction that read the earlier state has ended. The locks end with
their transactions, so they work through PgBouncer in transaction mode.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db import Error, connections

from consent.pseudonyms import ANONYMOUS
from postgres import locks
from postgres.binary import int_array, integer
from postgres.pipeline import Question, Statement

BUCKETS = 64
LOCK_SPACE = locks.INGEST_BARRIER
WAIT = "5s"
LATELY = "1 hour"  # longer than any request takes, and than clocks differ
# Sessions and installations seen with a user for the first time lately: requests in flight may not know it.
SEEN_LATELY = """
SELECT DISTINCT name FROM analytics_seen_with
 WHERE user_id = %s AND recorded_at > now() - %s::interval
"""

# In ascending order and in one statement, so that two requests cannot deadlock.
_SHARED = "SELECT pg_advisory_xact_lock_shared({}, bucket) FROM unnest({}::int[]) AS bucket"
LOCK_SHARED, TAKE_SHARED = _SHARED.format("%s", "%s"), Statement(_SHARED.format("$1", "$2"), "int4", "int4[]")

# FROM is evaluated first, so the timeout is set before the lock is taken.
TAKE_AND_RELEASE = "SELECT pg_advisory_xact_lock(%s, %s) FROM set_config('lock_timeout', %s, true)"
NOW = "SELECT clock_timestamp()"


class BarrierNotReached(Exception):
    """The change is recorded, but events in flight could not be ruled out: wait again."""


def bucket(pseudonym: str) -> int:
    """The bucket of a subject, or of the `anon:` form of a session."""
    return int(pseudonym.removeprefix(ANONYMOUS)[:4], 16) % BUCKETS


def buckets(pseudonyms: Iterable[str]) -> list[int]:
    """The buckets of these subjects, ascending, each once. '' (no such subject named) has none."""
    return sorted({bucket(pseudonym) for pseudonym in pseudonyms if pseudonym})


def lock_shared(pseudonyms: Iterable[str]) -> Question:
    """The question (`postgres/pipeline.py`) that takes these subjects' locks until its transaction ends."""
    return TAKE_SHARED, (integer(LOCK_SPACE), int_array(buckets(pseudonyms)))


def wait_for_ingest(pseudonym: str) -> datetime:
    """Return once every ingest transaction that may have read this subject's earlier state has ended.

    Also those that store events of a user's session without knowing yet whose session it is: a link that is
    not committed when they read it belongs to a transaction that holds the user's bucket, and is waited for.

    Returns a moment by which all that they have stored had arrived (`arrivals_clock`).
    """
    wait_for_bucket(bucket(pseudonym))
    for number in buckets(_seen_lately(pseudonym)):
        wait_for_bucket(number)
    return arrivals_clock()


def arrivals_clock() -> datetime:
    """Now, by the clock that dates the arrival of events: the analytics database's, not this process's."""
    try:
        with connections["analytics"].cursor() as cursor:
            cursor.execute(NOW)
            (now,) = cursor.fetchone()
    except Error as error:
        raise BarrierNotReached("the analytics database did not tell the time") from error
    moment: datetime = now
    return moment


def _seen_lately(user: str) -> list[str]:
    try:
        with connections["analytics"].cursor() as cursor:
            cursor.execute(SEEN_LATELY, [user, LATELY])
            return [name for (name,) in cursor.fetchall()]
    except Error as error:
        raise BarrierNotReached("sessions of this subject could not be read") from error


def wait_for_all_ingest() -> None:
    """The same for all subjects. Takes one bucket at a time: ingest continues in the others."""
    for number in range(BUCKETS):
        wait_for_bucket(number)


def wait_for_bucket(number: int) -> None:
    """The same for the subjects of one bucket. The statement runs in a transaction of its own."""
    try:
        with connections["analytics"].cursor() as cursor:
            cursor.execute(TAKE_AND_RELEASE, [LOCK_SPACE, number, WAIT])
    except Error as error:
        raise BarrierNotReached("events in flight could not be ruled out") from error
