"""Counts of what arrives: accepted, duplicate, refused and rejected, by minute and key.

Counted in memory; a thread with a connection of its own writes them every second (`writing.py`), and
once more at exit. They are about events, not people. If the database is unreachable they wait; a
killed process loses the last second. `queries.py` reads them.
"""

import atexit
import logging
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from datetime import datetime
from multiprocessing import util

from django.db import Error, connections, transaction
from django.utils import timezone

from consent import keys
from ingest.traffic import prometheus, writing
from ingest.traffic.writing import Label, Name, Rejection

logger = logging.getLogger(__name__)

FLUSH_EVERY = 1.0  # seconds
MAX_WAITING = 20_000  # different counts that wait for the database; further ones are dropped


class _Waiting:
    """What this process has counted but not yet written."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.writing = threading.Lock()  # held while what was taken out is being written
        self.pid = 0  # of the process whose thread writes; a forked child starts its own
        self.clear()

    def clear(self) -> None:
        self.counts: Counter[Label] = Counter()
        self.used: dict[int, datetime] = {}
        self.rejections: dict[bool, deque[Rejection]] = {
            has_key: deque(maxlen=writing.MAX_REJECTIONS) for has_key in (True, False)
        }
        self.names: Counter[Name] = Counter()

    def is_empty(self) -> bool:
        return not (self.counts or self.used or self.names or any(self.rejections.values()))

    def start(self) -> None:
        """Start the thread that writes, once per process. Called with the lock held."""
        self.pid = os.getpid()
        threading.Thread(target=_flush_for_ever, name="traffic", daemon=True).start()
        atexit.register(_flush_at_exit)
        # A worker process of `multiprocessing` (granian's) ends without `atexit`, but with this.
        util.Finalize(None, _flush_at_exit, exitpriority=100)


_waiting = _Waiting()


def count(key_id: int | None, signal: str, outcome: str, reason: str, number: int) -> None:
    """Add to a count. `outcome`: accepted, duplicate, refused, skipped (records) or rejected (a request)."""
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
    """Note that a key was used just now."""
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
                writing.write_counts(counts)
                writing.write_rejections([*rejections[True], *rejections[False]])
                writing.write_names(names)
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


def _ensure_started() -> None:
    if _waiting.pid != os.getpid():
        _waiting.start()


_stopped = threading.Event()


def _flush_for_ever() -> None:
    while not _stopped.wait(FLUSH_EVERY):
        _flush_quietly()


def _flush_quietly() -> None:
    """Write, if there is anything to write; try once more over a new connection if the old one has ended."""
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
        with _waiting.writing:  # wait for the thread, which may be writing and put back what failed
            pass
        _flush_quietly()
