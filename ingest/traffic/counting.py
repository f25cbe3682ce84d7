"""How much arrives: accepted, duplicate, refused and rejected, by minute and key, as it happens.

Counted in memory, written every second by a thread with a connection of its own, and at exit.
About events, not people. A database that is away costs nothing but the wait; a killed process
loses the last second. How the counts are read: `ingest/traffic/queries.py`.
"""

import atexit
import logging
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from datetime import UTC, datetime
from multiprocessing import util
from typing import Any, NamedTuple

from django.db import Error, connections, transaction
from django.utils import timezone

from consent import keys
from ingest.traffic import prometheus
from postgres import locks

logger = logging.getLogger(__name__)

FLUSH_EVERY = 1.0  # seconds
MAX_WAITING = 20_000  # different counts kept while the database is away; then new ones are dropped
MAX_REJECTIONS = 200  # the latest, of requests with a key and of those without one
NAMES_PER_DAY = 200  # different undeclared names that are listed per key and day

Label = tuple[int, int | None, str, str, str]  # minute since 1970, key, signal, outcome, reason
Name = tuple[int, str]  # key, undeclared attribute name

ADD = """
INSERT INTO ingest_trafficcount AS known (minute, key_id, signal, outcome, reason, count)
SELECT * FROM unnest(%s::timestamptz[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::bigint[])
    ON CONFLICT ON CONSTRAINT one_count_per_minute DO UPDATE SET count = known.count + excluded.count
"""
REMEMBER_REJECTIONS = """
INSERT INTO ingest_rejectedrequest (at, key_id, signal, transport, status, reason)
SELECT * FROM unnest(%s::timestamptz[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[])
"""
# Whoever has no key must not push out what happened to those who have one.
FORGET_REJECTIONS = """
DELETE FROM ingest_rejectedrequest
 WHERE id IN (SELECT id FROM ingest_rejectedrequest
               WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY key_id IS NULL
                                                                          ORDER BY id DESC) AS place
                                              FROM ingest_rejectedrequest) AS ranked
                             WHERE place > %s)
                 FOR UPDATE SKIP LOCKED)
"""
ADD_NAMES = """
INSERT INTO ingest_undeclaredname AS known (day, key_id, name, count)
SELECT %(day)s, key_id, name, count
  FROM (SELECT sent.*, seen.name IS NOT NULL AS is_known,
               count(*) FILTER (WHERE seen.name IS NULL) OVER (PARTITION BY sent.key_id ORDER BY sent.name)
               AS place
          FROM unnest(%(keys)s::bigint[], %(names)s::text[], %(counts)s::bigint[])
               AS sent (key_id, name, count)
          LEFT JOIN ingest_undeclaredname seen
            ON (seen.day, seen.key_id, seen.name) = (%(day)s, sent.key_id, sent.name)) AS ranked
 WHERE is_known OR place <= %(cap)s - (SELECT count(*) FROM ingest_undeclaredname seen
                                        WHERE (seen.day, seen.key_id) = (%(day)s, ranked.key_id))
    ON CONFLICT ON CONSTRAINT one_row_per_day_and_name DO UPDATE SET count = known.count + excluded.count
"""


class Rejection(NamedTuple):
    """A request that was refused as a whole. Of what it held nothing is kept, nor where it came from."""

    at: datetime
    key_id: int | None
    signal: str
    transport: str
    status: str
    reason: str


