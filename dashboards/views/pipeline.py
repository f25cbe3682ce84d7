"""The pipeline page: what arrived, what became of it and why, by key; what was rejected last; the jobs.

Counts of events and requests, not of people, so nothing is hidden. Two units are never added up:
records are accepted or dropped, requests are rejected.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from analytics import partitions
from analytics.jobs import runs, status
from analytics.partitions import Month
from analytics.rollups import zone_change
from analytics.storage import pruning
from analytics.storage.pruning import DroppedMonth
from consent.policies.event_lifetime import months_kept
from dashboards.access import staff_only
from dashboards.charts import svg
from dashboards.layout.page import Notice, Page, show
from dashboards.views.arrivals import words
from ingest.reasons import STATUS, page_words
from ingest.traffic import queries
from ingest.traffic.queries import ArrivalInterval, KeyTraffic, OutcomeCount, Rejected, Traffic, Undeclared

REJECTIONS_SHOWN = 20
NAMES_SHOWN = 50
DROPPED_SHOWN = 12  # months
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


class Lookback(NamedTuple):
    """How far back the page looks, and in which steps."""

    value: str  # in the address
    label: str
    title: str
    column: str  # head of the table's first column
    time_format: str
    is_by_day: bool


PERIODS = (
    Lookback("24h", "24 hours", "Hour by hour", "Hour (UTC)", "D j M, H:i", False),
    Lookback("30d", "30 days", "Day by day", "Day (UTC)", "D j M", True),
)


class OutcomeRow(NamedTuple):
    """Records of one outcome and reason, or rejected requests of one; the bar is against the longest."""

    name: str
    kind: str
    number: int
    bar: float
    share: float


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


class RejectionRow(NamedTuple):
    rejected: Rejected
    why: str


@dataclass(frozen=True, kw_only=True)
class PipelinePage(Page):
    template: ClassVar[str] = "dashboards/pipeline.html"
    title: str = "Pipeline"
    section: str = "pipeline"
    period: Lookback
    periods: Sequence[Lookback]
    totals: Totals
    last_accepted: datetime | None
    records: Sequence[OutcomeRow]
    rejected: Sequence[OutcomeRow]
    columns: SafeString
    spans: Sequence[ArrivalInterval]  # the newest first
    keys: Sequence[KeyTraffic]
    rejections: Sequence[RejectionRow]
    jobs: Sequence[status.JobState]
    dropped: Sequence[DroppedMonth]
    kept_from: Month
    names: Sequence[Undeclared]
    threshold: int  # names on fewer records are not listed


@require_safe
@staff_only
def pipeline(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    period = next((one for one in PERIODS if one.value == request.GET.get("period")), PERIODS[0])
    traffic = _traffic(period, now)
    since = traffic.spans[0].start
    states = status.states(now)
    page = PipelinePage(
        period=period,
        periods=PERIODS,
        totals=_totals(traffic.spans),
        last_accepted=traffic.last_accepted,
        records=_record_rows(traffic.outcomes),
        rejected=_rejected_rows(traffic.outcomes),
        columns=svg.column_chart([span.accepted for span in traffic.spans]),
        spans=traffic.spans[::-1],
        keys=queries.traffic_by_key(since),
        rejections=[
            RejectionRow(row, page_words(row.reason)) for row in queries.latest_rejections(REJECTIONS_SHOWN)
        ],
        jobs=states,
        notice=_notice(states),
        dropped=pruning.dropped_months(DROPPED_SHOWN),
        kept_from=partitions.oldest_kept_month(now, months_kept()),
        names=queries.undeclared_names(since, NAMES_SHOWN, at_least=settings.SUPPRESS_BELOW),
        threshold=settings.SUPPRESS_BELOW,
    )
    return show(request, page)


def _notice(states: list[status.JobState]) -> Notice | None:
    """What keeps all jobs from running; else what the reports still wait for."""
    beat = next((state for state in states if state.job == runs.BEAT and state.is_bad), None)
    if beat and beat.run:
        last = f"Beat’s last tick came at {beat.run.started_at:%Y-%m-%d %H:%M} UTC."
        said = f"{last} Are beat and a worker running?"
        return Notice("No job runs", said, "bad", "Jobs", "#jobs")
    if rebuild := zone_change.rebuild_needed():
        return Notice("The reports’ time zone has changed", f"{rebuild}.")
    return None


def _traffic(period: Lookback, now: datetime) -> Traffic:
    if period.is_by_day:
        return queries.traffic_by_day(30, now=now)
    return queries.traffic_last(24, now=now)


def _totals(spans: list[ArrivalInterval]) -> Totals:
    return Totals(*(sum(column) for column in list(zip(*spans, strict=True))[1:]))


def _record_rows(outcomes: list[OutcomeCount]) -> list[OutcomeRow]:
    """What became of records: accepted, sent again, and the reasons of those that were dropped."""
    order = ("accepted", "duplicate", "refused")
    names = {"duplicate": "Sent again, stored once"}
    found = sorted(
        (row for row in outcomes if row.outcome in order), key=lambda row: order.index(row.outcome)
    )
    return _rows(
        [
            (
                names.get(row.outcome) or words(row.outcome, row.reason),
                "v" if row.outcome == "accepted" else "vo",
                row.count,
            )
            for row in found
        ]
    )


def _rejected_rows(outcomes: list[OutcomeCount]) -> list[OutcomeRow]:
    return _rows(
        [(_with_status(row.reason), "bad", row.count) for row in outcomes if row.outcome == "rejected"]
    )


def _rows(found: list[tuple[str, str, int]]) -> list[OutcomeRow]:
    total = sum(number for _, _, number in found) or 1
    widest = max((number for _, _, number in found), default=1)
    return [OutcomeRow(name, kind, number, number / widest, number / total) for name, kind, number in found]


def _with_status(reason: str) -> str:
    """“401 Unauthorized: no key, or an unknown one”. gRPC's words for the same are counted with HTTP's."""
    status = STATUS.get(reason)
    return f"{status} {PHRASES.get(status, '')}: {page_words(reason)}" if status else page_words(reason)
