"""Distinct people by deployment type, day and metric, for the active users report."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Protocol

from analytics.report_days import days_between
from analytics.reports.cells import Count, Withheld
from analytics.reports.filters import ReportFilters
from analytics.reports.parameters import DEPLOYMENTS
from analytics.rollups.layout import LONGEST_WINDOW, WINDOWS
from analytics.rollups.reading import reader as rollups
from analytics.rollups.reading.reader import SealedDay, Segment


class PeopleByDay(Protocol):
    """Who was active on which days."""

    def windows(self, widths: Sequence[int], first: date, last: date) -> Mapping[int, Iterable[int]]:
        """By width (in days): distinct people in the window that ends on each day from `first` to `last`."""

    def distinct(self, first: date, last: date) -> int:
        """Distinct people on any of the days."""


Seen = Mapping[str, PeopleByDay]  # by deployment type, '' for all


Counts = dict[tuple[str, date], dict[str, Count]]  # (deployment, day) -> metric -> people


def count_active_users(filters: ReportFilters, spans: Sequence[ReportFilters]) -> list[int]:
    """Distinct people active on any day of each span, within the filters' segment."""
    first, last = min(span.first for span in spans), max(span.last for span in spans)
    with rollups.reading() as reader:
        seen = reader.presence(Segment.of(filters), first, last, activity=filters.activity)
        return [seen.distinct(span.first, span.last) for span in spans]


def earliest_day(filters: ReportFilters) -> date:
    """The first day that the windows of the range, and of the previous period, reach back to."""
    first = min(filters.first, filters.previous_complete.first) if filters.compare else filters.first
    return reached_from(first)


def reached_from(day: date) -> date:
    """The first day that the windows of a day, and of the week before it, reach back to."""
    return day - timedelta(days=LONGEST_WINDOW + 7)


def count_days(filters: ReportFilters, seen: Seen, first: date) -> Counts:
    """People per deployment type ('' for all) and day from `first` on for each metric."""
    days = days_between(first, filters.last)
    counts: Counts = defaultdict(lambda: dict.fromkeys(WINDOWS, 0))
    for name in ("", *DEPLOYMENTS):
        windows = seen[name].windows(list(WINDOWS.values()), first, filters.last)
        for metric, width in WINDOWS.items():
            for day, number in zip(days, windows[width], strict=True):
                counts[name, day][metric] = int(number)
    return counts


def enter_sealed(filters: ReportFilters, counts: Counts, sealed: Sequence[SealedDay]) -> None:
    """Fill in the counts kept of sealed days. None were kept of a question that is narrow."""
    for day in sealed:
        for (name, activity, metric), count in day.active.items():
            if activity == filters.activity:
                people = Withheld.HIDDEN if count is None else count
                counts[name, day.day][metric] = people if not filters.is_narrow else Withheld.GONE


def count_spans(filters: ReportFilters, seen: Seen) -> dict[str, int]:
    """Distinct people in the range, in its complete days, and in the previous period."""
    people = seen[filters.deployment]
    spans = {"range": filters, "complete": filters.complete, "before": filters.previous_complete}
    return {
        name: people.distinct(span.first, span.last) if name != "before" or filters.compare else 0
        for name, span in spans.items()
    }
