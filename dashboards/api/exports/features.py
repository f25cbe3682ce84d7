"""Feature adoption as a table: a row for each feature."""

from collections.abc import Mapping

from analytics.reports.catalogue import FEATURES
from analytics.reports.cells import AndFewMore
from analytics.reports.filters import ReportFilters
from dashboards.api.exports.export import PREVIOUS, Column, ReportExport, ReportTable


def _table(filters: ReportFilters, query: Mapping[str, str]) -> ReportTable:
    report = FEATURES.shown(filters)
    name = query.get("feature", "")
    chosen = [row for row in report.rows if not name or row.feature == name]
    rows = [
        [
            row.feature,
            row.users,
            row.share,
            row.uses,
            row.uses_per_user,
            row.repeat_users,
            row.actions,
            row.change,
            row.previous_users,
            row.previous_share,
            isinstance(row.uses, AndFewMore),
        ]
        for row in chosen
    ]
    trends = {row.feature: row.trend for row in chosen}
    return ReportTable(rows, {"active_users": report.active_users, "days": report.days, "trends": trends})


EXPORT = ReportExport(
    report=FEATURES,
    columns=(
        Column("feature", "text", "name of the feature"),
        Column("users", "count", "distinct people who used it"),
        Column("share", "measure", "of the people active in the same segment and period"),
        Column("uses", "count", "times it was used"),
        Column("uses_per_user", "measure", "uses divided by users: the least there were, with few_more"),
        Column("repeat_users", "count", "people who used it on two or more days"),
        Column("actions", "count", "different actions"),
        Column("change", "measure", "relative change of users against the previous period"),
        Column("previous_users", "count", PREVIOUS),
        Column("previous_share", "measure", PREVIOUS),
        Column("few_more", "flag", "whether uses by few people are left out"),
    ),
    table=_table,
    extra=("feature",),
)
