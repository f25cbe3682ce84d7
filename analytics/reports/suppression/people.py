"""Suppression of the reports that are about people alone: active users, retention, sessions."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from analytics.reports.active_users import ActiveDay, ActiveUsersReport
from analytics.reports.cells import Compared, Count, Mark, Measure, exact
from analytics.reports.retention import (
    CohortCell,
    CohortRow,
    CurveDay,
    Headline,
    RetentionReport,
    cohort_averages,
)
from analytics.reports.sessions import PageRow, SessionsReport
from analytics.reports.suppression.rules import (
    Marks,
    apart,
    compared,
    few,
    hidden_measure,
    marked,
    measured,
    part,
    parts_of,
    shown,
)

# --- active users -------------------------------------------------------------------------------


def suppress_active_users(report: ActiveUsersReport) -> ActiveUsersReport:
    """Days by deployment type as parts of their total; means only of days that are all shown.

    The days hold every deployment type whatever the filter, so a filtered view hides what the
    whole hides, and cannot be subtracted from it.
    """
    hidden = replace(
        report,
        series={metric: [_active_day(day) for day in days] for metric, days in report.series.items()},
        previous_series={
            metric: [_active_day(day) for day in days] for metric, days in report.previous_series.items()
        },
        stickiness_days=((), ()),
    )
    filters = report.filters
    monthly = _latest(hidden, "mau", report.mau)
    steady = [not any(few(day) for day in days) for days in report.stickiness_days]
    whole = _all_shown(hidden, "dau") if filters.deployment else (True, True)
    average_shown = _all_shown(hidden, report.metric)
    complete = [day for day in hidden.days if day.complete and isinstance(day.total, int)]
    return replace(
        hidden,
        yesterday=_latest(hidden, "dau", report.yesterday, weeks_before=1),
        wau=_latest(hidden, "wau", report.wau),
        mau=monthly,
        average=Compared(
            hidden_measure(report.average.value, not average_shown[0]),
            hidden_measure(report.average.before, not average_shown[1]),
        ),
        highest=max(complete, key=lambda day: exact(day.total), default=None),
        stickiness=Compared(
            hidden_measure(
                report.stickiness.value, not (steady[0] and whole[0]) or isinstance(monthly.value, Mark)
            ),
            hidden_measure(
                report.stickiness.before, not (steady[1] and whole[1]) or isinstance(monthly.before, Mark)
            ),
        ),
        period_users=_period(report.period_users, report.users_so_far),
        users_so_far=shown(report.users_so_far),
    )


def _active_day(day: ActiveDay) -> ActiveDay:
    parts = (day.cloud, day.self_hosted, day.unknown)
    if any(isinstance(number, Mark) for number in (day.total, *parts)):
        return day  # sealed: thresholded when it was
    cloud, self_hosted, unknown = (
        marked(number, mark) for number, mark in zip(parts, parts_of(day.total, parts), strict=True)
    )
    return day._replace(total=shown(day.total), cloud=cloud, self_hosted=self_hosted, unknown=unknown)


def _latest(
    hidden: ActiveUsersReport, metric: str, value: Compared, weeks_before: int | None = None
) -> Compared:
    """A headline as its day shows it, where that day is among the days; else by its own size."""
    filters, own = hidden.filters, compared(value)
    if own.value is None or not filters.complete.length:
        return own
    narrowed = replace(hidden, filters=replace(filters, metric=metric))
    days: dict[object, Measure] = {day.day: day.total for day in [*narrowed.previous, *narrowed.days]}
    last = filters.complete.last
    shift = timedelta(weeks=weeks_before) if weeks_before else filters.shift
    before = own.before if own.before is None else days.get(last - shift, own.before)
    return Compared(days.get(last, own.value), before)


def _all_shown(report: ActiveUsersReport, metric: str) -> tuple[bool, bool]:
    narrowed = replace(report, filters=replace(report.filters, metric=metric))
    now = [day for day in narrowed.days if day.complete]
    return (
        all(isinstance(day.total, int) for day in now),
        all(isinstance(day.total, int) for day in narrowed.previous),
    )


def _period(users: Compared, so_far: Count) -> Compared:
    """Where today adds few people, the headline keeps them in: the difference would show them."""
    if isinstance(users.value, int) and few(exact(so_far) - users.value):
        users = users._replace(value=exact(so_far))
    return compared(users)


# --- retention ----------------------------------------------------------------------------------


def suppress_retention(report: RetentionReport) -> RetentionReport:
    """The ledger, the curve and the cohorts; averages are made anew of what is shown."""
    headline = _headline(report.headline)
    rows = _cohort_rows(report)
    return replace(
        report,
        headline=headline,
        previous=_headline(report.previous) if report.previous else None,
        curve=_curve(report.curve, [headline.new_users, headline.mature]),
        cohorts=rows,
        averages=cohort_averages(rows),
    )


def _headline(ledger: Headline) -> Headline:
    new, immature, mature, _, _ = ledger
    if few(new):
        return Headline(Mark.FEW, *[Mark.HIDDEN] * 4)
    if few(mature):
        small = Mark.FEW if few(immature) else Mark.HIDDEN
        return Headline(new, small, Mark.FEW, Mark.HIDDEN, Mark.HIDDEN)
    retained = part(ledger.retained, mature)
    rate = hidden_measure(ledger.rate, isinstance(retained, Mark))
    if few(immature):
        return Headline(Mark.HIDDEN, Mark.FEW, mature, retained, rate)
    return Headline(new, immature, mature, retained, rate)


def _curve(curve: Sequence[CurveDay], anchors: Sequence[Count]) -> list[CurveDay]:
    """Each day's people are among those of the day before: shown where the step is none or enough."""
    eligibles = [number for number in anchors if isinstance(number, int)]
    laters: list[int] = []
    days = []
    for day in curve:
        eligible, on_day, later = exact(day.eligible), exact(day.on_day), exact(day.on_or_after)
        if few(eligible) or not apart(eligible, eligibles):
            few_or_hidden = Mark.FEW if few(eligible) else Mark.HIDDEN
            days.append(CurveDay(day.n, few_or_hidden, *[Mark.HIDDEN] * 4))
            continue
        eligibles.append(eligible)
        shown_on_day, shown_later = part(on_day, eligible), part(later, eligible)
        if isinstance(shown_later, int):
            if apart(later, laters) and (isinstance(shown_on_day, Mark) or apart(later, [on_day])):
                laters.append(later)
            else:
                shown_later = Mark.HIDDEN
        days.append(
            CurveDay(
                day.n,
                eligible,
                shown_on_day,
                shown_later,
                hidden_measure(day.on_day_rate, isinstance(shown_on_day, Mark)),
                hidden_measure(day.on_or_after_rate, isinstance(shown_later, Mark)),
            )
        )
    return days