class _Waiting:
    """What this process has counted and not yet written."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.writing = threading.Lock()  # held while what was taken out is being written
        self.pid = 0  # of the process whose thread writes; a forked child starts its own
        self.clear()

    def clear(self) -> None:
        self.counts: Counter[Label] = Counter()
        self.used: dict[int, datetime] = {}
        self.rejections: dict[bool, deque[Rejection]] = {
            has_key: deque(maxlen=MAX_REJECTIONS) for has_key in (True, False)
        }
        self.names: Counter[Name] = Counter()

    def is_empty(self) -> bool:
        return not (self.counts or self.used or self.names or any(self.rejections.values()))

    def start(self) -> None:
        """Begin to write, once per process. Called with the lock held."""
        self.pid = os.getpid()
        threading.Thread(target=_flush_for_ever, name="traffic", daemon=True).start()
        atexit.register(_flush_at_exit)
        # A worker process of `multiprocessing` (granian's) ends without `atexit`, but with this.
        util.Finalize(None, _flush_at_exit, exitpriority=100)


_waiting = _Waiting()


def count(key_id: int | None, signal: str, outcome: str, reason: str, number: int) -> None:
    """Add to a count. `outcome`: accepted, duplicate, refused (records) or rejected (a request)."""
    if number <= 0:
        return
    reason = reason[:40]
    prometheus.count_records(signal, outcome, reason, number)
    label = (int(time.time()) // 60, key_id, signal, outcome, reason)
    with _waiting.lock:
        if label in _waiting.counts or len(_waiting.counts) < MAX_WAITING:
            _waiting.counts[label] += number
        else:
            prometheus.COUNTS_LOST.inc(number)
        _ensure_started()


def reject(key_id: int | None, signal: str, reason: str, *, transport: str, status: str | int) -> None:
    """Count a request that was refused as a whole, and remember it among the latest."""
    count(key_id, signal, "rejected", reason, 1)
    rejection = Rejection(timezone.now(), key_id, signal, transport, str(status), reason[:40])
    with _waiting.lock:
        _waiting.rejections[key_id is not None].append(rejection)


def note_use(key_id: int) -> None:
    """Remember that a key was used just now."""
    with _waiting.lock:
        _waiting.used[key_id] = timezone.now()
        _ensure_started()


def note_names(key_id: int, names: Mapping[str, int]) -> None:
    """Count undeclared attribute names of admitted records (`ingest/mapping/undeclared.py` says which)."""
    with _waiting.lock:
        for name, number in names.items():
            if (key_id, name) in _waiting.names or len(_waiting.names) < MAX_WAITING:
                _waiting.names[key_id, name] += number
        _ensure_started()


# --- Writing -------------------------------------------------------------------------------------
def flush() -> None:
    """Write what was counted. Raises a database error after putting the counts back."""
    with _waiting.writing:
        with _waiting.lock:
            counts, used, rejections, names = (
                _waiting.counts,
                _waiting.used,
                _waiting.rejections,
                _waiting.names,
            )
            _waiting.clear()
        try:
            with transaction.atomic(using="default"):
                _write(counts)
                _write_rejections([*rejections[True], *rejections[False]])
                _write_names(names)
                if used:
                    keys.note_use(used, max(used.values()))
        except Error:
            with _waiting.lock:
                _waiting.counts.update(counts)
                _waiting.names.update(names)
                _waiting.used = {**used, **_waiting.used}
                for has_key, earlier in rejections.items():
                    earlier.extend(_waiting.rejections[has_key])
                    _waiting.rejections[has_key] = earlier
            raise


def _write(counts: Counter[Label]) -> None:
    if not counts:
        return
    # Sorted, so that two processes never wait for each other's rows in a circle.
    rows = sorted(counts.items(), key=lambda item: (item[0][0], item[0][1] or 0, *item[0][2:]))
    minutes = [datetime.fromtimestamp(label[0] * 60, UTC) for label, _ in rows]
    columns: list[list[object]] = [[label[position] for label, _ in rows] for position in range(1, 5)]
    with connections["default"].cursor() as cursor:
        cursor.execute(ADD, [minutes, *columns, [number for _, number in rows]])


def _write_rejections(rejections: list[Rejection]) -> None:
    if not rejections:
        return
    rejections.sort(key=lambda rejection: rejection.at)
    with connections["default"].cursor() as cursor:
        cursor.execute(REMEMBER_REJECTIONS, [list(column) for column in zip(*rejections, strict=True)])
        cursor.execute(FORGET_REJECTIONS, [MAX_REJECTIONS])


def _write_names(names: Counter[Name]) -> None:
    if not names:
        return
    parameters: dict[str, Any] = {
        "day": timezone.now().astimezone(UTC).date(),
        "keys": [key_id for key_id, _ in names],
        "names": [name for _, name in names],
        "counts": list(names.values()),
        "cap": NAMES_PER_DAY,
    }
    with connections["default"].cursor() as cursor:
        cursor.execute(locks.TAKE, locks.UNDECLARED_NAMES)
        cursor.execute(ADD_NAMES, parameters)


def _ensure_started() -> None:
    if _waiting.pid != os.getpid():
        _waiting.start()


_stopped = threading.Event()


def _flush_for_ever() -> None:
    while not _stopped.wait(FLUSH_EVERY):
        _flush_quietly()


def _flush_quietly() -> None:
    """Write, if there is anything; a connection that has ended since the last time is made anew once."""
    if _waiting.is_empty():
        return
    for attempt in (1, 2):
        try:
            flush()
            break
        except Exception as error:  # the outermost edge of a thread; the counts wait for the next second
            connections["default"].close()
            if attempt == 2:
                prometheus.count_database_error("counts", error)
                logger.warning("traffic counts wait for the database: %s", type(error).__name__)
    prometheus.COUNTS_WAITING.set(len(_waiting.counts))


def _flush_at_exit() -> None:
    if _waiting.pid == os.getpid():
        with _waiting.writing:  # the thread may be at it; what it could not write comes back
            pass
        _flush_quietly()
