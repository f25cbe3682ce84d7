"""People by feature of whole weeks and months, counted once when the first day of such a span is sealed.

Of everybody together, without internal use. A span's count that differs by few people from that of one of its
days (or weeks) would tell of them, and is left out.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from analytics.report_days import week_of
from analytics.rollups.numbers import Numbers
from analytics.rollups.reading.people import People
from analytics.rollups.reading.reader import Reader, Segment
from analytics.rollups.sealing.withholding import alone
from analytics.small_groups import enough, too_few

Span = tuple[date, date]  # its first and its last day


class SpanCounts(NamedTuple):
    """Distinct people of a span: of each feature, and all that were active."""

    features: Numbers
    active: int


def begun(due: Sequence[date], sealed: Collection[date], today: date) -> dict[Span, date]:
    """The weeks and months that are over and have no sealed day yet, each with its first day of `due`."""
    spans: dict[Span, date] = {}
    for day in due:
        for span in (_week(day), _month(day)):
            if span[0] not in sealed and span[1] < today:
                spans.setdefault(span, day)
    return spans


def _week(day: date) -> Span:
    monday = week_of(day)
    return monday, monday + timedelta(days=6)


def _month(day: date) -> Span:
    first = day.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def people_of(reader: Reader, spans: Iterable[Span]) -> dict[Span, dict[str, Any]]:
    """What is kept of each span: its days, who was active, and people by feature; None where withheld."""
    in_order = sorted(spans)
    if not in_order:
        return {}
    first, last = in_order[0][0], max(last for _, last in in_order)
    users = reader.feature_people(Segment(), first, last)
    seen = reader.presence(Segment(), first, last)
    distinct = users.spans(*in_order, repeated=False)
    counted = {
        span: SpanCounts(people.distinct, seen.distinct(*span))
        for span, people in zip(in_order, distinct, strict=True)
    }
    return {span: _kept(span, counted, users) for span in in_order}


def _kept(span: Span, counted: dict[Span, SpanCounts], users: People[str]) -> dict[str, Any]:
    inside = [
        other.features for within, other in counted.items() if within != span and _contains(span, within)
    ]
    low, high = ((day - users.days[0]).days for day in span)
    inside += list(users.daily()[:, max(low, 0) : high + 1].T)
    features = []
    for place, (name, number) in enumerate(zip(users.keys, counted[span].features.tolist(), strict=True)):
        shown = [int(part[place]) for part in inside if enough(part[place])]
        is_apart = not any(too_few(number - part) for part in shown)
        if number:
            features.append([name, alone(number) if is_apart else None])
    first, last = (day.isoformat() for day in span)
    return {"first": first, "last": last, "active": alone(counted[span].active), "features": features}


def _contains(span: Span, other: Span) -> bool:
    return span[0] <= other[0] and other[1] <= span[1]
