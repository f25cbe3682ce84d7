"""Active users as a table: a row for each day."""

from collections.abc import Mapping

from analytics.reports import suppression
from analytics.reports.catalogue import ACTIVE_USERS
from analytics.reports.cells import Count
from analytics.reports.filters import ReportFilters
from analytics.reports.sessions import sessions_report
from dashboards.api.exports.export import PREVIOUS, Column, ReportExport, ReportTable


def _table(filters: ReportFilters, query: Mapping[str, str]) -> ReportTable:
    report = ACTIVE_USERS.shown(filters)
    before: list[Count | None] = [day.total for day in report.previous]
    before = before or [None] * len(report.days)
    rows = [
        [day.day, day.total, day.cloud, day.self_hosted, day.unknown, day.complete, earlier]
        for day, earlier in zip(report.days, before, strict=True)
    ]
    named = ("yesterday", "wau", "mau", "average", "stickiness", "period_users")
    headline = {name: getattr(report, name) for name in named}
    sessions = sessions_report(filters)
    details = {"metric": report.metric, "headline": headline, "users_so_far": report.users_so_far}
    return ReportTable(rows, details | {"sessions": sessions and suppression.suppress_sessions(sessions)})


EXPORT = ReportExport(
    report=ACTIVE_USERS,
    columns=(
        Column("date", "date", "a day of the report time zone"),
        Column("all", "count", "distinct people, by the metric asked for"),
        Column("cloud", "count", "of them seen on cloud deployments"),
        Column("self_hosted", "count", "of them seen on self-hosted deployments"),
        Column("not_reported", "count", "of them seen on deployments of unknown type"),
        Column("complete", "flag", "false for today, which is not over"),
        Column("previous_all", "count", PREVIOUS),
    ),
    table=_table,
)
