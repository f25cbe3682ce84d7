"""Suppression of the errors report: occurrences are of published cells already; people by their number."""

from dataclasses import replace

from analytics.reports.cells import AndFewMore, Withheld, exact
from analytics.reports.errors import ErrorDay, ErrorRow, ErrorsReport, ErrorTotals
from analytics.reports.sorting import sorted_errors
from analytics.reports.suppression.rules import few, hidden_measure, must_be_published, shown
from analytics.reports.suppression.together import Marks
from analytics.reports.together import ALL_TOGETHER

HIDDEN, GONE = Withheld.HIDDEN, Withheld.GONE


def suppress_errors(report: ErrorsReport) -> ErrorsReport:
    """Each error by its own people, and all of them together."""
    must_be_published(report.published)
    filters, total = report.filters, report.total
    marks, sort = Marks(report.together, filters), filters.sort
    rows = [_marked_row(_error_row(row), row, marks) for row in report.rows]
    today_is_few = any(few(day.day_users) for day in report.days if not day.complete)
    new_today = few(exact(total.users) - exact(report.headline.users))
    headline = total if today_is_few or new_today else report.headline
    previous = report.previous
    shown_total = _marked(_totals(total), marks, "range")
    shown_headline = _marked(_totals(headline), marks, "complete", "range")
    days = [_day(day, whole=few(total.users)) for day in report.days]
    before_is_few = bool(previous and few(previous.users))
    if filters.reaches_sealed:
        rows = [row._replace(users=GONE) for row in rows]
        shown_total, shown_headline = (one._replace(users=GONE) for one in (shown_total, shown_headline))
        sort = sort or "-occurrences"
    return replace(
        report,
        rows=sorted_errors(rows, sort),
        total=shown_total,
        headline=shown_headline,
        previous=previous and _marked(_totals(previous), marks, "before"),
        days=days,
        previous_days=[_day(day, whole=before_is_few) for day in report.previous_days],
        together=None,
    )


def _is_hidden(users: object, occurrences: object) -> bool:
    """Whether they are of few people, or of no published cell."""
    return few(users) or (isinstance(occurrences, AndFewMore) and not occurrences)  # type: ignore[arg-type]


def _error_row(row: ErrorRow) -> ErrorRow:
    users, before = exact(row.users), row.previous_users
    if _is_hidden(row.users, row.occurrences):
        return ErrorRow(
            error_type=row.error_type,
            place=row.place,
            users=shown(row.users),
            occurrences=HIDDEN,
            first_seen=HIDDEN,
            last_seen=HIDDEN,
            change=HIDDEN,
            previous_users=None if before is None else HIDDEN,
            trend=(HIDDEN,) * len(row.trend),
        )
    change = row.change
    if few(users - row.complete_users) and isinstance(before, int) and before:
        change = users / before - 1  # with today: the difference would be its few people
    return row._replace(
        first_seen=row.first_seen or HIDDEN,  # no day alone has enough people
        last_seen=row.last_seen or HIDDEN,
        change=hidden_measure(change, few(before) or few(row.complete_users)),
        previous_users=before if before is None else shown(before),
        complete_users=0,
    )


def _marked_row(row: ErrorRow, exact_row: ErrorRow, marks: Marks) -> ErrorRow:
    """The row without people whose number would give few away beside the same error under other filters."""
    name = row.error_type, row.place
    users, before = marks.of(row.users, name, "range"), marks.of(row.previous_users, name, "before")
    complete = marks.of(exact_row.complete_users, name, "complete")
    unknown = isinstance(users, Withheld) or isinstance(complete, Withheld) or before is HIDDEN
    return row._replace(
        users=users,
        change=hidden_measure(row.change, unknown and row.change is not None),
        previous_users=before,
    )


def _totals(totals: ErrorTotals) -> ErrorTotals:
    """People who met nothing that is shown would follow from all and from those of the rows, if few."""
    if _is_hidden(totals.users, totals.occurrences):
        return ErrorTotals(shown(totals.users), HIDDEN)
    return ErrorTotals(HIDDEN if few(totals.only_few) else totals.users, totals.occurrences)


def _marked(totals: ErrorTotals, marks: Marks, *spans: str) -> ErrorTotals:
    for span in spans:
        totals = totals._replace(users=marks.of(totals.users, ALL_TOGETHER, span))
    return totals


def _day(day: ErrorDay, *, whole: bool) -> ErrorDay:
    is_hidden = _is_hidden(day.day_users, day.occurrences) or (whole and day.day_users)
    return day._replace(occurrences=HIDDEN if is_hidden else day.occurrences, day_users=0)
