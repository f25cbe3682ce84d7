"""Errors: how many people met one, and how often, by type and by the place where it happened."""

from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from analytics.report_days import days_between
from analytics.reports.cells import Count, Measure, Withheld, exact
from analytics.reports.error_counts import TOGETHER, ErrorCounts, ErrorMeasures, Name, read_errors
from analytics.reports.filters import ReportFilters
from analytics.reports.together import PeopleTogether
from analytics.rollups.reading import reader as rollups

Seen = date | Withheld | None  # a report day; None where it did not occur in the range


class ErrorRow(NamedTuple):
    """One type of error at one place: a function, a feature (and action), or an endpoint's method and
    template."""

    error_type: str
    place: str
    users: Count  # identified ones
    occurrences: Count
    first_seen: Seen  # of the days of the range that show occurrences
    last_seen: Seen
    change: Measure = None  # of users over complete days, relative
    previous_users: Count | None = None  # None without `compare`
    trend: tuple[Count, ...] = ()  # occurrences on each day of the range
    complete_users: int = 0  # of the complete days; for suppression


class ErrorTotals(NamedTuple):
    """All errors together."""

    users: Count
    occurrences: Count
    only_few: int = 0  # people who met nothing that enough people met; for suppression


class ErrorDay(NamedTuple):
    day: date
    occurrences: Count
    complete: bool
    day_users: int = 0  # for suppression


@dataclass(frozen=True, kw_only=True)
class ErrorsReport:
    """`rows` by users, most first, unless `sort` says otherwise.

    Rows, `total` and `days` include today so far. `headline` covers complete days, `previous` what
    it is compared with (None without `compare`).
    """

    filters: ReportFilters
    rows: list[ErrorRow]
    total: ErrorTotals
    headline: ErrorTotals
    previous: ErrorTotals | None
    days: list[ErrorDay]
    previous_days: list[ErrorDay]  # aligned with `days`
    published: bool = False  # whether occurrences are of published cells, as suppression needs them
    together: PeopleTogether | None = field(default=None, repr=False, compare=False)


def errors_report(filters: ReportFilters, *, published: bool = False) -> ErrorsReport:
    """Every error that occurred in the range.

    With `published`, occurrences are of published cells only: what suppression needs.
    """
    filters = filters.countable
    with rollups.reading() as reader:
        return errors_of(filters, read_errors(reader, filters, published=published))


def errors_of(filters: ReportFilters, counts: ErrorCounts) -> ErrorsReport:
    """The report, from what was counted."""

    def days_of(span: ReportFilters) -> list[ErrorDay]:
        measured = [
            (day, counts.days.get(day, ErrorMeasures())) for day in days_between(span.first, span.last)
        ]
        return [ErrorDay(day, one.occurrences, day < filters.today, one.users) for day, one in measured]

    def totals(span: str) -> ErrorTotals:
        return ErrorTotals(*counts.spans.get((TOGETHER, span), ErrorMeasures()))

    names = [name for name, span in counts.spans if span == "range" and name != TOGETHER]
    rows = [_row(filters, counts, name) for name in names]
    rows.sort(key=lambda row: (-exact(row.users), -exact(row.occurrences), row.error_type, row.place))
    return ErrorsReport(
        filters=filters,
        rows=rows,
        total=totals("range"),
        headline=totals("complete"),
        previous=totals("before") if filters.compare else None,
        days=days_of(filters),
        previous_days=days_of(filters.previous) if filters.compare else [],
        published=counts.published,
        together=counts.together,
    )


def _row(filters: ReportFilters, counts: ErrorCounts, name: Name) -> ErrorRow:
    now, complete, before = (
        counts.spans.get((name, span), ErrorMeasures()) for span in ("range", "complete", "before")
    )
    first_seen, last_seen = counts.seen.get(name, (None, None))
    row = ErrorRow(
        *name,
        users=now.users,
        occurrences=now.occurrences,
        first_seen=first_seen,
        last_seen=last_seen,
        trend=counts.trends[name],
        complete_users=complete.users,
    )
    if not filters.compare:
        return row
    change = complete.users / before.users - 1 if before.users else None
    return row._replace(change=change, previous_users=before.users)
