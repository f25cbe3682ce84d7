"""What arrived lately, by outcome and reason: counts of events, not of people, so nothing is hidden."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Sum
from django.db.models.functions import TruncHour
from django.utils import timezone

from ingest.models import TrafficCount

OUTCOMES = {"accepted": "Accepted", "duplicate": "Dropped", "refused": "Dropped", "rejected": "Rejected"}
REASONS = {
    "duplicate": "sent before, stored once",
    "no_consent": "no consent",
    "consent": "no consent",
    "do_not_track": "do-not-track signal",
    "unroutable": "not an event of a known form",
    "no_timestamp": "no timestamp",
    "too_old": "older than events are kept",
    "too_new": "clock more than 24 h ahead",
    "in_future": "clock more than 24 h ahead",
    "erased": "dated before an erasure",
    "organization_mismatch": "the key belongs to another organization",
    "no_key": "no key",
    "bad_key": "unknown or revoked key",
    "wrong_scope": "key without the scope “ingest”",
    "malformed": "malformed body",
    "too_large": "body too large",
    "metrics": "metrics are not kept",
    "metrics_not_kept": "metrics are not kept",
}
KINDS = {"accepted": "v", "duplicate": "vo", "refused": "vo", "rejected": "bad"}
RECENT_LINES = 12


class ArrivalRow(NamedTuple):
    """One outcome and reason over the whole time."""

    name: str
    kind: str
    outcome: str
    reason: str
    events: int
    bar: float
    share: float


class ArrivalLine(NamedTuple):
    """One outcome and reason of one minute, for those who watch."""

    minute: datetime
    name: str
    outcome: str
    reason: str
    signal: str
    events: int


class Arrivals(NamedTuple):
    """The last `hours`: totals, hour by hour, and the newest minutes."""

    hours: int
    total: int
    rows: list[ArrivalRow]
    by_hour: list[tuple[datetime, Counter[str]]]
    lines: list[ArrivalLine]
    last_at: datetime | None

    @property
    def accepted_by_hour(self) -> list[int]:
        return [counts["accepted"] for _, counts in self.by_hour]

    @property
    def reasons(self) -> set[str]:
        return {row.reason for row in self.rows}

    @property
    def has_accepted(self) -> bool:
        return any(row.outcome == "accepted" for row in self.rows)


def words(outcome: str, reason: str) -> str:
    """“Dropped: no consent”: dropped on purpose, or a request refused."""
    name = OUTCOMES.get(outcome, outcome.capitalize())
    why = REASONS.get(reason or outcome, (reason or "").replace("_", " "))
    return f"{name}: {why}" if why and outcome != "accepted" else name


def arrivals(*, hours: int, now: datetime | None = None) -> Arrivals:
    """What arrived in the last hours, the present hour included."""
    now = now or timezone.now()
    first_hour = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours - 1)
    counts = TrafficCount.objects.filter(minute__gte=first_hour)
    totals = counts.values_list("outcome", "reason").annotate(n=Sum("count")).order_by("outcome", "-n")
    newest = counts.order_by("-minute", "outcome", "reason")[:RECENT_LINES]
    lines = [
        ArrivalLine(
            row.minute, words(row.outcome, row.reason), row.outcome, row.reason, row.signal, row.count
        )
        for row in newest
    ]
    per_hour = (
        counts.annotate(hour=TruncHour("minute")).values_list("hour", "outcome").annotate(n=Sum("count"))
    )
    total, rows = _rows(totals)
    return Arrivals(hours, total, rows, _hours(per_hour, first_hour, hours), lines, _last_at(lines))


def _rows(totals: Iterable[tuple[str, str, int]]) -> tuple[int, list[ArrivalRow]]:
    found = list(totals)
    total = sum(n for _, _, n in found)
    widest = max((n for _, _, n in found), default=0) or 1
    order = list(OUTCOMES)
    rows = [
        ArrivalRow(
            words(outcome, reason), KINDS.get(outcome, "vo"), outcome, reason, n, n / widest, n / total
        )
        for outcome, reason, n in found
        if n
    ]
    return total, sorted(rows, key=lambda row: order.index(row.outcome) if row.outcome in order else 9)


def _hours(
    per_hour: Iterable[tuple[datetime, str, int]], first_hour: datetime, hours: int
) -> list[tuple[datetime, Counter[str]]]:
    found: dict[datetime, Counter[str]] = {
        first_hour + timedelta(hours=offset): Counter() for offset in range(hours)
    }
    for hour, outcome, n in per_hour:
        found.setdefault(hour, Counter())[outcome] += n
    return sorted(found.items())


def _last_at(lines: list[ArrivalLine]) -> datetime | None:
    return lines[0].minute if lines else None
