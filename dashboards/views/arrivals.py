"""What arrived in the last hours, by outcome and reason. Events are not people: nothing is hidden."""

from datetime import datetime
from typing import NamedTuple

from ingest.models import TrafficCount
from ingest.reasons import page_words
from ingest.traffic.queries import ArrivalInterval, traffic_last

OUTCOMES = {
    "accepted": "Accepted",
    "duplicate": "Dropped",
    "refused": "Dropped",
    "skipped": "Skipped",
    "rejected": "Rejected",
}
# What is not among the events, in its own unit: a rejected request may have held any number of them.
APART = {"skipped": "spans", "rejected": "requests"}
KINDS = {"accepted": "v", "duplicate": "vo", "refused": "vo", "rejected": "bad"}  # colours of the bars
RECENT_LINES = 12


class ArrivalRow(NamedTuple):
    """Events with one outcome and reason, over all the hours; or what is counted apart from them."""

    name: str
    kind: str
    outcome: str
    reason: str
    events: int
    bar: float  # against the largest number of events; 0 for what is counted apart
    share: float | None  # of the events; None for what is counted apart
    unit: str = ""  # of what is counted apart


class ArrivalLine(NamedTuple):
    """Events with one outcome and reason in one minute."""

    minute: datetime
    name: str
    signal: str
    events: int


class Arrivals(NamedTuple):
    """The last `hours`: how much came, in rows (accepted first), hour by hour, and the newest minutes."""

    hours: int
    events: int  # accepted, sent again or refused
    is_empty: bool  # not even a rejected request came
    rows: list[ArrivalRow]
    by_hour: list[ArrivalInterval]
    lines: list[ArrivalLine]
    last_accepted: datetime | None

    @property
    def accepted_by_hour(self) -> list[int]:
        return [hour.accepted for hour in self.by_hour]

    @property
    def reasons(self) -> set[str]:
        return {row.reason for row in self.rows}

    @property
    def lacks_consent(self) -> bool:
        return any(reason.startswith("no_consent") for reason in self.reasons)


def words(outcome: str, reason: str) -> str:
    """“Dropped: no consent”. Single records are dropped, on purpose; whole requests are rejected."""
    name = OUTCOMES.get(outcome, outcome)
    if outcome == "duplicate":
        return f"{name}: sent again, stored once"
    return f"{name}: {page_words(reason)}" if reason else name


def arrivals(*, hours: int, now: datetime | None = None) -> Arrivals:
    """What arrived in the last `hours` hours, including the current one."""
    traffic = traffic_last(hours, now=now)
    outcomes = [outcome for outcome in traffic.outcomes if outcome.count]
    of_events = [outcome.count for outcome in outcomes if outcome.outcome not in APART]
    order = list(OUTCOMES)
    rows = [
        ArrivalRow(
            name=words(outcome, reason),
            kind=KINDS.get(outcome, "vo"),
            outcome=outcome,
            reason=reason,
            events=events,
            bar=0 if outcome in APART else events / max(of_events),
            share=None if outcome in APART else events / sum(of_events),
            unit=APART.get(outcome, ""),
        )
        for outcome, reason, events in outcomes
    ]
    return Arrivals(
        hours=hours,
        events=sum(of_events),
        is_empty=not outcomes,
        rows=sorted(rows, key=lambda row: order.index(row.outcome) if row.outcome in order else len(order)),
        by_hour=traffic.intervals,
        lines=_newest(traffic.intervals),
        last_accepted=traffic.last_accepted,
    )


def _newest(hours: list[ArrivalInterval]) -> list[ArrivalLine]:
    rows = TrafficCount.objects.filter(minute__gte=hours[0].start).order_by("-minute", "outcome", "reason")
    return [
        ArrivalLine(row.minute, words(row.outcome, row.reason), row.signal, row.count)
        for row in rows[:RECENT_LINES]
    ]
