"""Reads the counts of what arrived: totals, hours or days, keys, rejections, undeclared names.

Everything is added up in SQL: a month of a busy instance is many rows. Nothing is suppressed: the counts
are about events and requests, not about people.
"""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from django.db.models import Max, QuerySet, Sum
from django.db.models.functions import Trunc
from django.utils import timezone

from consent.models import Key
from consent.policies.activation import active_registry
from ingest.mapping import boilerplate
from ingest.models import RejectedRequest, TrafficCount, UndeclaredName

OUTCOMES = ("accepted", "duplicate", "refused", "rejected", "skipped")


class OutcomeCount(NamedTuple):
    """How many records (`rejected`: requests) had this outcome for this reason."""

    outcome: str
    reason: str
    count: int  # type: ignore[assignment]  # hides tuple.count, which is not needed here


class ArrivalInterval(NamedTuple):
    """What arrived in one hour or day (UTC); `refused` does not include duplicates, nor what was skipped."""

    start: datetime
    accepted: int
    duplicate: int
    refused: int
    rejected: int
    skipped: int = 0


class KeyTraffic(NamedTuple):
    """What one key has sent; `key` is None for requests without a valid key, or with one deleted since."""

    key: Key | None
    accepted: int
    duplicate: int
    refused: int
    rejected: int
    skipped: int = 0


class Rejected(NamedTuple):
    """One of the latest requests that were refused as a whole."""

    at: datetime
    key: Key | None
    signal: str
    transport: str
    status: str
    reason: str


class Undeclared(NamedTuple):
    """An attribute that was dropped because nothing declares it; at least `count` records had it."""

    name: str
    key: Key | None
    count: int  # type: ignore[assignment]
    last_seen: date


class Boilerplate(NamedTuple):
    """Groups of attributes that SDKs send by themselves (`host.*`); at least `count` records had some."""

    groups: list[str]
    count: int  # type: ignore[assignment]


class UndeclaredNames(NamedTuple):
    """Names that somebody chose; apart from them what SDKs send, None if nothing of it was seen."""

    names: list[Undeclared]
    boilerplate: Boilerplate | None


class Traffic(NamedTuple):
    """What arrived in a period. `last_accepted` is the minute of the latest event ever stored."""

    outcomes: list[OutcomeCount]
    intervals: list[ArrivalInterval]
    accepted: int
    refused: int
    last_accepted: datetime | None


def traffic_last(hours: int, *, now: datetime | None = None, key_id: int | None = None) -> Traffic:
    """The counts of the last `hours` hours, the current one included, hour by hour."""
    end = (now or timezone.now()).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    starts = [end - timedelta(hours=hours - 1 - offset) for offset in range(hours)]
    return _traffic(starts, "hour", key_id)


def traffic_by_day(days: int, *, now: datetime | None = None) -> Traffic:
    """The counts of the last `days` days (UTC), today included, day by day."""
    end = (now or timezone.now()).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return _traffic([end - timedelta(days=days - 1 - offset) for offset in range(days)], "day", None)


def _traffic(starts: list[datetime], length: str, key_id: int | None) -> Traffic:
    rows, everything = _since(starts[0]), TrafficCount.objects.filter(outcome="accepted")
    if key_id is not None:
        rows, everything = rows.filter(key_id=key_id), everything.filter(key_id=key_id)
    outcomes: Counter[tuple[str, str]] = Counter()
    by_interval: Counter[tuple[datetime, str]] = Counter()
    grouped = rows.annotate(start=Trunc("minute", length, tzinfo=UTC)).values_list(
        "start", "outcome", "reason"
    )
    for start, outcome, reason, number in grouped.annotate(Sum("count")).order_by():
        outcomes[outcome, reason] += number
        by_interval[start, outcome] += number
    return Traffic(
        [OutcomeCount(outcome, reason, number) for (outcome, reason), number in outcomes.most_common()],
        [ArrivalInterval(start, *(by_interval[start, outcome] for outcome in OUTCOMES)) for start in starts],
        sum(number for (outcome, _), number in outcomes.items() if outcome == "accepted"),
        sum(number for (outcome, _), number in outcomes.items() if outcome == "refused"),
        everything.order_by("-minute").values_list("minute", flat=True).first(),
    )


def traffic_by_key(since: datetime) -> list[KeyTraffic]:
    """Every key that has sent since then, the busiest first, and those that may send but have not."""
    counts: dict[int | None, Counter[str]] = {}
    grouped = _since(since).values_list("key_id", "outcome").annotate(Sum("count"))
    for key_id, outcome, number in grouped.order_by():
        counts.setdefault(key_id, Counter())[outcome] += number
    keys = {key.pk: key for key in Key.objects.all() if key.pk in counts or _may_send(key)}
    gone: Counter[str] = sum((counts.pop(key_id) for key_id in set(counts) - set(keys)), Counter())
    rows = [
        KeyTraffic(key, *(counts.get(pk, Counter())[outcome] for outcome in OUTCOMES))
        for pk, key in keys.items()
    ]
    rows.sort(key=lambda row: (-sum(row[1:]), row.key.name if row.key else ""))
    return rows + ([KeyTraffic(None, *(gone[outcome] for outcome in OUTCOMES))] if gone else [])


def latest_rejections(limit: int) -> list[Rejected]:
    """The latest requests that were refused as a whole, the newest first."""
    rows = list(RejectedRequest.objects.order_by("-at", "-id")[:limit])
    keys = Key.objects.in_bulk([row.key_id for row in rows if row.key_id is not None])
    return [
        Rejected(row.at, keys.get(row.key_id or 0), row.signal, row.transport, row.status, row.reason)
        for row in rows
    ]


def undeclared_names(since: datetime, limit: int, *, at_least: int) -> UndeclaredNames:
    """Names that are still undeclared and that `at_least` this many records had, the most frequent first.

    What SDKs send by themselves is told apart. Of it, a group was noted, or by an earlier version each name.
    """
    grouped = UndeclaredName.objects.filter(day__gte=since.astimezone(UTC).date()).values_list(
        "key_id", "name"
    )
    sums = grouped.annotate(total=Sum("count"), last=Max("day")).filter(total__gte=at_least)
    rows = sums.order_by("-total", "name")
    registry = active_registry()
    undeclared, of_sdks = [], []
    for row in rows:
        group = row[1] if boilerplate.is_group(row[1]) else boilerplate.group_of(row[1])
        if group:
            of_sdks.append((row[0], group, row[2]))
        elif registry.find(row[1]) is None:
            undeclared.append(row)
    keys = Key.objects.in_bulk({row[0] for row in undeclared[:limit]})
    return UndeclaredNames(
        [Undeclared(name, keys.get(key_id), total, last) for key_id, name, total, last in undeclared[:limit]],
        _boilerplate(of_sdks),
    )


def _boilerplate(rows: list[tuple[int, str, int]]) -> Boilerplate | None:
    """The groups, the most frequent first. A record may have several: of a key, the most frequent counts."""
    if not rows:
        return None
    by_key: dict[int, int] = {}
    for key_id, _, total in rows:
        by_key[key_id] = max(total, by_key.get(key_id, 0))
    return Boilerplate(list(dict.fromkeys(group for _, group, _ in rows)), sum(by_key.values()))


def _since(start: datetime) -> QuerySet[TrafficCount]:
    return TrafficCount.objects.filter(minute__gte=start)


def _may_send(key: Key) -> bool:
    return key.is_usable and "ingest" in key.scopes