def _cohort_rows(report: RetentionReport) -> list[CohortRow]:
    """Cohorts of whole weeks may add up to the headline: their columns are parts of its numbers."""
    filters = report.filters
    inside = [
        index
        for index, row in enumerate(report.cohorts)
        if row.week_start <= filters.last and row.week_start + timedelta(days=6) >= filters.first
    ]
    of_headline = [report.cohorts[index] for index in inside]
    users = _column([row.users for row in of_headline])
    mature = _column([row.mature for row in of_headline])
    retained = _column([row.retained for row in of_headline])
    marks = dict(zip(inside, zip(users, mature, retained, strict=True), strict=True))
    return [
        _cohort_row(row, *marks.get(index, (None, None, None))) for index, row in enumerate(report.cohorts)
    ]


def _column(numbers: Sequence[Count]) -> Marks:
    return parts_of(sum(exact(number) for number in numbers), numbers)


def _cohort_row(
    row: CohortRow, users_mark: Mark | None, mature_mark: Mark | None, retained_mark: Mark | None
) -> CohortRow:
    users = marked(shown(row.users), users_mark)
    if isinstance(users, Mark):
        cells = [CohortCell(cell.week, users, Mark.HIDDEN, cell.open) for cell in row.cells]
        return row._replace(
            users=users, cells=cells, mature=Mark.HIDDEN, retained=Mark.HIDDEN, rate=Mark.HIDDEN
        )
    cells = []
    for cell in row.cells:
        came = part(cell.users, users)
        share = hidden_measure(cell.share, isinstance(came, Mark))
        cells.append(CohortCell(cell.week, came, share, cell.open))
    mature = marked(part(row.mature, users), mature_mark)
    retained = marked(part(row.retained, mature), retained_mark)
    rate = hidden_measure(row.rate, isinstance(retained, Mark))
    return row._replace(users=users, cells=cells, mature=mature, retained=retained, rate=rate)


# --- sessions -----------------------------------------------------------------------------------


def suppress_sessions(report: SessionsReport) -> SessionsReport:
    """Everything about few people is hidden; pages each by their own people."""
    return replace(
        report,
        users=compared(report.users),
        signed_in=compared(report.signed_in),
        sessions=measured(report.sessions, report.users),
        median_seconds=measured(report.median_seconds, report.users),
        sign_ins_per_user=measured(report.sign_ins_per_user, report.signed_in),
        pages=[
            PageRow(page.path, Mark.FEW, Mark.HIDDEN) if few(page.users) else page for page in report.pages
        ],
    )
