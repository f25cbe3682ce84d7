"""Errors as a table: a row for each type at each place."""

from collections.abc import Mapping

from analytics.reports.catalogue import ERRORS
from analytics.reports.cells import AndFewMore
from analytics.reports.filters import ReportFilters
from dashboards.api.exports.export import PREVIOUS, Column, ReportExport, ReportTable


def _table(filters: ReportFilters, query: Mapping[str, str]) -> ReportTable:
    report = ERRORS.shown(filters)
    error_type, place = query.get("error_type", ""), query.get("place", "")
    rows = [
        [*row[:8], isinstance(row.occurrences, AndFewMore)]
        for row in report.rows
        if (not error_type or row.error_type == error_type) and (not place or row.place == place)
    ]
    details = {
        "headline": report.headline,
        "previous": report.previous,
        "total": report.total,
        "days": report.days,
        "previous_days": report.previous_days,
    }
    return ReportTable(rows, details)


EXPORT = ReportExport(
    report=ERRORS,
    columns=(
        Column("error_type", "text", "class of the error, or the status that stands for it"),
        Column("place", "text", "function, feature (and action), or endpoint's method and template"),
        Column("users", "count", "distinct identified people who met it"),
        Column("occurrences", "count", "times it occurred"),
        Column("first_seen", "day", "first day of the range on which enough people met it"),
        Column("last_seen", "day", "last such day"),
        Column("change", "measure", "relative change of users against the previous period"),
        Column("previous_users", "count", PREVIOUS),
        Column("few_more", "flag", "whether occurrences at few people are left out"),
    ),
    table=_table,
    extra=("error_type", "place"),
)
