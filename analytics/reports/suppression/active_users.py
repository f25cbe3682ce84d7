"""Suppression of active users: days by deployment type, and headlines that agree with their days."""

from dataclasses import replace
from datetime import timedelta

from analytics.reports.active_users import ActiveDay, ActiveUsersReport
from analytics.reports.cells import Compared, Count, Measure, Withheld, exact
from analytics.reports.suppression.rules import (
    compared,
    few,
    hidden_measure,
    parts_of,
    ruled,
    shown,
)


def suppress_active_users(report: ActiveUsersReport) -> ActiveUsersReport:
    """Deployment types are parts of their day's total; a mean is shown only if all of its days are.

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
                report.stickiness.value, not (steady[0] and whole[0]) or isinstance(monthly.value, Withheld)
            ),
            hidden_measure(
                report.stickiness.before, not (steady[1] and whole[1]) or isinstance(monthly.before, Withheld)
            ),
        ),
        period_users=_period(report.period_users, report.users_so_far),
        users_so_far=shown(report.users_so_far),
    )


def _active_day(day: ActiveDay) -> ActiveDay:
    parts = (day.cloud, day.self_hosted, day.unknown)
    if any(isinstance(number, Withheld) for number in (day.total, *parts)):
        return day  # sealed: its small groups were left out then
    cloud, self_hosted, unknown = (
        ruled(number, verdict) for number, verdict in zip(parts, parts_of(day.total, parts), strict=True)
    )
    return day._replace(total=shown(day.total), cloud=cloud, self_hosted=self_hosted, unknown=unknown)


def _latest(
    hidden: ActiveUsersReport, metric: str, value: Compared, weeks_before: int | None = None
) -> Compared:
    """A headline shows what its day shows. If its day is not in the report, its own size decides."""
    filters, by_size = hidden.filters, compared(value)
    if by_size.value is None or not filters.complete.length:
        return by_size
    narrowed = replace(hidden, filters=replace(filters, metric=metric))
    days: dict[object, Measure] = {day.day: day.total for day in [*narrowed.previous, *narrowed.days]}
    last = filters.complete.last
    shift = timedelta(weeks=weeks_before) if weeks_before else filters.shift
    before = by_size.before if by_size.before is None else days.get(last - shift, by_size.before)
    return Compared(days.get(last, by_size.value), before)


def _all_shown(report: ActiveUsersReport, metric: str) -> tuple[bool, bool]:
    narrowed = replace(report, filters=replace(report.filters, metric=metric))
    now = [day for day in narrowed.days if day.complete]
    return (
        all(isinstance(day.total, int) for day in now),
        all(isinstance(day.total, int) for day in narrowed.previous),
    )


def _period(users: Compared, so_far: Count) -> Compared:
    """The headline includes today when today adds few people: the difference would reveal them."""
    if isinstance(users.value, int) and few(exact(so_far) - users.value):
        users = users._replace(value=exact(so_far))
    return compared(users)
