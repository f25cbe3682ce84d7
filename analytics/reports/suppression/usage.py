"""Suppression of the reports in which people do things: features and endpoints.

Where today's few people could be found by subtracting complete days from the range that holds
today, the headline keeps today in: then there is nothing to subtract.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from analytics.reports.cells import Compared, Count, Mark, exact
from analytics.reports.endpoints import (
    EndpointDay,
    EndpointReport,
    EndpointRow,
    EndpointsReport,
    StatusRow,
)
from analytics.reports.features import (
    ActionRow,
    DeploymentRow,
    FeatureDay,
    FeatureReport,
    FeatureRow,
    FeaturesReport,
)
from analytics.reports.filters import ReportFilters
from analytics.reports.sorting import sorted_endpoints, sorted_features
from analytics.reports.suppression.rules import (
    Marks,
    compared,
    few,
    hidden_measure,
    marked,
    measured,
    part,
    parts_of,
    rows_of,
    shown,
)

Day = TypeVar("Day", FeatureDay, EndpointDay)

# --- features -----------------------------------------------------------------------------------


def suppress_features(report: FeaturesReport) -> FeaturesReport:
    """Each feature by its own people. No total of uses is shown, so nothing can be subtracted."""
    rows, sort = [_feature_row(row) for row in report.rows], report.filters.sort
    active = shown(report.active_users)
    if report.filters.reaches_sealed:
        rows, active = [_row_without_people(row) for row in rows], Mark.GONE
        sort = sort or "-uses"
    return replace(report, rows=sorted_features(rows, sort), active_users=active)


def _feature_row(row: FeatureRow) -> FeatureRow:
    if few(row.users):
        return row._replace(
            users=Mark.FEW,
            uses=Mark.HIDDEN,
            share=Mark.HIDDEN,
            repeat_users=Mark.HIDDEN,
            actions=Mark.HIDDEN,
            change=Mark.HIDDEN,
            previous_users=None if row.previous_users is None else Mark.HIDDEN,
            previous_share=Mark.HIDDEN,
            trend=[Mark.HIDDEN] * len(row.trend),
            complete_users=0,
        )
    change = row.change
    users, before = exact(row.users), row.previous_users
    if few(users - row.complete_users) and isinstance(before, int) and before:
        change = users / before - 1  # today stays in: its few people would be the difference
    return row._replace(
        repeat_users=part(row.repeat_users, row.users),
        change=hidden_measure(change, few(before) or few(row.complete_users)),
        previous_users=before if before is None else shown(before),
        previous_share=hidden_measure(row.previous_share, few(before)),
        trend=[shown(number) for number in row.trend],
        complete_users=0,
    )


def _row_without_people(row: FeatureRow) -> FeatureRow:
    """Who used it on sealed days is not known any more, and so are distinct people of the range."""
    return row._replace(users=Mark.GONE, share=Mark.GONE, repeat_users=Mark.GONE)


def suppress_feature(report: FeatureReport) -> FeatureReport:
    """Days and actions add up to the uses, deployment types (nearly) to the users."""
    report = _suppressed_feature(report)
    if not report.filters.reaches_sealed:
        return report
    gone = Compared(Mark.GONE)
    return replace(
        report,
        actions=[row._replace(users=Mark.GONE) for row in report.actions],
        deployments=[row._replace(users=Mark.GONE) for row in report.deployments],
        users_so_far=Mark.GONE,
        users=gone,
        share=gone,
        repeat_users=gone,
        active_users=Mark.GONE,
    )


def _suppressed_feature(report: FeatureReport) -> FeatureReport:
    today_is_few = any(few(day.users) for day in report.days if not day.complete)
    complete_people: Count = report.users.value if isinstance(report.users.value, int) else 0
    if today_is_few or few(exact(report.users_so_far) - exact(complete_people)):
        so_far = exact(report.users_so_far)
        active = report.active_users_so_far
        report = replace(
            report,
            users=report.users._replace(value=so_far),
            uses=report.uses._replace(value=exact(report.uses_so_far)),
            share=report.share._replace(value=so_far / exact(active) if active else None),
            repeat_users=report.repeat_users._replace(value=exact(report.repeat_users_so_far)),
            active_users=active,
        )
    whole = few(report.users_so_far)
    days = _day_marks(report.days, report.users_so_far, complete_people)
    actions = rows_of(report.users_so_far, [row.users for row in report.actions])
    deployments = parts_of(report.users_so_far, [row.users for row in report.deployments])
    return replace(
        report,
        days=[_feature_day(day, mark, whole) for day, mark in zip(report.days, days, strict=True)],
        previous=_previous_feature_days(report),
        actions=[
            ActionRow(row.action, marked(row.users, mark), Mark.HIDDEN if mark or whole else row.uses)
            for row, mark in zip(report.actions, actions, strict=True)
        ],
        deployments=[
            DeploymentRow(row.deployment, marked(row.users, mark))
            for row, mark in zip(report.deployments, deployments, strict=True)
        ],
        users_so_far=shown(report.users_so_far),
        uses_so_far=Mark.HIDDEN if whole else report.uses_so_far,
        users=compared(report.users),
        uses=measured(report.uses, report.users),
        share=measured(report.share, report.users),
        repeat_users=_parts(report.repeat_users, report.users),
        active_users=shown(report.active_users),
        repeat_users_so_far=0,
        active_users_so_far=0,
    )


def _parts(number: Compared, whole: Compared) -> Compared:
    def one(value: object, of: object) -> Any:
        return part(value, of) if isinstance(value, int) and isinstance(of, int) else value

    return Compared(one(number.value, whole.value), one(number.before, whole.before))


def _feature_day(day: FeatureDay, mark: Mark | None, whole: bool) -> FeatureDay:
    if whole:
        return day._replace(users=Mark.HIDDEN, uses=Mark.HIDDEN)
    return day if mark is None else day._replace(users=mark, uses=Mark.HIDDEN)


def _previous_feature_days(report: FeatureReport) -> list[FeatureDay]:
    before = report.users.before
    people: Count = before if isinstance(before, int) else 0
    marks = _previous_marks(report.filters, report.previous, people)
    return [_feature_day(day, mark, few(people)) for day, mark in zip(report.previous, marks, strict=True)]


# --- endpoints ----------------------------------------------------------------------------------


def suppress_endpoints(report: EndpointsReport) -> EndpointsReport:
    """Rows add up to the total's requests, and so do days."""
    marks: Marks = rows_of(report.total.users, [row.users for row in report.rows])
    rows = [_endpoint_row(row, mark) for row, mark in zip(report.rows, marks, strict=True)]
    if report.filters.reaches_sealed:
        rows = [row._replace(users=Mark.GONE) for row in rows]
    return replace(report, rows=sorted_endpoints(rows, report.filters.sort), **_common(report))


