"""Suppression of the feature reports: each feature by its own people."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from analytics.reports.cells import Compared, Count, Measure, Withheld, exact, published
from analytics.reports.features import (
    ActionRow,
    DeploymentRow,
    FeatureDay,
    FeatureReport,
    FeatureRow,
    FeaturesReport,
)
from analytics.reports.sorting import sorted_features
from analytics.reports.suppression.rules import (
    compared,
    few,
    hidden_measure,
    measured,
    must_be_published,
    part,
    parts_of,
    ruled,
    shown,
    uses_of,
)
from analytics.reports.suppression.sealed_features import active_people, feature_of_sealed, row_of_sealed
from analytics.reports.suppression.together import Marks

HIDDEN = Withheld.HIDDEN
SOMEBODY = 1_000_000  # a number of people that is marked by its place alone


def suppress_features(report: FeaturesReport) -> FeaturesReport:
    """Each feature by its own people. Its uses are of published cells already."""
    must_be_published(report.published)
    marks, sort = Marks(report.together, report.filters), report.filters.sort
    active = marks.active(shown(report.active_users), "range")
    rows = [_marked_row(_feature_row(row), row, marks, report.days, active) for row in report.rows]
    if report.filters.reaches_sealed:
        rows, active = [row_of_sealed(row, report.kept) for row in rows], active_people(report.kept)
        sort = sort or "-uses"
    return replace(report, rows=sorted_features(rows, sort), active_users=active, together=None, kept=None)


def _feature_row(row: FeatureRow) -> FeatureRow:
    if few(row.users):
        return row._replace(
            users=Withheld.FEW,
            uses=Withheld.HIDDEN,
            share=Withheld.HIDDEN,
            repeat_users=Withheld.HIDDEN,
            actions=Withheld.HIDDEN,
            change=Withheld.HIDDEN,
            previous_users=None if row.previous_users is None else Withheld.HIDDEN,
            previous_share=Withheld.HIDDEN,
            trend=[Withheld.HIDDEN] * len(row.trend),
            complete_users=0,
        )
    change = row.change
    users, before = exact(row.users), row.previous_users
    if few(users - row.complete_users) and isinstance(before, int) and before:
        change = users / before - 1  # with today: the difference would be its few people
    return row._replace(
        uses=uses_of(users, row.uses),
        repeat_users=part(row.repeat_users, row.users),
        change=hidden_measure(change, few(before) or few(row.complete_users)),
        previous_users=before if before is None else shown(before),
        previous_share=hidden_measure(row.previous_share, few(before)),
        trend=[shown(number) for number in row.trend],
        complete_users=0,
    )


def _marked_row(
    row: FeatureRow, exact_row: FeatureRow, marks: Marks, days: Sequence[date], active: Count
) -> FeatureRow:
    """The row without people whose number would give few away beside the same feature under other filters."""
    name = row.feature
    users, before = marks.of(row.users, name, "range"), marks.of(row.previous_users, name, "before")
    complete = marks.of(exact_row.complete_users, name, "complete")
    is_hidden = isinstance(users, Withheld)
    unknown_change = is_hidden or isinstance(complete, Withheld) or before is HIDDEN
    all_before = marks.active(SOMEBODY, "before")
    return row._replace(
        users=users,
        share=hidden_measure(row.share, is_hidden or active is HIDDEN),
        repeat_users=HIDDEN if is_hidden else marks.twice(row.repeat_users, name, "range"),
        change=hidden_measure(row.change, unknown_change and row.change is not None),
        previous_users=before,
        previous_share=hidden_measure(row.previous_share, HIDDEN in (before, all_before)),
        trend=[marks.on(number, name, day) for number, day in zip(row.trend, days, strict=True)],
    )


def suppress_feature(report: FeatureReport) -> FeatureReport:
    """As in the list. Deployment types add up to the users, or overlap a little."""
    must_be_published(report.published)
    report = _marked_feature(_suppressed_feature(report))
    return feature_of_sealed(report) if report.filters.reaches_sealed else report


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
    deployments = parts_of(report.users_so_far, [row.users for row in report.deployments])
    return replace(
        report,
        days=[_feature_day(day, whole) for day in report.days],
        previous=[_feature_day(day, few(report.users.before)) for day in report.previous],
        actions=[
            ActionRow(
                row.action, shown(row.users), uses_of(report.users_so_far if whole else row.users, row.uses)
            )
            for row in report.actions
        ],
        deployments=[
            DeploymentRow(row.deployment, ruled(row.users, verdict))
            for row, verdict in zip(report.deployments, deployments, strict=True)
        ],
        users_so_far=shown(report.users_so_far),
        uses_so_far=uses_of(report.users_so_far, report.uses_so_far),
        users=compared(report.users),
        uses=Compared(*map(_published, measured(report.uses, report.users))),
        share=measured(report.share, report.users),
        repeat_users=_parts(report.repeat_users, report.users),
        active_users=shown(report.active_users),
        repeat_users_so_far=0,
        active_users_so_far=0,
    )


def _marked_feature(report: FeatureReport) -> FeatureReport:
    """As a list under the same filters hides it."""
    filters, name = report.filters, report.feature
    marks = Marks(report.together, filters)

    def marked(number: Compared, people: Compared) -> Compared:
        return Compared(
            hidden_measure(number.value, people.value is HIDDEN),
            hidden_measure(number.before, people.before is HIDDEN),
        )

    whole = "complete" if filters.complete.length else "range"
    users = Compared(
        marks.of(marks.of(report.users.value, name, whole), name, "range"),
        marks.of(report.users.before, name, "before"),
    )
    active_users: Count = marks.active(marks.active(report.active_users, whole), "range")
    active = Compared(active_users, marks.active(SOMEBODY, "before"))
    repeat = Compared(
        marks.twice(marks.twice(report.repeat_users.value, name, whole), name, "range"),
        marks.twice(report.repeat_users.before, name, "before"),
    )
    return replace(
        report,
        days=[day._replace(users=marks.on(day.users, name, day.day)) for day in report.days],
        previous=[day._replace(users=marks.on(day.users, name, day.day)) for day in report.previous],
        deployments=[
            row._replace(
                users=Marks(report.together, filters, deployment=row.deployment).of(row.users, name, "range")
            )
            for row in report.deployments
        ],
        users_so_far=marks.of(report.users_so_far, name, "range"),
        users=users,
        share=marked(marked(report.share, users), active),
        repeat_users=marked(repeat, users),
        active_users=active_users,
        together=None,
    )


def _parts(number: Compared, whole: Compared) -> Compared:
    def one(value: object, of: object) -> Any:
        return part(value, of) if isinstance(value, int) and isinstance(of, int) else value

    return Compared(one(number.value, whole.value), one(number.before, whole.before))


def _published(value: Measure) -> Measure:
    return published(value) if isinstance(value, int) else value


def _feature_day(day: FeatureDay, whole: bool) -> FeatureDay:
    if whole:
        return day._replace(users=Withheld.HIDDEN, uses=Withheld.HIDDEN)
    return day._replace(users=shown(day.users), uses=uses_of(day.users, day.uses))
