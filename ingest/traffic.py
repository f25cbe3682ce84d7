"""How much arrives: accepted, duplicate, refused and rejected, by minute and key, as it happens.

Counted in memory, written every second by a thread with a connection of its own, and at exit.
About events, not people. A database that is away costs nothing but the wait; a killed process
loses the last second.
"""

import atexit
import logging
import os
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from multiprocessing import util
from typing import NamedTuple

from django.db import Error, connections
from django.utils import timezone

from consent import keys
from ingest.models import TrafficCount

logger = logging.getLogger(__name__)

FLUSH_EVERY = 1.0  # seconds
MAX_WAITING = 20_000  # different counts kept while the database is away; then new ones are dropped

Label = tuple[datetime, int | None, str, str, str]  # minute, key, signal, outcome, reason

ADD = """
INSERT INTO ingest_trafficcount AS known (minute, key_id, signal, outcome, reason, count)
SELECT * FROM unnest(%s::timestamptz[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::bigint[])
    ON CONFLICT ON CONSTRAINT one_count_per_minute DO UPDATE SET count = known.count + excluded.count
"""


class _Waiting:
    """What this process has counted and not yet written."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.counts: Counter[Label] = Counter()
        self.used: dict[int, datetime] = {}
        self.pid = 0  # of the process whose thread writes; a forked child starts its own

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
    label = (timezone.now().replace(second=0, microsecond=0), key_id, signal, outcome, reason[:40])
    with _waiting.lock:
        if label in _waiting.counts or len(_waiting.counts) < MAX_WAITING:
            _waiting.counts[label] += number
        _ensure_started()


def note_use(key_id: int) -> None:
    """Remember that a key was used just now."""
    with _waiting.lock:
        _waiting.used[key_id] = timezone.now()
        _ensure_started()


def flush() -> None:
    """Write what was counted. Raises a database error after putting the counts back."""
    with _waiting.lock:
        counts, used = _waiting.counts, _waiting.used
        _waiting.counts, _waiting.used = Counter(), {}
    try:
        if counts:
            _write(counts)
            counts = Counter()
        if used:
            keys.note_use(used, max(used.values()))
    except Error:
        with _waiting.lock:
            _waiting.counts.update(counts)
            _waiting.used = {**used, **_waiting.used}
        raise


def _write(counts: Counter[Label]) -> None:
    # Sorted, so that two processes never wait for each other's rows in a circle.
    rows = sorted(counts.items(), key=lambda item: (item[0][0], item[0][1] or 0, *item[0][2:]))
    columns: list[list[object]] = [[label[position] for label, _ in rows] for position in range(5)]
    with connections["default"].cursor() as cursor:
        cursor.execute(ADD, [*columns, [number for _, number in rows]])


def _ensure_started() -> None:
    if _waiting.pid != os.getpid():
        _waiting.start()


_stopped = threading.Event()


def _flush_for_ever() -> None:
    while not _stopped.wait(FLUSH_EVERY):
        _flush_quietly()


def _flush_quietly() -> None:
    if not _waiting.counts and not _waiting.used:
        return
    try:
        flush()
    except Exception as error:  # the outermost edge of a thread; the counts wait for the next second
        logger.warning("traffic counts wait for the database: %s", type(error).__name__)
    finally:
        connections["default"].close()


def _flush_at_exit() -> None:
    if _waiting.pid == os.getpid():
        _flush_quietly()


# --- Reading -------------------------------------------------------------------------------------
class Outcome(NamedTuple):
    """How many records (`rejected`: requests) of the last hours had this outcome for this reason."""

    outcome: str
    reason: str
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody wants here


class Hour(NamedTuple):
    """One hour of arrival, UTC; `refused` includes no duplicates."""

    hour: datetime
    accepted: int
    duplicate: int
    refused: int
    rejected: int


class Traffic(NamedTuple):
    """The traffic of the last hours. `last_accepted` is the minute of the last stored event of all times."""

    outcomes: list[Outcome]
    hours: list[Hour]
    accepted: int
    refused: int
    last_accepted: datetime | None


def traffic_last(hours: int, *, now: datetime | None = None, key_id: int | None = None) -> Traffic:
    """The counts of the last `hours` hours, the current one included. Never suppressed: they count events."""
    now = (now or timezone.now()).astimezone(UTC)
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours - 1)
    rows = TrafficCount.objects.filter(minute__gte=first)
    everything = TrafficCount.objects.filter(outcome="accepted")
    if key_id is not None:
        rows, everything = rows.filter(key_id=key_id), everything.filter(key_id=key_id)
    outcomes: Counter[tuple[str, str]] = Counter()
    by_hour: Counter[tuple[datetime, str]] = Counter()
    for minute, outcome, reason, number in rows.values_list("minute", "outcome", "reason", "count"):
        outcomes[outcome, reason] += number
        by_hour[minute.replace(minute=0), outcome] += number
    every_hour = [first + timedelta(hours=offset) for offset in range(hours)]
    names = ("accepted", "duplicate", "refused", "rejected")
    return Traffic(
        [Outcome(outcome, reason, number) for (outcome, reason), number in outcomes.most_common()],
        [Hour(hour, *(by_hour[hour, name] for name in names)) for hour in every_hour],
        sum(number for (outcome, _), number in outcomes.items() if outcome == "accepted"),
        sum(number for (outcome, _), number in outcomes.items() if outcome == "refused"),
        everything.order_by("-minute").values_list("minute", flat=True).first(),
    )