def suppress_endpoint(report: EndpointReport) -> EndpointReport:
    """As the list; and the latency of a day that is hidden is hidden with it."""
    common = _common(report)
    hidden = {day.day for day in common["days"] if isinstance(day.requests, Mark)}
    whole = few(report.total.users)
    return replace(
        report,
        statuses=[StatusRow(row.status, Mark.HIDDEN if whole else row.requests) for row in report.statuses],
        latency=[] if whole else [cell for cell in report.latency if cell.day not in hidden],
        **common,
    )


def _common(report: EndpointsReport | EndpointReport) -> dict[str, Any]:
    """Totals and days. Where today is of few, the headline keeps today in."""
    filters, total = report.filters, report.total
    today_is_few = any(few(day.users) for day in report.days if not day.complete)
    new_today = few(exact(total.users) - exact(report.headline.users))
    headline = total if today_is_few or new_today else report.headline
    marks = _day_marks(report.days, total.users, report.headline.users)
    previous = report.previous
    before: Count = previous.users if previous else 0
    previous_marks = _previous_marks(filters, report.previous_days, before)
    shown_total = _endpoint_row(total, Mark.FEW if few(total.users) else None)
    shown_headline = _endpoint_row(headline, Mark.FEW if few(headline.users) else None)
    days = [_endpoint_day(day, mark, few(total.users)) for day, mark in zip(report.days, marks, strict=True)]
    if filters.reaches_sealed:
        shown_total, shown_headline = (row._replace(users=Mark.GONE) for row in (shown_total, shown_headline))
        days = [day._replace(users=Mark.GONE) if filters.is_sealed(day.day) else day for day in days]
    return {
        "total": shown_total,
        "headline": shown_headline,
        "previous": previous and _endpoint_row(previous, Mark.FEW if few(previous.users) else None),
        "days": days,
        "previous_days": [
            _endpoint_day(day, mark, few(before))
            for day, mark in zip(report.previous_days, previous_marks, strict=True)
        ],
    }


def _endpoint_row(row: EndpointRow, mark: Mark | None) -> EndpointRow:
    complete, before = row.compared_users
    if mark is not None:
        return EndpointRow(
            endpoint=row.endpoint,
            method=row.method,
            requests=Mark.HIDDEN,
            errors=Mark.HIDDEN,
            error_rate=Mark.HIDDEN,
            mean_ms=Mark.HIDDEN,
            p50_ms=Mark.HIDDEN,
            p95_ms=Mark.HIDDEN,
            p99_ms=Mark.HIDDEN,
            users=mark,
            previous_p95_ms=Mark.HIDDEN,
            change=Mark.HIDDEN,
            trend=(Mark.HIDDEN,) * len(row.trend),
        )
    return row._replace(
        previous_p95_ms=hidden_measure(row.previous_p95_ms, few(before)),
        change=hidden_measure(row.change, few(before) or few(complete)),
        trend=tuple(
            hidden_measure(p95, few(users)) for p95, users in zip(row.trend, row.trend_users, strict=True)
        ),
        trend_users=(),
        compared_users=(0, 0),
    )


def _endpoint_day(day: EndpointDay, mark: Mark | None, whole: bool) -> EndpointDay:
    if mark is None and not (whole and day.users):
        return day
    return day._replace(
        requests=Mark.HIDDEN,
        errors=Mark.HIDDEN,
        p50_ms=Mark.HIDDEN,
        p95_ms=Mark.HIDDEN,
        p99_ms=Mark.HIDDEN,
        users=mark or Mark.HIDDEN,
    )


# --- days ---------------------------------------------------------------------------------------


def _day_marks(days: Sequence[Day], people: Count, complete_people: Count) -> Marks:
    """Marks for days. They add up to two totals, with today and without it.

    Where either today or the days beside it are of few, only the first total is shown; else today
    is shown, and of the other days so many are hidden that either sum is safe.
    """
    known = [day if isinstance(day.users, int) else day._replace(users=0) for day in days]  # sealed: none
    if few(complete_people) or any(few(day.users) for day in known if not day.complete):
        return rows_of(people, [day.users for day in known])
    marks: Marks = rows_of(people, [day.users for day in known if day.complete])
    return [*marks, *([None] * (len(days) - len(marks)))]


def _previous_marks(filters: ReportFilters, days: Sequence[Day], people: Count) -> Marks:
    """The previous period's last day, today's counterpart, is not part of its total."""
    counted: int = len(days) - (1 if filters.includes_today and days else 0)
    marks: Marks = rows_of(people, [day.users for day in days[:counted]])
    return [*marks, *(Mark.FEW if few(day.users) else None for day in days[counted:])]
