"""Suppression of active users: days by deployment type, and headlines that agree with their days."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from analytics.reports.active_users import NUMBERS, ActiveDay, ActiveUsersReport, Beside, Hidden
from analytics.reports.cells import Compared, Count, Measure, Withheld, exact
from analytics.reports.suppression.rules import (
    compared,
    few,
    hidden_measure,
    must_be_published,
    parts_of,
    ruled,
    shown,
)
from analytics.reports.suppression.together import Marks
from analytics.rollups.layout import WINDOWS
from analytics.small_groups import too_few


def suppress_active_users(report: ActiveUsersReport) -> ActiveUsersReport:
    """Deployment types are parts of their day's total; a mean is shown only if all of its days are.

    The days hold every deployment type whatever the filter, so a filtered view hides what the
    whole hides, and cannot be subtracted from it.
    """
    must_be_published(report.published)
    marked = _marked(report)
    hidden = replace(
        report,
        series={metric: [marked[metric][day.day] for day in days] for metric, days in report.series.items()},
        previous_series={
            metric: [marked[metric][day.day] for day in days]
            for metric, days in report.previous_series.items()
        },
        stickiness_days=((), ()),
        history={},
        beside=(),
        rest=None,
        together=None,
        hidden={},
    )
    filters = report.filters
    monthly = _latest(hidden, "mau", report.mau)
    steady = [not any(few(day) for day in days) for days in report.stickiness_days]
    whole = _all_shown(hidden, "dau") if filters.deployment or filters.dimensions else (True, True)
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
        **_periods(report),
    )


def _marked(report: ActiveUsersReport) -> dict[str, dict[date, ActiveDay]]:
    """Every day by metric, as it may be shown: beside other days, windows and segments."""
    marked = _beside_values(_beside(report.history, report.beside), report.hidden)
    if report.rest is not None:
        rest = _stepped(_beside(*report.rest))
        marked = {
            metric: [_without(day, other) for day, other in zip(days, rest[metric], strict=True)]
            for metric, days in marked.items()
        }
    return {metric: {day.day: day for day in days} for metric, days in _stepped(marked).items()}


def _beside(history: dict[str, list[ActiveDay]], others: Sequence[Beside]) -> dict[str, list[ActiveDay]]:
    marked = {}
    for metric, days in history.items():
        own = [_active_day(day) for day in days]
        for beside in others:
            own = [
                _apart(day, other, is_part=beside.is_part)
                for day, other in zip(own, beside.history[metric], strict=True)
            ]
        marked[metric] = own
    return marked


def _beside_values(marked: dict[str, list[ActiveDay]], hidden: Hidden) -> dict[str, list[ActiveDay]]:
    """The days without numbers that would give few away beside those of other values of a dimension."""
    if not hidden:
        return marked
    return {metric: [_beside_value(day, metric, hidden) for day in days] for metric, days in marked.items()}


def _beside_value(day: ActiveDay, metric: str, hidden: Hidden) -> ActiveDay:
    changes: dict[str, Any] = {
        name: Withheld.HIDDEN
        for name in NUMBERS
        if day.day in hidden[metric, name] and type(getattr(day, name)) is int and getattr(day, name)
    }
    return day._replace(**changes) if changes else day


def _stepped(marked: dict[str, list[ActiveDay]]) -> dict[str, list[ActiveDay]]:
    return {
        metric: _steps(days, marked["dau"], WINDOWS[metric]) if WINDOWS[metric] > 1 else days
        for metric, days in marked.items()
    }


def _without(day: ActiveDay, rest: ActiveDay) -> ActiveDay:
    """The day without numbers whose rest, beside organizations whose figures are known, is hidden."""
    hidden = {
        name: Withheld.HIDDEN
        for name in NUMBERS
        if getattr(day, name) and isinstance(getattr(rest, name), Withheld)
    }
    return day._replace(**hidden) if hidden else day  # type: ignore[arg-type]


def _apart(day: ActiveDay, other: ActiveDay, *, is_part: bool) -> ActiveDay:
    """The day without numbers that differ by few people from the same number of another segment.

    What is hidden in a part of the segment is hidden in the segment, too.
    """
    hidden: dict[str, Any] = {}
    if not any(getattr(day, name) for name in NUMBERS):
        return day
    others = _active_day(other)
    for name in NUMBERS:
        number, exact_other, shown_other = (getattr(one, name) for one in (day, other, others))
        if isinstance(number, int) and number and isinstance(exact_other, int):
            of_hidden_part = is_part and isinstance(shown_other, Withheld)
            if of_hidden_part or few(abs(number - exact_other)):
                hidden[name] = Withheld.HIDDEN
    return day._replace(**hidden) if hidden else day


def _steps(days: list[ActiveDay], daily: list[ActiveDay], width: int) -> list[ActiveDay]:
    """Windows, without those that differ by few people from the last shown, if hidden days came or went."""
    columns = []
    for name in NUMBERS:
        withheld = [isinstance(getattr(day, name), Withheld) for day in daily]
        numbers: list[Count] = [getattr(day, name) for day in days]
        last: int | None = None
        is_delicate = False
        for place, number in enumerate(numbers):
            is_delicate |= withheld[place] or (place >= width and withheld[place - width])
            if not isinstance(number, int):
                continue
            if last is not None and is_delicate and few(abs(number - last)):
                numbers[place] = Withheld.HIDDEN
                continue
            last, is_delicate = number, False
        columns.append(numbers)
    return [
        day._replace(**dict(zip(NUMBERS, row, strict=True)))
        for day, row in zip(days, zip(*columns, strict=True), strict=True)
    ]


def _periods(report: ActiveUsersReport) -> dict[str, Any]:
    """People in the range, with today and without it, and before."""
    marks = Marks(report.together, report.filters)
    now, before = _period(report.period_users, report.users_so_far)
    return {
        "period_users": Compared(
            marks.active(marks.active(now, "complete"), "range"), marks.active(before, "before")
        ),
        "users_so_far": marks.active(shown(report.users_so_far), "range"),
    }


def _is_open(total: Count, parts: Sequence[Count]) -> bool:
    """Whether `parts_of` withholds nothing, as on most days."""
    if any(type(number) is not int or too_few(number) for number in (total, *parts)):
        return False
    whole, numbers = exact(total), [exact(part) for part in parts]
    differences = (sum(numbers) - whole, *(whole - number for number in numbers if number))
    return not any(map(too_few, differences))


def _active_day(day: ActiveDay) -> ActiveDay:
    parts = (day.cloud, day.self_hosted, day.unknown)
    if any(isinstance(number, Withheld) for number in (day.total, *parts)):
        return day  # sealed: its small groups were left out then
    if _is_open(day.total, parts):
        return day
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
