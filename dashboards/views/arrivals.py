"""What arrived lately, by outcome and reason: counts of events, not of people, so nothing is hidden."""

from datetime import datetime
from typing import NamedTuple

from ingest.models import TrafficCount
from ingest.traffic.queries import Span, traffic_last

OUTCOMES = {
    "accepted": "Accepted",
    "duplicate": "Dropped",
    "refused": "Dropped",
    "rejected": "Rejected",
}
KINDS = {"accepted": "v", "duplicate": "vo", "refused": "vo", "rejected": "bad"}  # colours of the bars
# Short words for the reasons of `ingest.receive.REASONS` and `ingest.errors.REASONS`.
REASONS = {
    "no_consent": "no consent",
    "do_not_track": "do-not-track signal",
    "base_telemetry_off": "base telemetry is off",
    "unroutable": "not a known event",
    "incomplete": "no event type or feature name",
    "no_timestamp": "no time",
    "too_old": "older than events are kept",
    "in_future": "clock more than 24 h ahead",
    "id_too_long": "id too long",
    "bad_id": "id neither text nor number",
    "other_organization": "key of another organization",
    "personal_data": "personal or secret name",
    "free_text": "free text in place of a name",
    "no_installation": "no installation named",
    "malformed": "malformed",
    "unstorable": "not storable",
    "metrics_not_kept": "metrics are not kept",
    "no_key": "no key, or an unknown one",
    "wrong_scope": "key without the scope “ingest”",
    "wrong_method": "not a POST",
    "wrong_type": "unknown content type",
    "too_slow": "body came too slowly",
    "too_large": "body too large",
    "our_mistake": "our mistake",
    "rate_limited": "more than the key may send",
    "wrong_origin": "publishable key on another website",
    "busy": "too much at once, to be sent again",
    "unavailable": "database away, to be sent again",
}
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
    signal: str
    events: int


class Arrivals(NamedTuple):
    """The last `hours`: totals (accepted first), hour by hour, and the newest minutes."""

    hours: int
    total: int
    rows: list[ArrivalRow]
    by_hour: list[Span]
    lines: list[ArrivalLine]
    last_accepted: datetime | None

    @property
    def accepted_by_hour(self) -> list[int]:
        return [hour.accepted for hour in self.by_hour]

    @property
    def reasons(self) -> set[str]:
        return {row.reason for row in self.rows}


def words(outcome: str, reason: str) -> str:
    """“Dropped: no consent”. Dropped is thrown away on purpose; rejected is a whole request."""
    name = OUTCOMES.get(outcome, outcome)
    if outcome == "duplicate":
        return f"{name}: sent before, stored once"
    return f"{name}: {REASONS.get(reason, reason.replace('_', ' '))}" if reason else name


def arrivals(*, hours: int, now: datetime | None = None) -> Arrivals:
    """What arrived in the last hours, the present one included."""
    traffic = traffic_last(hours, now=now)
    found = [outcome for outcome in traffic.outcomes if outcome.count]
    total = sum(outcome.count for outcome in found)
    widest = max((outcome.count for outcome in found), default=1)
    order = list(OUTCOMES)
    rows = [
        ArrivalRow(
            name=words(outcome, reason),
            kind=KINDS.get(outcome, "vo"),
            outcome=outcome,
            reason=reason,
            events=events,
            bar=events / widest,
            share=events / total,
        )
        for outcome, reason, events in found
    ]
    return Arrivals(
        hours=hours,
        total=total,
        rows=sorted(rows, key=lambda row: order.index(row.outcome) if row.outcome in order else len(order)),
        by_hour=traffic.spans,
        lines=_newest(traffic.spans),
        last_accepted=traffic.last_accepted,
    )


def _newest(hours: list[Span]) -> list[ArrivalLine]:
    rows = TrafficCount.objects.filter(minute__gte=hours[0].start).order_by("-minute", "outcome", "reason")
    return [
        ArrivalLine(row.minute, words(row.outcome, row.reason), row.signal, row.count)
        for row in rows[:RECENT_LINES]
    ]
