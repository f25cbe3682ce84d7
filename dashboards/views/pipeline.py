"""The page “Pipeline”: what arrived, what became of it and why, by key; the latest rejections; the jobs.

It counts records and requests, not people, so nothing is hidden.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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
from analytics.rollups.dimensions_built import still_counting
from analytics.storage import pruning
from analytics.storage.pruning import DroppedMonth
from consent.api import proxies
from consent.policies.event_lifetime import months_kept
from dashboards.access import staff_only
from dashboards.charts import svg
from dashboards.layout.page import Notice, Page, show
from dashboards.layout.scope import counting_words
from dashboards.views.pipeline_rows import OutcomeRow, Totals, record_rows, rejected_rows, totals_of
from ingest.reasons import page_words
from ingest.traffic import prometheus, queries
from ingest.traffic.queries import ArrivalInterval, KeyTraffic, Rejected, Traffic, UndeclaredNames

REJECTIONS_SHOWN = 20
NAMES_SHOWN = 50
DROPPED_SHOWN = 12  # months
PROXY_FAULTS_SHOWN = timedelta(days=1)


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
    undeclared: UndeclaredNames
    counting: Sequence[str]  # by what days are still to be counted
    threshold: int  # names on fewer records are not listed


@require_safe
@staff_only
def pipeline(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    value = request.GET.get("period")
    period = next((period for period in PERIODS if period.value == value), PERIODS[0])
    traffic = _traffic(period, now)
    since = traffic.intervals[0].start
    states = status.states(now)
    page = PipelinePage(
        period=period,
        periods=PERIODS,
        totals=totals_of(traffic.intervals),
        last_accepted=traffic.last_accepted,
        records=record_rows(traffic.outcomes),
        rejected=rejected_rows(traffic.outcomes),
        columns=svg.column_chart([interval.accepted for interval in traffic.intervals]),
        spans=traffic.intervals[::-1],
        keys=queries.traffic_by_key(since),
        rejections=[
            RejectionRow(row, page_words(row.reason)) for row in queries.latest_rejections(REJECTIONS_SHOWN)
        ],
        jobs=states,
        notice=_notice(states, now),
        dropped=pruning.dropped_months(DROPPED_SHOWN),
        kept_from=partitions.oldest_kept_month(now, months_kept()),
        undeclared=queries.undeclared_names(since, NAMES_SHOWN, at_least=settings.SUPPRESS_BELOW),
        counting=[counting_words(progress) for progress in still_counting()],
        threshold=settings.SUPPRESS_BELOW,
    )
    return show(request, page)


def _notice(states: list[status.JobState], now: datetime) -> Notice | None:
    """That no job is running; else that days must be rebuilt, or what is wrong with a proxy."""
    beat = next((state for state in states if state.job == runs.BEAT and state.is_bad), None)
    if beat and beat.run:
        text = f"The last tick of beat was at {beat.run.started_at:%Y-%m-%d %H:%M} UTC."
        text += " Check that beat and a worker are running."
        return Notice("No job is running", text, "bad", "Jobs", "#jobs")
    if rebuild := zone_change.rebuild_needed():
        return Notice("The reports’ time zone has changed", f"{rebuild}.")
    since = (now - PROXY_FAULTS_SHOWN).timestamp()
    if faults := set(prometheus.proxy_faults_since(since)):
        sentences = [sentence for name, sentence in proxies.FAULTS.items() if name in faults]
        return Notice("A proxy is not set up as it should be", " ".join(map(_as_sentence, sentences)))
    return None


def _as_sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _traffic(period: Lookback, now: datetime) -> Traffic:
    if period.is_by_day:
        return queries.traffic_by_day(30, now=now)
    return queries.traffic_last(24, now=now)
