"""Rows and totals of the page “Pipeline”.

Records are accepted or dropped, requests are rejected: the two are never added up. Spans that describe no
event are skipped, and are in no share either.
"""

from collections.abc import Sequence
from typing import NamedTuple

from dashboards.views.arrivals import words
from ingest.reasons import STATUS, page_words
from ingest.traffic.queries import ArrivalInterval, OutcomeCount

ORDER = ("accepted", "duplicate", "refused")  # of records
PHRASES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class OutcomeRow(NamedTuple):
    """Records with one outcome and reason, or requests rejected for one reason."""

    name: str
    kind: str  # class of the bar
    number: int
    bar: float  # against the largest number
    share: float | None  # None for what was skipped


class Totals(NamedTuple):
    accepted: int
    duplicate: int
    refused: int
    rejected: int

    @property
    def records(self) -> int:
        return self.accepted + self.duplicate + self.refused

    @property
    def accepted_share(self) -> float | None:
        return self.accepted / self.records if self.records else None

    @property
    def refused_share(self) -> float | None:
        return self.refused / self.records if self.records else None


def totals_of(intervals: Sequence[ArrivalInterval]) -> Totals:
    return Totals(
        accepted=sum(interval.accepted for interval in intervals),
        duplicate=sum(interval.duplicate for interval in intervals),
        refused=sum(interval.refused for interval in intervals),
        rejected=sum(interval.rejected for interval in intervals),
    )


def record_rows(outcomes: Sequence[OutcomeCount]) -> list[OutcomeRow]:
    """Accepted, sent again, each reason for which records were dropped; then what was skipped."""
    records = [outcome for outcome in outcomes if outcome.outcome in ORDER]
    skipped = [outcome for outcome in outcomes if outcome.outcome == "skipped"]
    listed = _rows(
        [
            (_record_name(record), "v" if record.outcome == "accepted" else "vo", record.count)
            for record in sorted(records, key=lambda record: ORDER.index(record.outcome))
        ]
    )
    return listed + [OutcomeRow(_record_name(record), "vo", record.count, 0, None) for record in skipped]


def rejected_rows(outcomes: Sequence[OutcomeCount]) -> list[OutcomeRow]:
    rejected = [outcome for outcome in outcomes if outcome.outcome == "rejected"]
    return _rows([(_with_status(outcome.reason), "bad", outcome.count) for outcome in rejected])


def _rows(counts: Sequence[tuple[str, str, int]]) -> list[OutcomeRow]:
    total = sum(number for _, _, number in counts) or 1
    largest = max((number for _, _, number in counts), default=1)
    return [OutcomeRow(name, kind, number, number / largest, number / total) for name, kind, number in counts]


def _record_name(record: OutcomeCount) -> str:
    if record.outcome == "duplicate":
        return "Sent again, stored once"
    return words(record.outcome, record.reason)


def _with_status(reason: str) -> str:
    """“401 Unauthorized: no key, or an unknown one”. A gRPC call is shown with the matching HTTP status."""
    status = STATUS.get(reason)
    return f"{status} {PHRASES.get(status, '')}: {page_words(reason)}" if status else page_words(reason)
